#include "common/utf8.h"

namespace fettle {
namespace {

int DigitValue(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return 16;
}

// Exactly `count` digits of `base`, taken from the text.
std::optional<char32_t> TakeDigits(std::string_view& text, std::size_t count, int base) {
  if (text.size() < count) return std::nullopt;
  char32_t value = 0;
  for (const char c : text.substr(0, count)) {
    if (DigitValue(c) >= base) return std::nullopt;
    value = value * static_cast<char32_t>(base) + static_cast<char32_t>(DigitValue(c));
  }
  text.remove_prefix(count);
  return value;
}

bool IsScalar(char32_t rune) { return rune <= 0x10ffff && (rune < 0xd800 || rune > 0xdfff); }

// What a backslash stands for, taken with what follows it; false if it stands for nothing.
bool TakeEscape(std::string_view& text, std::string& out) {
  if (text.empty()) return false;
  const char c = text[0];
  constexpr std::string_view kLetters = "abfnrtv\\\"";
  constexpr std::string_view kMeanings = "\a\b\f\n\r\t\v\\\"";
  if (const std::size_t at = kLetters.find(c); at != std::string_view::npos) {
    out += kMeanings[at];
    text.remove_prefix(1);
    return true;
  }
  const bool octal = c >= '0' && c <= '7';
  if (!octal) text.remove_prefix(1);
  if (octal || c == 'x') {
    const std::optional<char32_t> byte = octal ? TakeDigits(text, 3, 8) : TakeDigits(text, 2, 16);
    if (!byte || *byte > 0xff) return false;
    out += static_cast<char>(*byte);
    return true;
  }
  if (c != 'u' && c != 'U') return false;
  const std::optional<char32_t> rune = TakeDigits(text, c == 'u' ? 4 : 8, 16);
  if (!rune || !IsScalar(*rune)) return false;
  AppendRune(*rune, out);
  return true;
}

}  // namespace

Rune DecodeRune(std::string_view text, std::size_t at) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[at + i]); };
  const unsigned char first = byte(0);
  if (first < 0x80) return {first, 1};
  const std::size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : first >= 0xc2 ? 2 : 0;
  if (length == 0 || first > 0xf4 || at + length > text.size()) return {};
  char32_t value = first & (0xffU >> (length + 1));
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return {};
    value = (value << 6) | (byte(i) & 0x3fU);
  }
  const bool overlong = (length == 3 && value < 0x800) || (length == 4 && value < 0x10000);
  if (overlong || !IsScalar(value)) return {};
  return {value, length};
}

void AppendRune(char32_t rune, std::string& out) {
  const auto continuation = [&](int shift) {
    out += static_cast<char>(0x80 | ((rune >> shift) & 0x3f));
  };
  if (rune < 0x80) {
    out += static_cast<char>(rune);
  } else if (rune < 0x800) {
    out += static_cast<char>(0xc0 | (rune >> 6));
    continuation(0);
  } else if (rune < 0x10000) {
    out += static_cast<char>(0xe0 | (rune >> 12));
    continuation(6);
    continuation(0);
  } else {
    out += static_cast<char>(0xf0 | (rune >> 18));
    continuation(12);
    continuation(6);
    continuation(0);
  }
}

bool IsSpace(char32_t rune) {
  return (rune >= '\t' && rune <= '\r') || rune == ' ' || rune == 0x85 || rune == 0xa0 ||
         rune == 0x1680 || (rune >= 0x2000 && rune <= 0x200a) || rune == 0x2028 || rune == 0x2029 ||
         rune == 0x202f || rune == 0x205f || rune == 0x3000;
}

std::optional<std::string> Unquote(std::string_view literal) {
  if (literal.size() < 2 || literal.front() != '"' || literal.back() != '"') return std::nullopt;
  std::string_view rest = literal.substr(1, literal.size() - 2);
  std::string out;
  while (!rest.empty()) {
    const char c = rest[0];
    if (c == '"' || c == '\n') return std::nullopt;
    rest.remove_prefix(1);
    if (c != '\\') {
      out += c;
    } else if (!TakeEscape(rest, out)) {
      return std::nullopt;
    }
  }
  return out;
}

}  // namespace fettle
