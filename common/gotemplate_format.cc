// Go's fmt for template values: Print, Sprint, Printf with its flags and its way to complain inside
// the text ("%!d(string=x)").
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>

#include "common/gotemplate_ast.h"
#include "common/gotemplate_lex.h"

namespace fettle::gotemplate {
namespace {

constexpr int kWidthMax = 1'000'000;  // Go's tooLarge(); what is beyond is %!(BADWIDTH)
constexpr int kPrintDepthMax = 100;

struct Spec {
  bool minus = false, plus = false, sharp = false, space = false, zero = false;
  std::optional<int> width;
  std::optional<int> precision;
  char32_t verb = 'v';
};

std::size_t RuneCount(std::string_view text) {
  std::size_t count = 0;
  while (!text.empty()) {
    text.remove_prefix(DecodeRune(text).length);
    ++count;
  }
  return count;
}

std::string Pad(std::string text, const Spec& spec) {
  if (!spec.width) return text;
  const std::size_t width = static_cast<std::size_t>(*spec.width);
  const std::size_t length = RuneCount(text);
  if (length >= width) return text;
  const std::size_t missing = width - length;
  if (spec.minus) return text + std::string(missing, ' ');
  return std::string(missing, spec.zero ? '0' : ' ') + text;
}

// A number's sign, prefix and digits; zeros go between them.
std::string PadNumber(std::string_view sign, std::string digits, const Spec& spec) {
  if (spec.zero && spec.width) {
    const std::size_t width = static_cast<std::size_t>(*spec.width);
    const std::size_t length = sign.size() + digits.size();
    if (length < width) digits.insert(0, width - length, '0');
  }
  return Pad(std::string(sign) + digits, spec);
}

std::string_view SignOf(bool negative, const Spec& spec) {
  return negative ? "-" : spec.plus ? "+" : spec.space ? " " : "";
}

std::string FormatInteger(std::int64_t value, const Spec& spec) {
  const std::uint64_t magnitude =
      value < 0 ? 0 - static_cast<std::uint64_t>(value) : static_cast<std::uint64_t>(value);
  std::string digits;
  std::string prefix;
  switch (spec.verb) {
    case 'b':
      digits = fmt::format("{:b}", magnitude);
      prefix = spec.sharp ? "0b" : "";
      break;
    case 'o':
      digits = fmt::format("{:o}", magnitude);
      prefix = spec.sharp ? "0" : "";
      break;
    case 'O':
      digits = fmt::format("{:o}", magnitude);
      prefix = "0o";
      break;
    case 'x':
      digits = fmt::format("{:x}", magnitude);
      prefix = spec.sharp ? "0x" : "";
      break;
    case 'X':
      digits = fmt::format("{:X}", magnitude);
      prefix = spec.sharp ? "0X" : "";
      break;
    default:
      digits = fmt::format("{}", magnitude);
  }
  Spec padded = spec;
  if (spec.precision) {
    const auto precision = static_cast<std::size_t>(*spec.precision);
    if (precision == 0 && value == 0) digits.clear();
    if (digits.size() < precision) digits.insert(0, precision - digits.size(), '0');
    padded.zero = false;
  }
  return PadNumber(std::string(SignOf(value < 0, spec)) + prefix, std::move(digits), padded);
}

// The digits of the shortest text that reads back the same, and the exponent of the first of them.
std::string ShortestDigits(double magnitude, int& exponent) {
  char buffer[64];
  const auto end =
      std::to_chars(buffer, buffer + sizeof buffer, magnitude, std::chars_format::scientific).ptr;
  const std::string_view text(buffer, static_cast<std::size_t>(end - buffer));
  const std::size_t e = text.find('e');
  std::string digits(text.substr(0, e));
  std::erase(digits, '.');
  std::string_view power = text.substr(e + 1);
  if (power.front() == '+') power.remove_prefix(1);
  std::from_chars(power.data(), power.data() + power.size(), exponent);
  return digits;
}

std::string Exponent(int exponent) {
  return fmt::format("{}{:02}", exponent < 0 ? '-' : '+', std::abs(exponent));
}

// strconv.FormatFloat(v, 'g', -1, 64) of a finite magnitude.
std::string FormatShortest(double magnitude) {
  int exponent = 0;
  const std::string digits = ShortestDigits(magnitude, exponent);
  if (exponent < -4 || exponent >= 6) {
    std::string out = digits.substr(0, 1);
    if (digits.size() > 1) out += "." + digits.substr(1);
    return out + "e" + Exponent(exponent);
  }
  if (exponent < 0)
    return "0." + std::string(static_cast<std::size_t>(-exponent - 1), '0') + digits;
  const std::size_t whole = static_cast<std::size_t>(exponent) + 1;
  if (digits.size() <= whole) return digits + std::string(whole - digits.size(), '0');
  return digits.substr(0, whole) + "." + digits.substr(whole);
}

std::string FormatMagnitude(double magnitude, const Spec& spec) {
  const char verb = spec.verb == 'v' || spec.verb == 'g' || spec.verb == 'G' ? 'g'
                    : spec.verb == 'e' || spec.verb == 'E'                   ? 'e'
                    : spec.verb == 'x' || spec.verb == 'X'                   ? 'x'
                                                                             : 'f';
  if (verb == 'x') {
    char buffer[64];
    const auto end =
        std::to_chars(buffer, buffer + sizeof buffer, magnitude, std::chars_format::hex).ptr;
    std::string text(buffer, static_cast<std::size_t>(end - buffer));
    const std::size_t p = text.find('p');
    int power = 0;
    const std::size_t from = text[p + 1] == '+' ? p + 2 : p + 1;
    std::from_chars(text.data() + from, text.data() + text.size(), power);
    return "0x" + text.substr(0, p) + "p" + Exponent(power);
  }
  if (verb == 'g' && !spec.precision) return FormatShortest(magnitude);
  const int precision = spec.precision.value_or(6);
  // Beyond this a double has only zeros.
  const int exact = std::min(precision, 1100);
  std::string out = verb == 'g'   ? fmt::format("{:.{}g}", magnitude, exact)
                    : verb == 'e' ? fmt::format("{:.{}e}", magnitude, exact)
                                  : fmt::format("{:.{}f}", magnitude, exact);
  if (verb == 'f' && precision > exact)
    out.append(static_cast<std::size_t>(precision - exact), '0');
  return out;
}

std::string FormatFloat(double value, const Spec& spec) {
  if (!std::isfinite(value)) {
    Spec plain = spec;
    plain.zero = false;
    if (std::isnan(value)) return PadNumber(spec.plus ? "+" : spec.space ? " " : "", "NaN", plain);
    const bool negative = value < 0;
    return PadNumber(negative ? "-" : spec.space ? " " : "+", "Inf", plain);
  }
  std::string text = FormatMagnitude(std::abs(value), spec);
  if (spec.verb == 'E' || spec.verb == 'G' || spec.verb == 'X') {
    std::transform(text.begin(), text.end(), text.begin(),
                   [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c; });
  }
  return PadNumber(SignOf(std::signbit(value), spec), std::move(text), spec);
}

std::string AsciiOnly(const std::string& quoted) {
  std::string out;
  std::string_view rest = quoted;
  while (!rest.empty()) {
    const DecodedRune rune = DecodeRune(rest);
    if (rune.rune < 0x80) {
      out += static_cast<char>(rune.rune);
    } else {
      const auto code = static_cast<std::uint32_t>(rune.rune);
      out += code < 0x10000 ? fmt::format("\\u{:04x}", code) : fmt::format("\\U{:08x}", code);
    }
    rest.remove_prefix(rune.length);
  }
  return out;
}

std::string FormatHex(std::string_view text, const Spec& spec) {
  const bool upper = spec.verb == 'X';
  if (spec.precision) text = text.substr(0, static_cast<std::size_t>(*spec.precision));
  std::string out;
  for (const char c : text) {
    if (spec.space && !out.empty()) out += ' ';
    if (spec.sharp && (spec.space || out.empty())) out += upper ? "0X" : "0x";
    const auto byte = static_cast<unsigned char>(c);
    out += upper ? fmt::format("{:02X}", byte) : fmt::format("{:02x}", byte);
  }
  return Pad(out, spec);
}

std::string FormatText(std::string_view text, const Spec& spec) {
  if (spec.verb == 'x' || spec.verb == 'X') return FormatHex(text, spec);
  if (spec.precision) {
    std::size_t at = 0;
    for (int i = 0; i < *spec.precision && at < text.size(); ++i) {
      at += DecodeRune(text.substr(at)).length;
    }
    text = text.substr(0, at);
  }
  if (spec.verb != 'q' && !(spec.verb == 'v' && spec.sharp)) return Pad(std::string(text), spec);
  const bool raw = spec.verb == 'q' && spec.sharp && text.find('`') == std::string_view::npos &&
                   text.find_first_of("\n\r") == std::string_view::npos;
  if (raw) return Pad("`" + std::string(text) + "`", spec);
  std::string quoted = Quote(text);
  return Pad(spec.plus ? AsciiOnly(quoted) : quoted, spec);
}

std::string FormatRune(std::int64_t value, const Spec& spec) {
  const auto rune = value < 0 || value > 0x10ffff ? char32_t{0xFFFD} : static_cast<char32_t>(value);
  std::string text;
  if (spec.verb == 'U') {
    text = fmt::format("U+{:04X}", value);
    if (spec.sharp && IsPrintable(rune)) {
      text += " '";
      AppendRune(text, rune);
      text += "'";
    }
    return Pad(text, spec);
  }
  AppendRune(text, rune);
  if (spec.verb == 'q') {
    std::string quoted = Quote(text);
    if (quoted == "\"\\\"\"") quoted = "\"\"\"";
    if (text == "'") quoted = "\"\\'\"";
    quoted.front() = quoted.back() = '\'';
    text = spec.plus ? AsciiOnly(quoted) : quoted;
  }
  return Pad(text, spec);
}

std::string Format(const Value& value, const Spec& spec, int depth);

std::string BadVerb(const Value& value, const Spec& spec) {
  std::string verb;
  AppendRune(verb, spec.verb);
  if (value.IsNil()) return "%!" + verb + "(<nil>)";
  return "%!" + verb + "(" + TypeName(value) + "=" + Format(value, Spec{}, 0) + ")";
}

bool OneOf(char32_t verb, std::string_view verbs) {
  return verb < 0x80 && verbs.find(static_cast<char>(verb)) != std::string_view::npos;
}

class Formatter {
 public:
  Formatter(const Value& value, const Spec& spec, int depth)
      : value_(value), spec_(spec), depth_(depth) {}

  std::string operator()(std::monostate) const {
    return spec_.verb == 'v' ? Pad("<nil>", spec_) : BadVerb(value_, spec_);
  }
  std::string operator()(bool b) const {
    if (!OneOf(spec_.verb, "vt")) return BadVerb(value_, spec_);
    return Pad(b ? "true" : "false", spec_);
  }
  std::string operator()(std::int64_t i) const {
    if (OneOf(spec_.verb, "vdboOxX")) return FormatInteger(i, spec_);
    if (OneOf(spec_.verb, "cqU")) return FormatRune(i, spec_);
    return BadVerb(value_, spec_);
  }
  std::string operator()(double d) const {
    if (!OneOf(spec_.verb, "vgGeEfFxX")) return BadVerb(value_, spec_);
    return FormatFloat(d, spec_);
  }
  std::string operator()(const std::string& text) const {
    if (!OneOf(spec_.verb, "vsqxX")) return BadVerb(value_, spec_);
    return FormatText(text, spec_);
  }
  std::string operator()(const std::shared_ptr<const List>& list) const {
    std::string out = spec_.verb == 'v' && spec_.sharp ? "[]interface {}{" : "[";
    const std::string_view between = spec_.verb == 'v' && spec_.sharp ? ", " : " ";
    for (std::size_t i = 0; i < list->size(); ++i) {
      if (i > 0) out += between;
      out += Format((*list)[i], spec_, depth_ + 1);
    }
    return out + (spec_.verb == 'v' && spec_.sharp ? "}" : "]");
  }
  std::string operator()(const std::shared_ptr<const Map>& map) const { return Pairs(*map); }
  std::string operator()(const std::shared_ptr<const Object>& object) const {
    if (!object->printed.empty() && OneOf(spec_.verb, "vsqxX")) {
      return FormatText(object->printed, spec_);
    }
    if (object->number) return (*this)(*object->number);
    if (object->items != nullptr) return (*this)(object->items);
    if (object->keyed) return Pairs(object->fields);
    std::string out = "{";
    for (const auto& [name, field] : object->fields) {
      if (out.size() > 1) out += ' ';
      if (spec_.plus) out += name + ":";
      out += Format(field, spec_, depth_ + 1);
    }
    return out + "}";
  }
  std::string operator()(const Timestamp& time) const {
    if (!OneOf(spec_.verb, "vsqxX")) return BadVerb(value_, spec_);
    return FormatText(PrintTime(time), spec_);
  }
  std::string operator()(Duration duration) const {
    if (OneOf(spec_.verb, "dboOxX")) return FormatInteger(duration.count(), spec_);
    if (!OneOf(spec_.verb, "vsq")) return BadVerb(value_, spec_);
    return FormatText(PrintDuration(duration), spec_);
  }
  std::string operator()(const std::shared_ptr<const Function>&) const { return "func"; }

 private:
  std::string Pairs(const Map& map) const {
    const bool syntax = spec_.verb == 'v' && spec_.sharp;
    std::string out = syntax ? TypeName(value_) + "{" : "map[";
    bool first = true;
    for (const auto& [key, entry] : map) {
      if (!first) out += syntax ? ", " : " ";
      first = false;
      out += Format(Value(key), spec_, depth_ + 1) + ":" + Format(entry, spec_, depth_ + 1);
    }
    return out + (syntax ? "}" : "]");
  }

  const Value& value_;
  const Spec& spec_;
  const int depth_;
};

std::string Format(const Value& value, const Spec& spec, int depth) {
  if (depth > kPrintDepthMax) return "...";
  return std::visit(Formatter(value, spec, depth), value.variant());
}

// Reads one Printf format and writes its text.
class Printer {
 public:
  Printer(std::string_view format, const std::vector<Value>& arguments)
      : rest_(format), arguments_(arguments) {}

  Result<std::string> Run() {
    while (!rest_.empty()) {
      const std::size_t percent = std::min(rest_.find('%'), rest_.size());
      out_ += rest_.substr(0, percent);
      rest_.remove_prefix(percent);
      if (rest_.empty()) break;
      rest_.remove_prefix(1);
      One();
      if (out_.size() > kOutputBytesMax) {
        return Fail(Cause::kLimit, "a string longer than {} bytes", kOutputBytesMax);
      }
    }
    if (!reordered_ && next_ < arguments_.size()) Extra();
    return std::move(out_);
  }

 private:
  void One() {
    Spec spec;
    good_index_ = true;
    bool after_index = false;
    Flags(spec);
    after_index = Index();
    if (Take('*')) {
      spec.width = StarNumber("%!(BADWIDTH)");
      if (spec.width && *spec.width < 0) {
        spec.width = -*spec.width;
        spec.minus = true;
        spec.zero = false;
      }
      after_index = false;
    } else {
      spec.width = Number("%!(BADWIDTH)");
      if (after_index && spec.width) good_index_ = false;
    }
    if (Take('.')) {
      if (after_index) good_index_ = false;
      after_index = Index();
      if (Take('*')) {
        spec.precision = StarNumber("%!(BADPREC)");
        if (spec.precision && *spec.precision < 0) {
          spec.precision.reset();
          out_ += "%!(BADPREC)";
        }
        after_index = false;
      } else {
        spec.precision = Number("%!(BADPREC)").value_or(0);
      }
    }
    if (!after_index) Index();
    Verb(spec);
  }

  void Verb(Spec& spec) {
    if (rest_.empty()) {
      out_ += "%!(NOVERB)";
      return;
    }
    const DecodedRune rune = DecodeRune(rest_);
    const std::string_view verb = rest_.substr(0, rune.length);
    rest_.remove_prefix(rune.length);
    spec.verb = rune.rune;
    if (spec.verb == '%') {
      out_ += '%';
    } else if (!good_index_) {
      out_ += fmt::format("%!{}(BADINDEX)", verb);
    } else if (next_ >= arguments_.size()) {
      out_ += fmt::format("%!{}(MISSING)", verb);
    } else if (spec.verb == 'T') {
      spec.verb = 's';
      out_ += FormatText(TypeName(arguments_[next_++]), spec);
    } else {
      out_ += Format(arguments_[next_++], spec, 0);
    }
  }

  void Flags(Spec& spec) {
    for (;;) {
      if (Take('-')) {
        spec.minus = true;
        spec.zero = false;
      } else if (Take('+')) {
        spec.plus = true;
      } else if (Take('#')) {
        spec.sharp = true;
      } else if (Take(' ')) {
        spec.space = true;
      } else if (Take('0')) {
        spec.zero = !spec.minus;
      } else {
        return;
      }
    }
  }

  bool Take(char c) {
    if (rest_.empty() || rest_[0] != c) return false;
    rest_.remove_prefix(1);
    return true;
  }

  std::optional<int> Number(std::string_view complaint) {
    const char* const begin = rest_.data();
    int value = 0;
    const auto read = std::from_chars(begin, begin + rest_.size(), value);
    if (read.ptr == begin || rest_[0] == '-') return std::nullopt;
    rest_.remove_prefix(static_cast<std::size_t>(read.ptr - begin));
    if (read.ec == std::errc() && value <= kWidthMax) return value;
    out_ += complaint;
    return std::nullopt;
  }

  std::optional<int> StarNumber(std::string_view complaint) {
    const std::int64_t* value = next_ < arguments_.size() ? arguments_[next_].AsInteger() : nullptr;
    if (next_ < arguments_.size()) ++next_;
    if (value != nullptr && *value <= kWidthMax && *value >= -kWidthMax) {
      return static_cast<int>(*value);
    }
    out_ += complaint;
    return std::nullopt;
  }

  // [3]: the next argument is the third.
  bool Index() {
    if (rest_.empty() || rest_[0] != '[') return false;
    reordered_ = true;
    const std::size_t close = rest_.find(']');
    if (close == std::string_view::npos) {
      good_index_ = false;
      rest_.remove_prefix(1);
      return false;
    }
    const std::string_view digits = rest_.substr(1, close - 1);
    rest_.remove_prefix(close + 1);
    std::size_t index = 0;
    const auto read = std::from_chars(digits.data(), digits.data() + digits.size(), index);
    const bool good = read.ec == std::errc() && read.ptr == digits.data() + digits.size() &&
                      index >= 1 && index <= arguments_.size();
    if (good) {
      next_ = index - 1;
    } else {
      good_index_ = false;
    }
    return good;
  }

  void Extra() {
    out_ += "%!(EXTRA ";
    for (std::size_t i = next_; i < arguments_.size(); ++i) {
      if (i > next_) out_ += ", ";
      if (arguments_[i].IsNil()) {
        out_ += "<nil>";
      } else {
        out_ += TypeName(arguments_[i]) + "=" + Format(arguments_[i], Spec{}, 0);
      }
    }
    out_ += ")";
  }

  std::string_view rest_;
  const std::vector<Value>& arguments_;
  std::size_t next_ = 0;
  bool reordered_ = false;
  bool good_index_ = true;
  std::string out_;
};

}  // namespace

Result<std::string> Printf(std::string_view format, const std::vector<Value>& arguments) {
  return Printer(format, arguments).Run();
}

std::string Sprint(const std::vector<Value>& arguments) {
  std::string out;
  bool after_text = true;
  for (const Value& argument : arguments) {
    const bool text = std::holds_alternative<std::string>(argument.variant());
    if (!text && !after_text) out += ' ';
    out += Format(argument, Spec{}, 0);
    after_text = text;
  }
  return out;
}

std::string Print(const Value& value) {
  return value.IsNil() ? "<no value>" : Format(value, Spec{}, 0);
}

}  // namespace fettle::gotemplate
