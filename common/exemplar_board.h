// Exemplars of fettle's own histograms: of each bucket the newest observation that was part of
// somebody's trace. /metrics shows them in OpenMetrics; the root hands them on to the sample store.
// Safe from any thread.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "common/exemplar.h"

namespace fettle {

class ExemplarBoard {
 public:
  // One that is newer than this stays: a bucket may see thousands of observations a second.
  static constexpr Millis kReplacedAfter{1'000};
  // Of further buckets nothing is kept.
  static constexpr std::size_t kBucketsMax = 10'000;

  // Told of every exemplar that is put up, by whoever notes it. Before the first one.
  using Observer =
      std::function<void(const std::string& family, const Labels& bucket, const Exemplar&)>;
  void OnNote(Observer observer) { observer_ = std::move(observer); }

  // `bucket` is the point's labels, le among them.
  void Note(const std::string& family, const Labels& bucket, const Exemplar& exemplar);
  std::optional<Exemplar> Find(const std::string& family, const Labels& bucket) const;

 private:
  Observer observer_;
  mutable std::mutex mutex_;  // guards the following
  std::map<std::pair<std::string, Labels>, Exemplar> newest_;
};

// The name of the trace in a traceparent header (W3C Trace Context), 32 hexadecimal digits; empty
// if it is none.
std::string_view TraceIdOf(std::string_view traceparent);

}  // namespace fettle
