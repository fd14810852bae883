// The functions and the data of Prometheus' templates in labels and annotations.
// Source: prometheus/template; the text functions are in common/gotemplate_texts.h.
//
// Safe from any thread.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "common/clock.h"
#include "common/gotemplate.h"
#include "common/labels.h"
#include "common/result.h"
#include "rules/promql/value.h"

namespace fettle::rules {

// Asks PromQL for a template's {{query}}; samples in the engine's order.
using TemplateQuery = std::function<Result<promql::Vector>(const std::string& expression)>;

// All 29 functions for a text (tmpl is only for HTML): what a template is parsed with. query and
// now fail until a run binds them.
gotemplate::Functions AlertFunctions(const std::string& external_url);
// query and now of one evaluation, for Template::Execute.
gotemplate::Functions BindFunctions(Time now, TemplateQuery query);

// What {{.}} is: .Labels .ExternalLabels .ExternalURL .Value, and .Resolved, which Prometheus does
// not have: false while the alert is active. `external_labels` is made once by
// gotemplate::Value::From.
gotemplate::Value AlertData(const Labels& labels, const gotemplate::Value& external_labels,
                            const std::string& external_url, const promql::Element& element,
                            bool resolved = false);

// /graph?g0.expr=…&g0.tab=1, below the external URL: where an expression can be looked at.
std::string GraphLink(const std::string& expression);
std::string TableLink(const std::string& expression);

// One label or annotation of an alerting rule. A text without {{ is taken as it is.
class AlertText {
 public:
  // Knows $labels, $externalLabels, $externalURL and $value, and $resolved, which is ours. The
  // error is Go's, with the template called __alert_<alert>.
  static Result<AlertText> Parse(const std::string& alert, const std::string& text,
                                 const gotemplate::Functions& functions);
  // The error is prometheus', "error executing template __alert_X: template: …".
  Result<std::string> Expand(const gotemplate::Value& data,
                             const gotemplate::Functions& bound) const;
  bool templated() const { return template_.has_value(); }
  // It speaks of $resolved or .Resolved, so it is another text once the alert is over.
  bool knows_end() const { return knows_end_; }
  const std::string& text() const { return text_; }

 private:
  std::string name_;
  std::string text_;
  bool knows_end_ = false;
  std::optional<gotemplate::Template> template_;
};

}  // namespace fettle::rules
