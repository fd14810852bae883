#include "common/number.h"

#include <fmt/format.h>

#include <array>
#include <bit>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
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

std::string_view PrintSpecial(double value) {
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

char* Copy(std::string_view text, char* to) {
  std::memcpy(to, text.data(), text.size());
  return to + text.size();
}

// Eight decimal digits as the bytes of a number, the first in the lowest, without '0': two and two
// at a time. Little endian.
[[gnu::always_inline]] inline std::uint64_t EightDigits(std::uint64_t number) {
  const std::uint64_t fours = number / 10'000 | (number % 10'000) << 32;
  const std::uint64_t hundreds = (fours * 10'486 >> 20) & 0x0000'007f'0000'007fULL;
  const std::uint64_t twos = hundreds | (fours - hundreds * 100) << 16;
  const std::uint64_t tens = (twos * 103 >> 10) & 0x000f'000f'000f'000fULL;
  return tens | (twos - tens * 10) << 8;
}
constexpr std::uint64_t kZeros = 0x3030'3030'3030'3030ULL;

[[gnu::always_inline]] inline char* PutEight(std::uint64_t number, char* to) {
  const std::uint64_t text = EightDigits(number) | kZeros;
  std::memcpy(to, &text, 8);
  return to + 8;
}

constexpr std::array<std::uint64_t, 18> kTens = [] {
  std::array<std::uint64_t, 18> tens{1};
  for (std::size_t i = 1; i < tens.size(); ++i) tens[i] = 10 * tens[i - 1];
  return tens;
}();

// Of at most eight digits.
[[gnu::always_inline]] inline char* PrintShort(std::uint64_t number, char* to) {
  const std::uint64_t digits = EightDigits(number);
  // The last digit stays, whatever it is.
  const int unused = std::countr_zero(digits | 1ULL << 56) / 8 * 8;
  const std::uint64_t text = (digits | kZeros) >> unused;
  std::memcpy(to, &text, 8);
  return to + 8 - unused / 8;
}

// Of at most seventeen digits.
[[gnu::always_inline]] inline char* PrintWhole(std::uint64_t number, char* to) {
  if (number < kTens[8]) return PrintShort(number, to);
  if (number < kTens[16]) return PutEight(number % kTens[8], PrintShort(number / kTens[8], to));
  to = PrintShort(number / kTens[16], to);
  to = PutEight(number / kTens[8] % kTens[8], to);
  return PutEight(number % kTens[8], to);
}

// number * 10^exponent, which is `value`, without an exponent.
inline char* PrintFixed(double value, std::uint64_t number, int exponent, char* to) {
  if (exponent >= 0) {
    to = PrintWhole(number, to);
    std::memset(to, '0', static_cast<std::size_t>(exponent));
    return to + exponent;
  }
  const auto fraction = static_cast<std::size_t>(-exponent);
  if (fraction <= 16) {
    // The shortest text of a number that is not whole never crosses a whole one.
    const auto whole = static_cast<std::uint64_t>(value);
    const std::uint64_t rest = (number - whole * kTens[fraction]) * kTens[16 - fraction];
    to = PrintWhole(whole, to);
    *to++ = '.';
    PutEight(rest % kTens[8], PutEight(rest / kTens[8], to));
    return to + fraction;
  }
  // Below one, with zeros after the point (six at most) or seventeen digits.
  char digits[24];
  const auto count = static_cast<std::size_t>(PrintWhole(number, digits) - digits);
  std::memcpy(to, "0.000000", 8);
  to += 2 + fraction - count;
  std::memcpy(to, digits, count);
  return to + count;
}

}  // namespace

char* PrintSample(double value, char* to) {
  const double size = std::abs(value);
  if (!(size <= std::numeric_limits<double>::max())) return Copy(PrintSpecial(value), to);
  if (std::signbit(value)) *to++ = '-';
  if (size < 9007199254740992.0) {
    const auto whole = static_cast<std::uint64_t>(size);
    if (static_cast<double>(whole) == size) return PrintWhole(whole, to);
  }
  if (size < 1e-6 || size >= 1e21) {
    return std::to_chars(to, to + kSampleTextMax, size, std::chars_format::scientific).ptr;
  }
  // The shortest digits, in half the time of std::to_chars.
  const auto decimal = fmt::detail::dragonbox::to_decimal(size);
  return PrintFixed(size, decimal.significand, decimal.exponent, to);
}

std::string FormatFloat(double value) {
  if (IsWhole(value, 1e6)) return PrintWhole(value);
  if (!std::isfinite(value)) return std::string(PrintSpecial(value));
  Buffer buffer;
  const Scientific number = Print(value, buffer);
  if (number.exponent < -4 || number.exponent >= 6) return std::string(number.text);
  return WithoutExponent(number);
}

std::string FormatFloatFixed(double value) {
  if (IsWhole(value, 1e15)) return PrintWhole(value);
  if (!std::isfinite(value)) return std::string(PrintSpecial(value));
  if (std::abs(value) >= 1e-6 && std::abs(value) < 1e21) {
    char text[kSampleTextMax];
    return {text, PrintSample(value, text)};
  }
  Buffer buffer;
  return WithoutExponent(Print(value, buffer));
}

}  // namespace fettle
