#include "common/exemplar_board.h"

#include <algorithm>

namespace fettle {

void ExemplarBoard::Note(const std::string& family, const Labels& bucket,
                         const Exemplar& exemplar) {
  {
    const std::lock_guard lock(mutex_);
    const auto found = newest_.find({family, bucket});
    if (found == newest_.end()) {
      if (newest_.size() >= kBucketsMax) return;
      newest_.emplace(std::pair(family, bucket), exemplar);
    } else {
      if (exemplar.at - found->second.at < kReplacedAfter) return;
      found->second = exemplar;
    }
  }
  if (observer_) observer_(family, bucket, exemplar);
}

std::optional<Exemplar> ExemplarBoard::Find(const std::string& family, const Labels& bucket) const {
  const std::lock_guard lock(mutex_);
  const auto found = newest_.find({family, bucket});
  if (found == newest_.end()) return std::nullopt;
  return found->second;
}

std::string_view TraceIdOf(std::string_view traceparent) {
  // version "-" trace-id "-" parent-id "-" flags; later versions may go on after another "-".
  constexpr std::size_t kLeast = 55;
  constexpr std::size_t kBegin = 3;
  constexpr std::size_t kLength = 32;
  const auto hexadecimal = [](std::string_view text) {
    return std::all_of(text.begin(), text.end(),
                       [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
  };
  if (traceparent.size() < kLeast || traceparent[2] != '-' || traceparent[35] != '-' ||
      traceparent.starts_with("ff")) {
    return {};
  }
  const std::string_view id = traceparent.substr(kBegin, kLength);
  const bool zero = id.find_first_not_of('0') == std::string_view::npos;
  return hexadecimal(id) && hexadecimal(traceparent.substr(0, 2)) && !zero ? id
                                                                           : std::string_view();
}

}  // namespace fettle
