// Reads UTF-8 one character at a time, for positions and messages. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace fettle::promql {

struct Utf8Rune {
  std::uint32_t value = 0xfffd;
  std::size_t length = 0;  // in bytes; 1 where the bytes are not UTF-8; 0 at the end
  bool valid = false;
};
Utf8Rune ReadRune(std::string_view text, std::size_t at);

// The bytes of one character.
std::string WriteRune(std::uint32_t rune);
// 'x', as Go's %q prints a character.
std::string QuoteRune(std::uint32_t rune);
// U+0047 'G', as Go's %#U.
std::string DescribeRune(std::uint32_t rune);

}  // namespace fettle::promql
