#include "common/number.h"

#include <array>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <string_view>

#include "common/check.h"

namespace fettle {
namespace {

// "-1.7976931348623157e+308" has 24 characters.
using Buffer = std::array<char, 32>;

// The shortest digits that read back the same, as scientific notation has them: "-1.25e-09".
struct Scientific {
  std::string_view text;
  int exponent = 0;
};

Scientific Print(double value, Buffer& buffer) {
  const auto [end, error] = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value,
                                          std::chars_format::scientific);
  FETTLE_CHECK(error == std::errc());
  Scientific out;
  out.text = {buffer.data(), static_cast<std::size_t>(end - buffer.data())};
  // from_chars takes no plus.
  const char* exponent = buffer.data() + out.text.find('e') + 1;
  if (*exponent == '+') ++exponent;
  std::from_chars(exponent, end, out.exponent);
  return out;
}

// The same digits without exponent, zeros for what they do not say. (std::to_chars would print all
// the digits of 2^70; Go does not.)
std::string WithoutExponent(const Scientific& number) {
  std::string out;
  std::string_view text = number.text.substr(0, number.text.find('e'));
  if (text[0] == '-') {
    out = "-";
    text.remove_prefix(1);
  }
  std::string digits(1, text[0]);
  if (text.size() > 2) digits += text.substr(2);
  if (number.exponent < 0) {
    out += "0.";
    out.append(static_cast<std::size_t>(-number.exponent - 1), '0');
    return out + digits;
  }
  const auto whole = static_cast<std::size_t>(number.exponent) + 1;
  if (digits.size() <= whole) return out + digits + std::string(whole - digits.size(), '0');
  return out + digits.substr(0, whole) + "." + digits.substr(whole);
}

std::string PrintSpecial(double value) {
  if (std::isnan(value)) return "NaN";
  return value > 0 ? "+Inf" : "-Inf";
}

// The quick way for what most samples are. Minus zero is not among them.
bool IsWhole(double value, double limit) {
  return std::abs(value) < limit && value == std::trunc(value) &&
         (value != 0 || !std::signbit(value));
}

std::string PrintWhole(double value) {
  Buffer buffer;
  const auto [end, error] =
      std::to_chars(buffer.data(), buffer.data() + buffer.size(), static_cast<std::int64_t>(value));
  return {buffer.data(), end};
}

}  // namespace

std::string FormatFloat(double value) {
  if (IsWhole(value, 1e6)) return PrintWhole(value);
  if (!std::isfinite(value)) return PrintSpecial(value);
  Buffer buffer;
  const Scientific number = Print(value, buffer);
  if (number.exponent < -4 || number.exponent >= 6) return std::string(number.text);
  return WithoutExponent(number);
}

std::string FormatFloatFixed(double value) {
  if (IsWhole(value, 1e15)) return PrintWhole(value);
  if (!std::isfinite(value)) return PrintSpecial(value);
  Buffer buffer;
  return WithoutExponent(Print(value, buffer));
}

}  // namespace fettle
