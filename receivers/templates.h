// The texts of notifications: Alertmanager's templates, their data and functions, and the default
// ones. Source: prometheus.io/docs/alerting/latest/notifications.
//
// Load() once per configuration; Templates and Texts are immutable and safe from any thread.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/clock.h"
#include "common/gotemplate.h"
#include "common/result.h"
#include "receivers/notification.h"

namespace fettle::receivers {

// Go's names: .Receiver .Status .Alerts .GroupLabels .CommonLabels .CommonAnnotations .ExternalURL
// .NotificationReason, with their methods.
gotemplate::Value TemplateData(const Notification& notification);

// toUpper join match date … and now and since, which know the moment.
gotemplate::Functions TemplateFunctions();
gotemplate::Functions TemplateFunctionsAt(Time now);
// JSON as Go's encoding/json writes the value.
std::string ToJson(const gotemplate::Value& value);

// As Go's html/template escapes text between tags.
std::string EscapeHtml(std::string_view text);

// {{define}}s of "__subject", "slack.default.title", …
std::string_view DefaultTemplates();

class Templates {
 public:
  static constexpr std::size_t kFilesMax = 1'000;

  // Reads every file that the globs match, in order; a glob without files is fine.
  static Result<std::shared_ptr<const Templates>> Load(const std::vector<std::string>& globs);
  // A text that may use all definitions.
  Result<gotemplate::Template> Parse(std::string name, std::string_view text) const {
    return base_.With(std::move(name), text);
  }

 private:
  explicit Templates(gotemplate::Template base) : base_(std::move(base)) {}
  gotemplate::Template base_;
};

// One field of a receiver: a text with or without template actions. What is wrong with it is known
// when the configuration is read (problem()) and said whenever it should be rendered, as
// Alertmanager does; other receivers go on.
class Text {
 public:
  Text() = default;
  Text(const Templates& templates, std::string name, std::string text);

  Result<std::string> Render(const gotemplate::Value& data, Time now) const;
  // The same as HTML: what its actions print is escaped, unless it went through safeHtml.
  Result<std::string> RenderHtml(const gotemplate::Value& data, Time now) const;
  Status problem() const;

 private:
  std::string plain_;
  std::shared_ptr<const Result<gotemplate::Template>> parsed_;  // if it has actions
};

}  // namespace fettle::receivers
