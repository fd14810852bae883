// How messages show a single character. Pure.
#pragma once

#include <string>

namespace fettle::promql {

// 'x', as Go's %q prints a character.
std::string QuoteRune(char32_t rune);
// U+0047 'G', as Go's %#U.
std::string DescribeRune(char32_t rune);

}  // namespace fettle::promql
