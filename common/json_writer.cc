#include <array>
#include <charconv>
#include <cmath>

#include "common/check.h"
#include "common/json.h"
#include "common/number.h"

namespace fettle {
namespace {

constexpr std::string_view kReplacement = "\\ufffd";

// What stands for each byte: 0 itself, 'u' a \u00XX escape, 'h' one only in HTML, 'm' the first
// byte of a longer character, else a letter after a backslash.
constexpr std::array<char, 256> MakeClasses() {
  std::array<char, 256> classes{};
  for (std::size_t c = 0; c < 0x20; ++c) classes[c] = 'u';
  for (std::size_t c = 0x80; c < 0x100; ++c) classes[c] = 'm';
  for (const char c : {'<', '>', '&'}) classes[static_cast<unsigned char>(c)] = 'h';
  classes['"'] = '"';
  classes['\\'] = '\\';
  classes['\b'] = 'b';
  classes['\f'] = 'f';
  classes['\n'] = 'n';
  classes['\r'] = 'r';
  classes['\t'] = 't';
  return classes;
}
constexpr std::array<char, 256> kClasses = MakeClasses();

// The length of the valid UTF-8 character of two to four bytes that begins there, or 0.
std::size_t CharacterLength(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(0);
  const std::size_t length = first >= 0xf5   ? 0
                             : first >= 0xf0 ? 4
                             : first >= 0xe0 ? 3
                             : first >= 0xc2 ? 2
                                             : 0;
  if (length == 0 || text.size() < length) return 0;
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return 0;
  }
  const bool overlong = (first == 0xe0 && byte(1) < 0xa0) || (first == 0xf0 && byte(1) < 0x90);
  const bool surrogate = first == 0xed && byte(1) >= 0xa0;
  const bool beyond = first == 0xf4 && byte(1) >= 0x90;
  return overlong || surrogate || beyond ? 0 : length;
}

template <typename T>
void AppendNumber(T value, std::string& out) {
  std::array<char, 24> buffer;
  const auto [end, error] = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value);
  FETTLE_CHECK(error == std::errc());
  out.append(buffer.data(), end);
}

}  // namespace

void JsonWriter::BeforeValue() {
  if (levels_.empty()) {
    FETTLE_CHECK(out_.empty());
    return;
  }
  Level& level = levels_.back();
  if (level.object) {
    FETTLE_CHECK(after_key_);
    after_key_ = false;
    return;
  }
  if (!level.first) out_ += ',';
  level.first = false;
}

JsonWriter& JsonWriter::BeginObject() {
  BeforeValue();
  levels_.push_back({.object = true});
  out_ += '{';
  return *this;
}

JsonWriter& JsonWriter::EndObject() {
  FETTLE_CHECK(!levels_.empty() && levels_.back().object && !after_key_);
  levels_.pop_back();
  out_ += '}';
  return *this;
}

JsonWriter& JsonWriter::BeginArray() {
  BeforeValue();
  levels_.push_back({.object = false});
  out_ += '[';
  return *this;
}

JsonWriter& JsonWriter::EndArray() {
  FETTLE_CHECK(!levels_.empty() && !levels_.back().object);
  levels_.pop_back();
  out_ += ']';
  return *this;
}

JsonWriter& JsonWriter::Key(std::string_view key) {
  FETTLE_CHECK(!levels_.empty() && levels_.back().object && !after_key_);
  if (!levels_.back().first) out_ += ',';
  levels_.back().first = false;
  WriteText(key);
  out_ += ':';
  after_key_ = true;
  return *this;
}

JsonWriter& JsonWriter::String(std::string_view text) {
  BeforeValue();
  WriteText(text);
  return *this;
}

void JsonWriter::WriteText(std::string_view text) {
  out_ += '"';
  std::size_t done = 0;  // written up to here
  const auto replace = [&](std::size_t at, std::size_t length, std::string_view by) {
    out_.append(text, done, at - done);
    out_ += by;
    done = at + length;
  };
  for (std::size_t at = 0; at < text.size();) {
    const auto byte = static_cast<unsigned char>(text[at]);
    const char kind = kClasses[byte];
    std::size_t length = 1;
    if (kind == 'm') {
      length = CharacterLength(text.substr(at));
      if (length == 0) {
        length = 1;
        replace(at, 1, kReplacement);
      } else if (const std::string_view c = text.substr(at, length);
                 c == "\u2028" || c == "\u2029") {
        // Line ends to JavaScript; Go escapes them always.
        replace(at, length, c == "\u2028" ? "\\u2028" : "\\u2029");
      }
    } else if (kind == 'u' || (kind == 'h' && options_.escape_html)) {
      replace(at, 1, fmt::format("\\u{:04x}", byte));
    } else if (kind != 0 && kind != 'h') {
      const std::array<char, 2> escape = {'\\', kind};
      replace(at, 1, {escape.data(), escape.size()});
    }
    at += length;
  }
  out_.append(text, done);
  out_ += '"';
}

JsonWriter& JsonWriter::Number(double value) {
  if (!std::isfinite(value)) return Null();
  BeforeValue();
  const double size = std::abs(value);
  if (size == 0 || (size >= 1e-6 && size < 1e21)) {
    out_ += FormatFloatFixed(value);
    return *this;
  }
  std::string text = FormatFloat(value);
  // Go writes e-7 here, not e-07.
  const std::size_t zero = text.size() - 2;
  if (text[zero - 1] == '-' && text[zero] == '0') text.erase(zero, 1);
  out_ += text;
  return *this;
}

JsonWriter& JsonWriter::Integer(std::int64_t value) {
  BeforeValue();
  AppendNumber(value, out_);
  return *this;
}

JsonWriter& JsonWriter::Unsigned(std::uint64_t value) {
  BeforeValue();
  AppendNumber(value, out_);
  return *this;
}

JsonWriter& JsonWriter::Bool(bool value) {
  BeforeValue();
  out_ += value ? "true" : "false";
  return *this;
}

JsonWriter& JsonWriter::Null() {
  BeforeValue();
  out_ += "null";
  return *this;
}

JsonWriter& JsonWriter::Raw(std::string_view json) {
  FETTLE_CHECK(!json.empty());
  BeforeValue();
  out_ += json;
  return *this;
}

std::string JsonWriter::Take() {
  FETTLE_CHECK(levels_.empty() && !out_.empty());
  std::string out = std::move(out_);
  out_.clear();
  return out;
}

}  // namespace fettle
