#include "rules/promql/rune_text.h"

#include <fmt/format.h>

#include "common/utf8.h"

namespace fettle::promql {

std::string QuoteRune(char32_t rune) {
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
  if (rune < 0x20 || rune == 0x7f) {
    return fmt::format("'\\x{:02x}'", static_cast<std::uint32_t>(rune));
  }
  std::string out = "'";
  AppendRune(rune, out);
  return out + "'";
}

std::string DescribeRune(char32_t rune) {
  std::string out = fmt::format("U+{:04X}", static_cast<std::uint32_t>(rune));
  if (rune < 0x20 || rune == 0x7f) return out;
  out += " '";
  AppendRune(rune, out);
  return out + "'";
}

}  // namespace fettle::promql
