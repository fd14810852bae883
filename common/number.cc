#include "common/number.h"

#include <array>
#include <charconv>
#include <cmath>
#include <cstdlib>

#include "common/check.h"

namespace fettle {
namespace {

// 1.797e308 in fixed notation has 309 digits, 5e-324 has 324 decimals.
using Buffer = std::array<char, 400>;

std::string Print(double value, std::chars_format format) {
  Buffer buffer;
  const auto [end, error] =
      std::to_chars(buffer.data(), buffer.data() + buffer.size(), value, format);
  FETTLE_CHECK(error == std::errc());
  return {buffer.data(), end};
}

std::string PrintSpecial(double value) {
  if (std::isnan(value)) return "NaN";
  return value > 0 ? "+Inf" : "-Inf";
}

}  // namespace

std::string FormatFloat(double value) {
  if (!std::isfinite(value)) return PrintSpecial(value);
  std::string scientific = Print(value, std::chars_format::scientific);
  const int exponent = std::atoi(scientific.c_str() + scientific.find('e') + 1);
  if (exponent < -4 || exponent >= 6) return scientific;
  return Print(value, std::chars_format::fixed);
}

std::string FormatFloatFixed(double value) {
  if (!std::isfinite(value)) return PrintSpecial(value);
  return Print(value, std::chars_format::fixed);
}

}  // namespace fettle
