#include "rules/promql/utf8.h"

#include <fmt/format.h>

namespace fettle::promql {

Utf8Rune ReadRune(std::string_view text, std::size_t at) {
  if (at >= text.size()) return {.value = 0, .length = 0, .valid = true};
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[at + i]); };
  const unsigned char first = byte(0);
  if (first < 0x80) return {first, 1, true};
  const std::size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4 || at + length > text.size()) return {.length = 1};
  std::uint32_t value = first & (0xffU >> (length + 1));
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return {.length = 1};
    value = (value << 6) | (byte(i) & 0x3fU);
  }
  const bool overlong = (length == 3 && value < 0x800) || (length == 4 && value < 0x10000);
  const bool surrogate = value >= 0xd800 && value <= 0xdfff;
  if (overlong || surrogate || value > 0x10ffff) return {.length = 1};
  return {value, length, true};
}

std::string WriteRune(std::uint32_t rune) {
  const auto byte = [](std::uint32_t value) { return static_cast<char>(value); };
  if (rune < 0x80) return {byte(rune)};
  if (rune < 0x800) return {byte(0xc0 | (rune >> 6)), byte(0x80 | (rune & 0x3f))};
  if (rune < 0x10000) {
    return {byte(0xe0 | (rune >> 12)), byte(0x80 | ((rune >> 6) & 0x3f)),
            byte(0x80 | (rune & 0x3f))};
  }
  return {byte(0xf0 | (rune >> 18)), byte(0x80 | ((rune >> 12) & 0x3f)),
          byte(0x80 | ((rune >> 6) & 0x3f)), byte(0x80 | (rune & 0x3f))};
}

std::string QuoteRune(std::uint32_t rune) {
  switch (rune) {
    case '\'':
      return "'\\''";
    case '\\':
      return "'\\\\'";
    case '\n':
      return "'\\n'";
    case '\r':
      return "'\\r'";
    case '\t':
      return "'\\t'";
    default:
      break;
  }
  if (rune < 0x20 || rune == 0x7f) return fmt::format("'\\x{:02x}'", rune);
  return "'" + WriteRune(rune) + "'";
}

std::string DescribeRune(std::uint32_t rune) {
  std::string code = fmt::format("U+{:04X}", rune);
  if (rune >= 0x20 && rune != 0x7f) code += " '" + WriteRune(rune) + "'";
  return code;
}

}  // namespace fettle::promql
