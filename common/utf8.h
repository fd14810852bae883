// Characters of UTF-8 text, and Go's string literals. Pure. IsUtf8() and Quote() are in labels.h.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace fettle {

struct Rune {
  char32_t value = 0;
  std::size_t length = 0;  // in bytes; 0 if what stands there is not valid UTF-8
};
// REQUIRES: at < text.size().
Rune DecodeRune(std::string_view text, std::size_t at);
// REQUIRES: a Unicode scalar value.
void AppendRune(char32_t rune, std::string& out);

// Unicode's White_Space, as Go's unicode.IsSpace.
bool IsSpace(char32_t rune);

// The text of a double-quoted Go literal, quotes included, as strconv.Unquote reads it; its bytes
// may be no UTF-8 (\xff). nullopt if it is no such literal.
std::optional<std::string> Unquote(std::string_view literal);

}  // namespace fettle
