#include "rules/recording_rule.h"

#include <unordered_set>
#include <utility>

namespace fettle::rules {

Result<std::vector<Sample>> RecordingRule::Record(const promql::Vector& answer, Time at,
                                                  int limit) const {
  std::vector<Sample> samples;
  samples.reserve(answer.size());
  std::unordered_set<std::uint64_t> seen;
  for (const promql::Element& element : answer) {
    Labels labels = *element.labels;
    labels.Set(kMetricName, name_);
    for (const auto& [name, value] : labels_) labels.Set(name, value);
    if (!seen.insert(labels.Fingerprint()).second) {
      return Fail(Cause::kInvalid,
                  "vector contains metrics with the same labelset after applying rule labels");
    }
    samples.push_back({std::move(labels), element.value, at, element.histogram});
  }
  if (limit > 0 && std::cmp_greater(samples.size(), limit)) {
    return Fail(Cause::kLimit, "exceeded limit of {} with {} series", limit, samples.size());
  }
  return samples;
}

}  // namespace fettle::rules
