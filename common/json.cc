#include "common/json.h"

#include <simdjson.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>

#include "common/check.h"

namespace fettle {
namespace {

// simdjson's tape, as its doc/tape.md describes it: 64-bit words, the kind in the first byte, in
// the rest where the thing is or how far it goes. Numbers have their value in the next word.
enum Kind : char {
  kRoot = 'r',
  kObject = '{',
  kObjectEnd = '}',
  kArray = '[',
  kArrayEnd = ']',
  kString = '"',
  kSigned = 'l',
  kUnsigned = 'u',
  kDouble = 'd',
  kTrue = 't',
  kFalse = 'f',
  kNull = 'n',
};

// The tape begins with a root word, so 0 is no value.
constexpr std::uint64_t kFirst = 1;

// Doubles count every integer up to here.
constexpr double kExactMax = 9'007'199'254'740'992.0;

// Whether a number is an integer that 64 bits cannot hold.
bool IsLongInteger(std::string_view number, bool negative) {
  if (number.find_first_not_of("0123456789") != std::string_view::npos) return false;
  std::uint64_t value = 0;
  const auto result = std::from_chars(number.data(), number.data() + number.size(), value);
  return result.ec != std::errc() || (negative && value > (std::uint64_t{1} << 63));
}

std::string Explain(simdjson::error_code error) {
  switch (error) {
    case simdjson::DEPTH_ERROR:
      return fmt::format("nested deeper than {} levels", Json::kDepthMax);
    case simdjson::UTF8_ERROR:
      return "not valid UTF-8";
    case simdjson::EMPTY:
      return "empty";
    case simdjson::UNCLOSED_STRING:
      return "a string does not end";
    case simdjson::STRING_ERROR:
      return "a string has a bad escape";
    case simdjson::UNESCAPED_CHARS:
      return "a string has a control character";
    case simdjson::NUMBER_ERROR:
      return "a number is malformed or out of range";
    case simdjson::T_ATOM_ERROR:
    case simdjson::F_ATOM_ERROR:
    case simdjson::N_ATOM_ERROR:
      return "a word is neither true, false nor null";
    default:
      return "a comma, colon, quote or bracket is missing or too many";
  }
}

// simdjson refuses integers beyond 64 bits, which others write for large doubles (Go: 1e20 in
// full). With a fraction it reads them as doubles.
std::string WithLongIntegersAsDoubles(std::string_view text) {
  std::string out;
  bool in_string = false;
  for (std::size_t at = 0; at < text.size();) {
    const char c = text[at];
    const bool digit = c >= '0' && c <= '9';
    if (in_string || !digit) {
      if (c == '"') in_string = !in_string;
      const std::size_t length = in_string && c == '\\' && at + 1 < text.size() ? 2 : 1;
      out += text.substr(at, length);
      at += length;
      continue;
    }
    const std::size_t after = std::min(text.find_first_not_of("0123456789.eE+-", at), text.size());
    const std::string_view number = text.substr(at, after - at);
    out += number;
    if (IsLongInteger(number, at > 0 && text[at - 1] == '-')) out += ".0";
    at = after;
  }
  return out;
}

// Up to here a thread keeps its parser's memory (a quarter of a MiB), because fresh pages cost five
// times as much as the parsing of a usual request.
constexpr std::size_t kKeptBytesMax = 64 * 1024;

// The parser copies what lacks its padding. One level more, because it counts the value itself.
simdjson::error_code ParseWith(simdjson::dom::parser& parser, std::size_t capacity,
                               std::string_view text, simdjson::dom::document& document) {
  if (parser.capacity() < capacity) {
    if (const auto error = parser.allocate(capacity, Json::kDepthMax + 1)) return error;
  }
  return parser.parse_into_document(document, text.data(), text.size(), true).error();
}

simdjson::error_code ParseInto(std::string_view text, simdjson::dom::document& document) {
  if (text.size() <= kKeptBytesMax) {
    thread_local simdjson::dom::parser kept;
    return ParseWith(kept, kKeptBytesMax, text, document);
  }
  simdjson::dom::parser parser;
  return ParseWith(parser, text.size(), text, document);
}

}  // namespace

struct Json::Document {
  simdjson::dom::document document;

  std::uint64_t Word(std::uint64_t at) const { return document.tape[at]; }
  Kind KindAt(std::uint64_t at) const { return static_cast<Kind>(Word(at) >> 56); }
  std::uint64_t Payload(std::uint64_t at) const { return Word(at) & 0x00ff'ffff'ffff'ffffULL; }

  // Where the next value begins.
  std::uint64_t After(std::uint64_t at) const {
    switch (KindAt(at)) {
      case kObject:
      case kArray:
        return Payload(at) & 0xffff'ffffULL;  // the rest counts the members
      case kSigned:
      case kUnsigned:
      case kDouble:
        return at + 2;
      default:
        return at + 1;
    }
  }

  std::string_view Text(std::uint64_t at) const {
    const std::uint8_t* const begin = document.string_buf.get() + Payload(at);
    std::uint32_t length = 0;
    std::memcpy(&length, begin, sizeof length);
    return {reinterpret_cast<const char*>(begin + sizeof length), length};
  }

  template <typename T>
  T ValueAfter(std::uint64_t at) const {
    T value;
    std::memcpy(&value, &document.tape[at + 1], sizeof value);
    return value;
  }
};

struct JsonAccess {
  static Json At(const std::shared_ptr<const Json::Document>& document, std::uint64_t at) {
    Json json;
    json.document_ = document;
    json.at_ = at;
    return json;
  }
  static bool Is(const Json& json, Kind kind) {
    return json.exists() && json.document_->KindAt(json.at_) == kind;
  }
};

Result<Json> Json::Parse(std::string_view text, std::size_t bytes_max) {
  // A view of nothing may have no address, which memcpy must not be given.
  if (text.data() == nullptr) text = "";
  if (text.size() > bytes_max) {
    return Fail(Cause::kLimit, "bad JSON: longer than {} bytes", bytes_max);
  }
  const auto document = std::make_shared<Document>();
  simdjson::error_code error = ParseInto(text, document->document);
  if (error == simdjson::NUMBER_ERROR) {
    error = ParseInto(WithLongIntegersAsDoubles(text), document->document);
  }
  FETTLE_CHECK(error != simdjson::MEMALLOC);
  if (error != simdjson::SUCCESS) return Fail(Cause::kInvalid, "bad JSON: {}", Explain(error));
  return JsonAccess::At(document, kFirst);
}

bool Json::exists() const { return document_ != nullptr; }
bool Json::IsNull() const { return JsonAccess::Is(*this, kNull); }
bool Json::IsObject() const { return JsonAccess::Is(*this, kObject); }
bool Json::IsArray() const { return JsonAccess::Is(*this, kArray); }
bool Json::IsString() const { return JsonAccess::Is(*this, kString); }
bool Json::IsBool() const { return JsonAccess::Is(*this, kTrue) || JsonAccess::Is(*this, kFalse); }
bool Json::IsNumber() const {
  return JsonAccess::Is(*this, kSigned) || JsonAccess::Is(*this, kUnsigned) ||
         JsonAccess::Is(*this, kDouble);
}

Json Json::operator[](std::string_view key) const {
  if (!IsObject()) return {};
  const std::uint64_t end = document_->After(at_) - 1;
  for (std::uint64_t at = at_ + 1; at < end; at = document_->After(at + 1)) {
    if (document_->Text(at) == key) return JsonAccess::At(document_, at + 1);
  }
  return {};
}

std::vector<Json> Json::Items() const {
  std::vector<Json> out;
  if (!IsArray()) return out;
  const std::uint64_t end = document_->After(at_) - 1;
  for (std::uint64_t at = at_ + 1; at < end; at = document_->After(at)) {
    out.push_back(JsonAccess::At(document_, at));
  }
  return out;
}

std::vector<std::pair<std::string, Json>> Json::Entries() const {
  std::vector<std::pair<std::string, Json>> out;
  if (!IsObject()) return out;
  const std::uint64_t end = document_->After(at_) - 1;
  for (std::uint64_t at = at_ + 1; at < end; at = document_->After(at + 1)) {
    out.emplace_back(document_->Text(at), JsonAccess::At(document_, at + 1));
  }
  return out;
}

std::optional<std::string> Json::String() const {
  if (!IsString()) return std::nullopt;
  return std::string(document_->Text(at_));
}

std::optional<double> Json::Number() const {
  if (!IsNumber()) return std::nullopt;
  switch (document_->KindAt(at_)) {
    case kSigned:
      return static_cast<double>(document_->ValueAfter<std::int64_t>(at_));
    case kUnsigned:
      return static_cast<double>(document_->ValueAfter<std::uint64_t>(at_));
    default:
      return document_->ValueAfter<double>(at_);
  }
}

std::optional<std::int64_t> Json::Integer() const {
  if (JsonAccess::Is(*this, kSigned)) return document_->ValueAfter<std::int64_t>(at_);
  // Beyond int64 only simdjson says unsigned.
  if (!JsonAccess::Is(*this, kDouble)) return std::nullopt;
  const double value = document_->ValueAfter<double>(at_);
  if (std::abs(value) > kExactMax || value != std::floor(value)) return std::nullopt;
  return static_cast<std::int64_t>(value);
}

std::optional<bool> Json::Bool() const {
  if (!IsBool()) return std::nullopt;
  return JsonAccess::Is(*this, kTrue);
}

std::string Json::StringOr(std::string_view fallback) const {
  return IsString() ? std::string(document_->Text(at_)) : std::string(fallback);
}
double Json::NumberOr(double fallback) const { return Number().value_or(fallback); }
std::int64_t Json::IntegerOr(std::int64_t fallback) const { return Integer().value_or(fallback); }
bool Json::BoolOr(bool fallback) const { return Bool().value_or(fallback); }

std::string Json::Dump() const {
  if (!exists()) return "";
  JsonWriter out;
  std::vector<bool> in_object;  // of the levels open
  bool key_next = false;
  const std::uint64_t end = document_->After(at_);
  for (std::uint64_t at = at_; at < end;) {
    const Kind kind = document_->KindAt(at);
    if (kind == kString && key_next) {
      out.Key(document_->Text(at));
      key_next = false;
      ++at;
      continue;
    }
    switch (kind) {
      case kObject:
      case kArray:
        in_object.push_back(kind == kObject);
        kind == kObject ? out.BeginObject() : out.BeginArray();
        break;
      case kObjectEnd:
      case kArrayEnd:
        in_object.pop_back();
        kind == kObjectEnd ? out.EndObject() : out.EndArray();
        break;
      case kString:
        out.String(document_->Text(at));
        break;
      case kSigned:
        out.Integer(document_->ValueAfter<std::int64_t>(at));
        break;
      case kUnsigned:
        out.Unsigned(document_->ValueAfter<std::uint64_t>(at));
        break;
      case kDouble:
        out.Number(document_->ValueAfter<double>(at));
        break;
      case kTrue:
      case kFalse:
        out.Bool(kind == kTrue);
        break;
      default:
        out.Null();
    }
    key_next = !in_object.empty() && in_object.back();
    const bool opens = kind == kObject || kind == kArray;
    at = opens ? at + 1 : document_->After(at);
  }
  return out.Take();
}

}  // namespace fettle
