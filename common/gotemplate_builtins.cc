// The functions of the language itself: and, or, not, comparison, index, slice, len, call, printing
// and escaping.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "common/gotemplate_ast.h"
#include "common/gotemplate_lex.h"

namespace fettle::gotemplate {
namespace {

using Arguments = std::vector<Value>;

// and/or with all arguments evaluated: only reached through `call`-like detours, the executor stops
// at the first that decides.
Result<Value> AndOr(const Arguments& arguments, bool until) {
  for (const Value& argument : arguments) {
    if (Truth(argument) == until) return argument;
  }
  return arguments.back();
}
Result<Value> And(const Arguments& arguments) { return AndOr(arguments, false); }
Result<Value> Or(const Arguments& arguments) { return AndOr(arguments, true); }
Result<Value> Not(const Arguments& arguments) { return Value(!Truth(arguments[0])); }

Result<Value> Length(const Arguments& arguments) {
  const Value& value = arguments[0];
  if (value.IsNil()) return Fail(Cause::kInvalid, "len of nil pointer");
  const auto size = [](std::size_t n) { return Value(static_cast<std::int64_t>(n)); };
  if (const std::string* text = value.AsString()) return size(text->size());
  if (const List* list = value.AsList()) return size(list->size());
  if (const Map* map = value.AsMap()) return size(map->size());
  return Fail(Cause::kInvalid, "len of type {}", TypeName(value));
}

Result<std::size_t> IndexWithin(const Value& index, std::size_t limit) {
  if (index.IsNil()) return Fail(Cause::kInvalid, "cannot index slice/array with nil");
  const std::int64_t* number = index.AsInteger();
  if (number == nullptr) {
    return Fail(Cause::kInvalid, "cannot index slice/array with type {}", TypeName(index));
  }
  if (*number < 0 || std::cmp_greater_equal(*number, limit)) {
    return Fail(Cause::kInvalid, "index out of range: {}", *number);
  }
  return static_cast<std::size_t>(*number);
}

Result<Value> IndexOnce(const Value& item, const Value& index) {
  if (const Map* map = item.AsMap()) {
    const std::string* key = index.AsString();
    if (key == nullptr) {
      if (index.IsNil()) return Fail(Cause::kInvalid, "value is nil; should be of type string");
      return Fail(Cause::kInvalid, "value has type {}; should be string", TypeName(index));
    }
    const auto entry = map->find(*key);
    return entry == map->end() ? ZeroOf(*map) : entry->second;
  }
  if (const List* list = item.AsList()) {
    const Result<std::size_t> at = IndexWithin(index, list->size());
    if (!at) return tl::unexpected(at.error());
    return (*list)[*at];
  }
  if (const std::string* text = item.AsString()) {
    const Result<std::size_t> at = IndexWithin(index, text->size());
    if (!at) return tl::unexpected(at.error());
    return Value(std::int64_t{static_cast<unsigned char>((*text)[*at])});
  }
  if (item.IsNil()) return Fail(Cause::kInvalid, "index of nil pointer");
  return Fail(Cause::kInvalid, "can't index item of type {}", TypeName(item));
}

Result<Value> Index(const Arguments& arguments) {
  Value item = arguments[0];
  if (item.IsNil()) return Fail(Cause::kInvalid, "index of untyped nil");
  for (std::size_t i = 1; i < arguments.size(); ++i) {
    Result<Value> next = IndexOnce(item, arguments[i]);
    if (!next) return next;
    item = *std::move(next);
  }
  return item;
}

Result<Value> Slice(const Arguments& arguments) {
  const Value& item = arguments[0];
  if (item.IsNil()) return Fail(Cause::kInvalid, "slice of untyped nil");
  const std::string* text = item.AsString();
  const List* list = item.AsList();
  if (text == nullptr && list == nullptr) {
    return Fail(Cause::kInvalid, "can't slice item of type {}", TypeName(item));
  }
  if (arguments.size() > 4) {
    return Fail(Cause::kInvalid, "too many slice indexes: {}", arguments.size() - 1);
  }
  if (text != nullptr && arguments.size() == 4) {
    return Fail(Cause::kInvalid, "cannot 3-index slice a string");
  }
  const std::size_t size = text != nullptr ? text->size() : list->size();
  std::size_t bounds[3] = {0, size, size};
  for (std::size_t i = 1; i < arguments.size(); ++i) {
    const Result<std::size_t> bound = IndexWithin(arguments[i], size + 1);
    if (!bound) return tl::unexpected(bound.error());
    bounds[i - 1] = *bound;
  }
  if (bounds[0] > bounds[1]) {
    return Fail(Cause::kInvalid, "invalid slice index: {} > {}", bounds[0], bounds[1]);
  }
  if (bounds[1] > bounds[2]) {
    return Fail(Cause::kInvalid, "invalid slice index: {} > {}", bounds[1], bounds[2]);
  }
  if (text != nullptr) return Value(text->substr(bounds[0], bounds[1] - bounds[0]));
  const auto at = [list](std::size_t i) { return list->begin() + static_cast<std::ptrdiff_t>(i); };
  return Value(List(at(bounds[0]), at(bounds[1])));
}

Result<Value> Call(const Arguments& arguments) {
  const auto* const function =
      std::get_if<std::shared_ptr<const Function>>(&arguments[0].variant());
  if (function == nullptr) {
    if (arguments[0].IsNil()) return Fail(Cause::kInvalid, "call of nil");
    return Fail(Cause::kInvalid, "non-function of type {}", TypeName(arguments[0]));
  }
  return (**function)(Arguments(arguments.begin() + 1, arguments.end()));
}

// What eq and lt see: the basic kind beneath a value, and the value beneath its name.
enum class Basic { kNone, kNil, kBool, kInteger, kFloat, kText };
struct Compared {
  Basic kind = Basic::kNone;
  bool truth = false;
  std::int64_t integer = 0;
  double real = 0;
  std::string_view text;
};
Compared Look(const Value& value) {
  Compared out;
  if (value.IsNil()) {
    out.kind = Basic::kNil;
  } else if (const bool* truth = std::get_if<bool>(&value.variant())) {
    out.kind = Basic::kBool;
    out.truth = *truth;
  } else if (const std::int64_t* integer = value.AsInteger()) {
    out.kind = Basic::kInteger;
    out.integer = *integer;
  } else if (const auto* const duration = std::get_if<Duration>(&value.variant())) {
    out.kind = Basic::kInteger;
    out.integer = duration->count();
  } else if (const double* real = value.AsDouble()) {
    out.kind = Basic::kFloat;
    out.real = *real;
  } else if (const std::string* text = value.AsString()) {
    out.kind = Basic::kText;
    out.text = *text;
  }
  return out;
}

Result<bool> EqualTo(const Value& left, const Value& right) {
  const Compared a = Look(left);
  const Compared b = Look(right);
  if (a.kind == Basic::kNil || b.kind == Basic::kNil) return a.kind == b.kind;
  if (a.kind == Basic::kNone || b.kind == Basic::kNone) {
    const Value& odd = a.kind == Basic::kNone ? left : right;
    return Fail(Cause::kInvalid, "non-comparable type {}: {}", Print(odd), TypeName(odd));
  }
  if (a.kind != b.kind) return Fail(Cause::kInvalid, "incompatible types for comparison");
  switch (a.kind) {
    case Basic::kBool:
      return a.truth == b.truth;
    case Basic::kInteger:
      return a.integer == b.integer;
    case Basic::kFloat:
      return a.real == b.real;
    default:
      return a.text == b.text;
  }
}

Result<Value> Equal(const Arguments& arguments) {
  if (arguments.size() < 2) return Fail(Cause::kInvalid, "missing argument for comparison");
  for (std::size_t i = 1; i < arguments.size(); ++i) {
    const Result<bool> equal = EqualTo(arguments[0], arguments[i]);
    if (!equal) return tl::unexpected(equal.error());
    if (*equal) return Value(true);
  }
  return Value(false);
}

Result<Value> NotEqual(const Arguments& arguments) {
  const Result<bool> equal = EqualTo(arguments[0], arguments[1]);
  if (!equal) return tl::unexpected(equal.error());
  return Value(!*equal);
}

Result<bool> LessThan(const Value& left, const Value& right) {
  const Compared a = Look(left);
  const Compared b = Look(right);
  const auto basic = [](Basic kind) { return kind != Basic::kNone && kind != Basic::kNil; };
  if (!basic(a.kind) || !basic(b.kind)) {
    return Fail(Cause::kInvalid, "invalid type for comparison");
  }
  if (a.kind != b.kind) return Fail(Cause::kInvalid, "incompatible types for comparison");
  switch (a.kind) {
    case Basic::kInteger:
      return a.integer < b.integer;
    case Basic::kFloat:
      return a.real < b.real;
    case Basic::kText:
      return a.text < b.text;
    default:
      return Fail(Cause::kInvalid, "invalid type for comparison");
  }
}

Result<Value> Less(const Arguments& a) {
  const Result<bool> less = LessThan(a[0], a[1]);
  if (!less) return tl::unexpected(less.error());
  return Value(*less);
}
Result<Value> LessOrEqual(const Arguments& a) {
  Result<bool> result = LessThan(a[0], a[1]);
  if (result && !*result) result = EqualTo(a[0], a[1]);
  if (!result) return tl::unexpected(result.error());
  return Value(*result);
}
// Go defines > as not <=, which is what NaN sees.
Result<Value> Greater(const Arguments& a) {
  Result<Value> less_or_equal = LessOrEqual(a);
  if (!less_or_equal) return less_or_equal;
  return Value(!Truth(*less_or_equal));
}
Result<Value> GreaterOrEqual(const Arguments& a) {
  Result<Value> less = Less(a);
  if (!less) return less;
  return Value(!Truth(*less));
}

Result<Value> PrintAll(const Arguments& arguments) { return Value(Sprint(arguments)); }
Result<Value> PrintLine(const Arguments& arguments) {
  std::string out;
  for (const Value& argument : arguments) {
    if (!out.empty()) out += ' ';
    out += Sprint({argument});
  }
  return Value(out + "\n");
}
Result<Value> PrintFormatted(const Arguments& arguments) {
  Result<std::string> format = TextArgument(arguments, 0);
  if (!format) return tl::unexpected(format.error());
  Result<std::string> text = Printf(*format, Arguments(arguments.begin() + 1, arguments.end()));
  if (!text) return tl::unexpected(text.error());
  return Value(*std::move(text));
}

// What the escapers escape: the arguments as Sprint writes them, nil as <no value>.
std::string TextOf(const Arguments& arguments) {
  Arguments shown = arguments;
  for (Value& value : shown) {
    if (value.IsNil()) value = "<no value>";
  }
  return Sprint(shown);
}

Result<Value> EscapeHtml(const Arguments& arguments) {
  std::string out;
  for (const char c : TextOf(arguments)) {
    switch (c) {
      case '\0':
        out += "\xEF\xBF\xBD";
        break;
      case '"':
        out += "&#34;";
        break;
      case '\'':
        out += "&#39;";
        break;
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      default:
        out += c;
    }
  }
  return Value(out);
}

Result<Value> EscapeJs(const Arguments& arguments) {
  const std::string text = TextOf(arguments);
  std::string out;
  for (std::string_view rest = text; !rest.empty();) {
    const DecodedRune rune = DecodeRune(rest);
    switch (rune.rune) {
      case '\\':
        out += "\\\\";
        break;
      case '\'':
        out += "\\'";
        break;
      case '"':
        out += "\\\"";
        break;
      case '<':
        out += "\\u003C";
        break;
      case '>':
        out += "\\u003E";
        break;
      case '&':
        out += "\\u0026";
        break;
      case '=':
        out += "\\u003D";
        break;
      default:
        if (rune.rune >= 0x20 && (rune.rune < 0x80 || IsPrintable(rune.rune))) {
          out += rest.substr(0, rune.length);
        } else {
          out += fmt::format("\\u{:04X}", static_cast<std::uint32_t>(rune.rune));
        }
    }
    rest.remove_prefix(rune.length);
  }
  return Value(out);
}

Result<Value> EscapeUrl(const Arguments& arguments) {
  std::string out;
  for (const char c : TextOf(arguments)) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '-' || c == '_' || c == '.' || c == '~';
    if (plain) {
      out += c;
    } else if (c == ' ') {
      out += '+';
    } else {
      out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return Value(out);
}

constexpr std::pair<std::string_view, Builtin> kBuiltins[] = {
    {"and", {And, 1, -1}},
    {"call", {Call, 1, -1}},
    {"eq", {Equal, 1, -1}},
    {"ge", {GreaterOrEqual, 2, 2}},
    {"gt", {Greater, 2, 2}},
    {"html", {EscapeHtml, 0, -1}},
    {"index", {Index, 1, -1}},
    {"js", {EscapeJs, 0, -1}},
    {"le", {LessOrEqual, 2, 2}},
    {"len", {Length, 1, 1}},
    {"lt", {Less, 2, 2}},
    {"ne", {NotEqual, 2, 2}},
    {"not", {Not, 1, 1}},
    {"or", {Or, 1, -1}},
    {"print", {PrintAll, 0, -1}},
    {"printf", {PrintFormatted, 1, -1}},
    {"println", {PrintLine, 0, -1}},
    {"slice", {Slice, 1, -1}},
    {"urlquery", {EscapeUrl, 0, -1}},
};

}  // namespace

const Builtin* FindBuiltin(std::string_view name) {
  const auto* const found = std::lower_bound(
      std::begin(kBuiltins), std::end(kBuiltins), name,
      [](const auto& entry, std::string_view wanted) { return entry.first < wanted; });
  if (found == std::end(kBuiltins) || found->first != name) return nullptr;
  return &found->second;
}

}  // namespace fettle::gotemplate
