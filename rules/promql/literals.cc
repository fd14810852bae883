#include "rules/promql/literals.h"

#include <charconv>
#include <cmath>
#include <limits>
#include <optional>

#include "common/duration.h"
#include "common/labels.h"
#include "common/utf8.h"

namespace fettle::promql {
namespace {

bool EqualsNoCase(std::string_view text, std::string_view lower) {
  if (text.size() != lower.size()) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if ((c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c) != lower[i]) return false;
  }
  return true;
}

std::optional<double> ParseInteger(std::string_view digits) {
  int base = 10;
  if (digits.size() > 1 && digits[0] == '0') {
    const char kind = digits[1];
    base = kind == 'x' || kind == 'X' ? 16 : kind == 'b' || kind == 'B' ? 2 : 8;
    digits.remove_prefix(base != 8 || kind == 'o' || kind == 'O' ? 2 : 1);
  }
  std::int64_t value = 0;
  const auto [end, error] =
      std::from_chars(digits.data(), digits.data() + digits.size(), value, base);
  if (error != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
  return static_cast<double>(value);
}

}  // namespace

Result<double> ParseNumber(std::string_view text) {
  std::string plain;
  for (const char c : text) {
    if (c != '_') plain += c;
  }
  if (const auto integer = ParseInteger(plain)) return *integer;
  if (EqualsNoCase(plain, "inf")) return std::numeric_limits<double>::infinity();
  if (EqualsNoCase(plain, "nan")) return std::numeric_limits<double>::quiet_NaN();
  double value = 0;
  const auto [end, error] = std::from_chars(plain.data(), plain.data() + plain.size(), value);
  const bool whole = end == plain.data() + plain.size();
  if (error == std::errc::result_out_of_range && whole) {
    // Too small is zero to Go; too large is refused.
    const double by_strtod = std::strtod(plain.c_str(), nullptr);
    if (std::abs(by_strtod) < 1) return by_strtod;
    return Fail(Cause::kInvalid,
                "error parsing number: strconv.ParseFloat: parsing {}: value out of range",
                Quote(text));
  }
  if (error != std::errc() || !whole) {
    return Fail(Cause::kInvalid,
                "error parsing number: strconv.ParseFloat: parsing {}: invalid syntax",
                Quote(text));
  }
  return value;
}

std::string UnquoteToken(std::string_view token) {
  const char quote = token.front();
  const std::string_view inside = token.substr(1, token.size() - 2);
  if (quote == '`') return std::string(inside);
  if (inside.find('\\') == std::string_view::npos) return std::string(inside);
  std::string out;
  const auto number = [&](std::size_t at, std::size_t digits, int base) {
    std::uint32_t value = 0;
    std::from_chars(inside.data() + at, inside.data() + at + digits, value, base);
    return value;
  };
  for (std::size_t at = 0; at < inside.size(); ++at) {
    if (inside[at] != '\\') {
      out += inside[at];
      continue;
    }
    const char kind = inside[++at];
    switch (kind) {
      case 'a':
        out += '\a';
        break;
      case 'b':
        out += '\b';
        break;
      case 'f':
        out += '\f';
        break;
      case 'n':
        out += '\n';
        break;
      case 'r':
        out += '\r';
        break;
      case 't':
        out += '\t';
        break;
      case 'v':
        out += '\v';
        break;
      case 'x':
        out += static_cast<char>(number(at + 1, 2, 16));
        at += 2;
        break;
      case 'u':
        AppendRune(number(at + 1, 4, 16), out);
        at += 4;
        break;
      case 'U':
        AppendRune(number(at + 1, 8, 16), out);
        at += 8;
        break;
      case '0':
      case '1':
      case '2':
      case '3':
      case '4':
      case '5':
      case '6':
      case '7':
        out += static_cast<char>(number(at, 3, 8));
        at += 2;
        break;
      default:
        out += kind;
    }
  }
  return out;
}

Result<double> ParseDurationSeconds(std::string_view text) {
  const Result<Millis> duration = ParseDuration(text);
  if (!duration) return tl::unexpected(duration.error());
  return static_cast<double>(duration->count()) / 1000.0;
}

}  // namespace fettle::promql
