// How a histogram stands in a column of numbers: as a signalling NaN that carries its place in a
// list beside the column. No arithmetic makes such a number, as none makes a stale marker, so a
// column without histograms is read as if there were none in the world.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>

namespace fettle::rules {

inline constexpr std::uint64_t kHistogramCellBits = 0x7ff5ULL << 48;

inline double HistogramCell(std::size_t place) {
  return std::bit_cast<double>(kHistogramCellBits | static_cast<std::uint32_t>(place));
}
inline bool IsHistogramCell(double cell) {
  return (std::bit_cast<std::uint64_t>(cell) >> 32) == (kHistogramCellBits >> 32);
}
inline std::size_t HistogramPlace(double cell) {
  return static_cast<std::uint32_t>(std::bit_cast<std::uint64_t>(cell));
}

}  // namespace fettle::rules
