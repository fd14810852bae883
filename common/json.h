// Reads JSON no deeper than it should (simdjson stays inside json.cc) and writes only valid UTF-8.
#pragma once

#include <concepts>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "common/result.h"

namespace fettle {

// A parsed value; a value type that keeps its whole document alive, cheap to copy. Asking an absent
// or differently typed value answers with nullopt/empty, so that readers say what they want and
// then complain about what is missing. Not for sharing between threads while parsing; read-only
// after.
class Json {
 public:
  static constexpr int kDepthMax = 64;

  Json() = default;  // absent
  // Refuses: not JSON, deeper than kDepthMax, longer than `bytes_max`, invalid UTF-8, trailing
  // text.
  static Result<Json> Parse(std::string_view text, std::size_t bytes_max = 64 * 1024 * 1024);

  bool exists() const;
  bool IsNull() const;
  bool IsObject() const;
  bool IsArray() const;
  bool IsString() const;
  bool IsNumber() const;
  bool IsBool() const;

  // Of an object; absent if there is no such key. The first of repeated keys.
  Json operator[](std::string_view key) const;
  // Of an array.
  std::vector<Json> Items() const;
  // Of an object, in order.
  std::vector<std::pair<std::string, Json>> Entries() const;

  std::optional<std::string> String() const;
  std::optional<double> Number() const;
  std::optional<std::int64_t> Integer() const;
  std::optional<bool> Bool() const;
  std::string StringOr(std::string_view fallback) const;
  double NumberOr(double fallback) const;
  std::int64_t IntegerOr(std::int64_t fallback) const;
  bool BoolOr(bool fallback) const;
  // The value written again, compactly; "" if absent.
  std::string Dump() const;

  struct Document;  // json.cc's

 private:
  friend struct JsonAccess;
  std::shared_ptr<const Document> document_;
  std::uint64_t at_ = 0;
};

// Writes JSON as a stream, without a tree, to the byte as Go's encoding/json. Invalid UTF-8 becomes
// U+FFFD; NaN and infinities become null (PromQL answers write their numbers as strings).
// `escape_html` writes < > & as \u003c \u003e \u0026, as Go does unless told otherwise.
// Misuse (a value where a key must stand, an unclosed object) is a broken promise.
class JsonWriter {
 public:
  struct Options {
    bool escape_html = false;
  };
  JsonWriter() = default;
  explicit JsonWriter(Options options) : options_(options) {}

  JsonWriter& BeginObject();
  JsonWriter& EndObject();
  JsonWriter& BeginArray();
  JsonWriter& EndArray();
  JsonWriter& Key(std::string_view key);
  JsonWriter& String(std::string_view text);
  JsonWriter& Number(double value);  // the shortest text that reads back the same
  JsonWriter& Integer(std::int64_t value);
  JsonWriter& Unsigned(std::uint64_t value);
  JsonWriter& Bool(bool value);
  JsonWriter& Null();
  // Text that is JSON already.
  JsonWriter& Raw(std::string_view json);

  // Key and value in one line.
  JsonWriter& Field(std::string_view key, std::string_view value) { return Key(key).String(value); }
  JsonWriter& Field(std::string_view key, const char* value) { return Key(key).String(value); }
  JsonWriter& Field(std::string_view key, const std::string& value) {
    return Key(key).String(value);
  }
  JsonWriter& Field(std::string_view key, double value) { return Key(key).Number(value); }
  JsonWriter& Field(std::string_view key, bool value) { return Key(key).Bool(value); }
  template <std::integral T>
  JsonWriter& Field(std::string_view key, T value) {
    if constexpr (std::is_signed_v<T>) return Key(key).Integer(value);
    return Key(key).Unsigned(static_cast<std::uint64_t>(value));
  }

  // The text; every object and array must be closed.
  std::string Take();

 private:
  void BeforeValue();
  void WriteText(std::string_view text);
  struct Level {
    bool object = false;
    bool first = true;
  };
  Options options_;
  std::string out_;
  std::vector<Level> levels_;
  bool after_key_ = false;
};

}  // namespace fettle
