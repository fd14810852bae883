// GET /federate: the newest sample of each series that is asked for, as a metrics page for another
// Prometheus, ALERTS and rule-made series too. Source: Prometheus 3.5, web/federate.go.
//
// Safe from any thread.
#pragma once

#include <functional>

#include "common/clock.h"
#include "common/http.h"
#include "common/labels.h"
#include "rules/samples/samples.h"

namespace fettle::rules {

class Federation {
 public:
  struct Deps {
    const SampleStore& samples;
    const Clock& clock;
    // Attached to every series that has no label of that name.
    std::function<Labels()> external_labels;
  };
  Federation(Deps deps, Millis lookback) : deps_(std::move(deps)), lookback_(lookback) {}

  // match[]: selectors, any of them. Native histograms have no place in the text format and are
  // left out.
  HttpResponse Serve(const HttpRequest& request) const;

 private:
  const Deps deps_;
  const Millis lookback_;
};

}  // namespace fettle::rules
