#include "rules/federate.h"

#include <algorithm>
#include <map>
#include <utility>
#include <vector>

#include "common/number.h"
#include "rules/query_params.h"
#include "rules/samples/selection.h"

namespace fettle::rules {
namespace {

// name="value" with the text format's escapes.
void AppendLabel(std::string_view name, std::string_view value, std::string& out) {
  const bool plain = IsLabelName(name);
  out += plain ? std::string(name) : Quote(name);
  out += "=\"";
  for (const char c : value) {
    if (c == '\n') {
      out += "\\n";
      continue;
    }
    if (c == '\\' || c == '"') out += '\\';
    out += c;
  }
  out += '"';
}

void AppendLine(const Labels& labels, const std::vector<Labels::Pair>& more, const Sample& sample,
                std::string& out) {
  const std::string_view name = labels.Get(kMetricName);
  const bool plain = IsMetricName(name);
  std::string inside = plain ? "" : Quote(name);
  const auto add = [&inside](std::string_view key, std::string_view value) {
    if (!inside.empty()) inside += ',';
    AppendLabel(key, value, inside);
  };
  for (const auto& [key, value] : labels) {
    if (key != kMetricName) add(key, value);
  }
  for (const auto& [key, value] : more) {
    if (!labels.Has(key)) add(key, value);
  }
  if (plain) out += name;
  if (!inside.empty()) out += '{' + inside + '}';
  out += ' ' + FormatFloat(sample.value) + ' ' + std::to_string(ToMillis(sample.at)) + '\n';
}

// External labels, and an empty instance, so that who scrapes this with honor_labels gives these
// series none of its own.
std::vector<Labels::Pair> Attached(const Labels& external) {
  std::vector<Labels::Pair> pairs(external.begin(), external.end());
  if (!external.Has("instance")) pairs.emplace_back("instance", "");
  std::sort(pairs.begin(), pairs.end());
  return pairs;
}

}  // namespace

HttpResponse Federation::Serve(const HttpRequest& request) const {
  const auto selectors = QueryParams(request).GetSelectors();
  if (!selectors) return TextResponse(400, selectors.error().message + "\n");
  const Time now = deps_.clock.Now().wall;
  std::map<Labels, Sample> found;
  for (const Matchers& matchers : *selectors) {
    const Selection selection = deps_.samples.Select(matchers, now - lookback_, now);
    for (std::size_t i = 0; i < selection.size(); ++i) {
      std::optional<Sample> last = selection.Last(i);
      if (!last || IsStaleNaN(last->value) || last->histogram != nullptr) continue;
      if (!selection.labels(i)->Has(kMetricName)) continue;
      found.emplace(*selection.labels(i), *std::move(last));
    }
  }
  std::vector<const std::pair<const Labels, Sample>*> sorted;
  sorted.reserve(found.size());
  for (const auto& entry : found) sorted.push_back(&entry);
  std::stable_sort(sorted.begin(), sorted.end(), [](const auto* a, const auto* b) {
    return a->first.Get(kMetricName) < b->first.Get(kMetricName);
  });
  const std::vector<Labels::Pair> more = Attached(deps_.external_labels());
  std::string page;
  std::string_view family;
  for (const auto* entry : sorted) {
    const std::string_view name = entry->first.Get(kMetricName);
    if (name != family) {
      page += "# TYPE " + (IsMetricName(name) ? std::string(name) : Quote(name)) + " untyped\n";
      family = name;
    }
    AppendLine(entry->first, more, entry->second, page);
  }
  HttpResponse response{200, {}, std::move(page)};
  response.headers.Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8");
  return response;
}

}  // namespace fettle::rules
