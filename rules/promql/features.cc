#include "rules/promql/features.h"

#include <algorithm>
#include <iterator>

#include "common/labels.h"

namespace fettle::promql {
namespace {

struct Named {
  std::string_view name;
  void (*enable)(Features&);
};

constexpr Named kFeatures[] = {
    {"promql-experimental-functions", [](Features& f) { f.parser.experimental_functions = true; }},
    {"promql-extended-range-selectors", [](Features& f) { f.parser.extended_ranges = true; }},
    {"promql-binop-fill-modifiers", [](Features& f) { f.parser.fill_modifiers = true; }},
    {"promql-delayed-name-removal", [](Features& f) { f.delayed_name_removal = true; }},
    {"use-start-timestamps", [](Features& f) { f.start_timestamps = true; }},
    {"type-and-unit-labels", [](Features& f) { f.type_and_unit_labels = true; }},
    // Part of the language by now.
    {"promql-duration-expr", [](Features&) {}},
    {"promql-at-modifier", [](Features&) {}},
    {"promql-negative-offset", [](Features&) {}},
    {"native-histograms", [](Features&) {}},
};

std::string Known() {
  std::string out;
  for (const Named& feature : kFeatures) {
    out += (out.empty() ? "" : ", ") + std::string(feature.name);
  }
  return out;
}

}  // namespace

EngineOptions Features::On(EngineOptions options) const {
  options.delayed_name_removal = delayed_name_removal;
  options.start_timestamps = start_timestamps;
  options.type_and_unit_labels = type_and_unit_labels;
  return options;
}

Result<Features> ParseFeatures(const std::vector<std::string>& lists) {
  Features out;
  for (std::string_view list : lists) {
    while (!list.empty()) {
      const std::string_view name = list.substr(0, list.find(','));
      list.remove_prefix(std::min(name.size() + 1, list.size()));
      if (name.empty()) continue;
      const auto found = std::find_if(std::begin(kFeatures), std::end(kFeatures),
                                      [&](const Named& known) { return known.name == name; });
      if (found == std::end(kFeatures)) {
        return Fail(Cause::kInvalid, "unknown feature {}; known are {}", Quote(name), Known());
      }
      found->enable(out);
    }
  }
  return out;
}

}  // namespace fettle::promql
