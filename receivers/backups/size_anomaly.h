// Whether the newest set is suspiciously small or large beside those before it. Robust: the median
// of the logarithms and their median deviation, so that one odd set neither hides nor makes
// another.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

namespace fettle::receivers::backups {

struct SizeVerdict {
  double deviation_ratio = 0;  // (newest - median) / median
  bool low = false;
  bool high = false;
};

inline constexpr std::size_t kSizesLookedAt = 28;      // before the newest
inline constexpr std::size_t kSizesNeeded = 5;         // with fewer there is no verdict
inline constexpr double kSizeChangeMin = 1024 * 1024;  // smaller changes are noise

// Of good sets in bytes, the newest last. Low: less than (1 - max_shrink) of the median, or more
// than six deviations below it; high: as many above it.
std::optional<SizeVerdict> JudgeSize(const std::vector<double>& sizes, double max_shrink);

}  // namespace fettle::receivers::backups
