#include "common/gotemplate_texts.h"

#include <fmt/format.h>
#include <re2/re2.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <optional>

#include "common/gotemplate_lex.h"
#include "common/number.h"

namespace fettle::gotemplate {
namespace {

using Arguments = std::vector<Value>;

constexpr std::int64_t kPatternMemoryMax = 8 * 1024 * 1024;

// Case of the alphabets that labels and names are written in: Latin (ASCII, Latin-1, Extended-A),
// Greek and Cyrillic. What has no case, or is not among them, stays.
char32_t ToLower(char32_t c) {
  if ((c >= 'A' && c <= 'Z') || (c >= 0xC0 && c <= 0xDE && c != 0xD7)) return c + 0x20;
  if ((c >= 0x100 && c <= 0x137) || (c >= 0x14A && c <= 0x177)) return c | 1;
  if ((c >= 0x139 && c <= 0x148) || (c >= 0x179 && c <= 0x17E)) return c % 2 == 1 ? c + 1 : c;
  if (c == 0x178) return 0xFF;
  if ((c >= 0x391 && c <= 0x3A9 && c != 0x3A2) || (c >= 0x410 && c <= 0x42F)) return c + 0x20;
  if (c >= 0x400 && c <= 0x40F) return c + 0x50;
  return c;
}
char32_t ToUpper(char32_t c) {
  if (c >= 'a' && c <= 'z') return c - 0x20;
  if (c == 0xFF) return 0x178;
  if (c == 0xB5) return 0x39C;
  if (c >= 0xE0 && c <= 0xFE && c != 0xF7) return c - 0x20;
  if ((c >= 0x100 && c <= 0x137) || (c >= 0x14A && c <= 0x177)) return c & ~char32_t{1};
  if ((c >= 0x139 && c <= 0x148) || (c >= 0x179 && c <= 0x17E)) return c % 2 == 0 ? c - 1 : c;
  if (c == 0x3C2) return 0x3A3;
  if ((c >= 0x3B1 && c <= 0x3C9) || (c >= 0x430 && c <= 0x44F)) return c - 0x20;
  if (c >= 0x450 && c <= 0x45F) return c - 0x50;
  return c;
}

// Go's strings.Title starts a word after anything that is no letter, digit or underscore; beyond
// ASCII only after a space.
bool Separates(char32_t c) {
  if (c < 0x80) {
    const bool word =
        (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
    return !word;
  }
  return c == 0x85 || c == 0xA0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 ||
         c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

enum class Case { kUpper, kLower, kTitle };
std::string Cased(std::string_view text, Case wanted) {
  std::string out;
  char32_t before = ' ';
  while (!text.empty()) {
    const DecodedRune rune = DecodeRune(text);
    const bool upper = wanted == Case::kUpper || (wanted == Case::kTitle && Separates(before));
    const char32_t cased = wanted == Case::kLower ? ToLower(rune.rune)
                           : upper                ? ToUpper(rune.rune)
                                                  : rune.rune;
    AppendRune(out, cased);
    before = rune.rune;
    text.remove_prefix(rune.length);
  }
  return out;
}

template <Case kCase>
Result<Value> Recase(const Arguments& arguments) {
  if (Status one = WantArguments(arguments, 1); !one) return tl::unexpected(one.error());
  const Result<std::string> text = TextArgument(arguments, 0);
  if (!text) return tl::unexpected(text.error());
  return Value(Cased(*text, kCase));
}

RE2::Options PatternOptions() {
  RE2::Options options(RE2::Quiet);
  options.set_max_mem(kPatternMemoryMax);
  return options;
}

tl::unexpected<Error> BadPattern(const RE2& pattern) {
  return Fail(Cause::kInvalid, "error parsing regexp: {}", pattern.error());
}

Result<Value> Match(const Arguments& arguments) {
  if (Status two = WantArguments(arguments, 2); !two) return tl::unexpected(two.error());
  const Result<std::string> expression = TextArgument(arguments, 0);
  const Result<std::string> text = TextArgument(arguments, 1);
  if (!expression) return tl::unexpected(expression.error());
  if (!text) return tl::unexpected(text.error());
  const RE2 pattern(*expression, PatternOptions());
  if (!pattern.ok()) return BadPattern(pattern);
  return Value(RE2::PartialMatch(*text, pattern));
}

Result<Value> ReReplaceAll(const Arguments& arguments) {
  if (Status three = WantArguments(arguments, 3); !three) return tl::unexpected(three.error());
  std::string texts[3];
  for (std::size_t i = 0; i < 3; ++i) {
    Result<std::string> text = TextArgument(arguments, i);
    if (!text) return tl::unexpected(text.error());
    texts[i] = *std::move(text);
  }
  Result<std::string> replaced = ReplaceAll(texts[0], texts[1], texts[2]);
  if (!replaced) return tl::unexpected(replaced.error());
  return Value(*std::move(replaced));
}

Result<Value> SafeHtml(const Arguments& arguments) {
  if (Status one = WantArguments(arguments, 1); !one) return tl::unexpected(one.error());
  Result<std::string> text = TextArgument(arguments, 0);
  if (!text) return tl::unexpected(text.error());
  return Value(*std::move(text));
}

bool IsName(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

// Takes $1, $name or ${name} (its $ is gone) off the template and appends what it stands for. What
// looks like none is a literal $.
void ExpandOne(const RE2& pattern, const std::vector<re2::StringPiece>& groups,
               std::string_view& rest, std::string& out) {
  std::string_view name;
  std::size_t taken = 0;
  if (!rest.empty() && rest[0] == '{') {
    const std::size_t close = rest.find('}');
    if (close != std::string_view::npos) {
      name = rest.substr(1, close - 1);
      taken = close + 1;
    }
  } else {
    while (taken < rest.size() && IsName(rest[taken])) ++taken;
    name = rest.substr(0, taken);
  }
  bool good = !name.empty();
  for (const char c : name) good = good && IsName(c);
  if (!good) {
    out += '$';
    return;
  }
  rest.remove_prefix(taken);
  std::size_t index = groups.size();
  const auto read = std::from_chars(name.data(), name.data() + name.size(), index);
  if (read.ec != std::errc() || read.ptr != name.data() + name.size()) {
    const auto& names = pattern.NamedCapturingGroups();
    const auto found = names.find(std::string(name));
    index = found == names.end() ? groups.size() : static_cast<std::size_t>(found->second);
  }
  if (index < groups.size()) out.append(groups[index].data(), groups[index].size());
}

void Expand(const RE2& pattern, const std::vector<re2::StringPiece>& groups,
            std::string_view replacement, std::string& out) {
  while (!replacement.empty()) {
    const std::size_t dollar = replacement.find('$');
    out += replacement.substr(0, dollar);
    if (dollar == std::string_view::npos) return;
    replacement.remove_prefix(dollar + 1);
    if (!replacement.empty() && replacement[0] == '$') {
      out += '$';
      replacement.remove_prefix(1);
    } else {
      ExpandOne(pattern, groups, replacement, out);
    }
  }
}

std::string FourDigits(double value) {
  const Result<std::string> text = Printf("%.4g", {Value(value)});
  return text.value_or("");
}

std::string Humanize(double value) {
  if (value == 0 || !std::isfinite(value)) return FourDigits(value);
  const bool large = std::abs(value) >= 1;
  std::string_view prefix;
  if (large) {
    for (const std::string_view next : {"k", "M", "G", "T", "P", "E", "Z", "Y"}) {
      if (std::abs(value) < 1000) break;
      prefix = next;
      value /= 1000;
    }
  } else {
    for (const std::string_view next : {"m", "u", "n", "p", "f", "a", "z", "y"}) {
      if (std::abs(value) >= 1) break;
      prefix = next;
      value *= 1000;
    }
  }
  return FourDigits(value) + std::string(prefix);
}

std::string Humanize1024(double value) {
  if (std::abs(value) <= 1 || !std::isfinite(value)) return FourDigits(value);
  std::string_view prefix;
  for (const std::string_view next : {"ki", "Mi", "Gi", "Ti", "Pi", "Ei", "Zi", "Yi"}) {
    if (std::abs(value) < 1024) break;
    prefix = next;
    value /= 1024;
  }
  return FourDigits(value) + std::string(prefix);
}

std::string HumanizeDuration(double value) {
  if (!std::isfinite(value)) return FourDigits(value);
  if (value == 0) return FourDigits(value) + "s";
  if (std::abs(value) < 1) return Humanize(value) + "s";
  const std::string_view sign = value < 0 ? "-" : "";
  const double magnitude = std::abs(value);
  // Go's conversion of what does not fit is undefined as well; this keeps it a number.
  const auto whole = magnitude < 9e18 ? static_cast<std::int64_t>(magnitude)
                                      : std::numeric_limits<std::int64_t>::max();
  const std::int64_t seconds = whole % 60;
  const std::int64_t minutes = whole / 60 % 60;
  const std::int64_t hours = whole / 3600 % 24;
  const std::int64_t days = whole / 86400;
  if (days != 0) return fmt::format("{}{}d {}h {}m {}s", sign, days, hours, minutes, seconds);
  if (hours != 0) return fmt::format("{}{}h {}m {}s", sign, hours, minutes, seconds);
  if (minutes != 0) return fmt::format("{}{}m {}s", sign, minutes, seconds);
  return std::string(sign) + FourDigits(magnitude) + "s";
}

std::string HumanizePercentage(double value) { return FourDigits(value * 100) + "%"; }

template <std::string (*kHumanize)(double)>
Result<Value> Humanized(const Arguments& arguments) {
  if (Status one = WantArguments(arguments, 1); !one) return tl::unexpected(one.error());
  const Result<double> number = NumberArgument(arguments, 0);
  if (!number) return tl::unexpected(number.error());
  return Value(kHumanize(*number));
}

Result<Value> HumanizeTimestamp(const Arguments& arguments) {
  if (Status one = WantArguments(arguments, 1); !one) return tl::unexpected(one.error());
  const Result<double> number = NumberArgument(arguments, 0);
  if (!number) return tl::unexpected(number.error());
  if (!std::isfinite(*number)) return Value(FourDigits(*number));
  const Result<Timestamp> time = TimeFromSeconds(*number);
  if (!time) return tl::unexpected(time.error());
  return Value(Print(Value(*time)));
}

// strconv.ParseFloat, without hexadecimals and underscores.
std::optional<double> ReadFloat(std::string_view text) {
  bool negative = false;
  if (!text.empty() && (text[0] == '+' || text[0] == '-')) {
    negative = text[0] == '-';
    text.remove_prefix(1);
    if (!text.empty() && (text[0] == '+' || text[0] == '-')) return std::nullopt;
  }
  double value = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), value);
  if (read.ptr != text.data() + text.size() || text.empty()) return std::nullopt;
  if (read.ec == std::errc::result_out_of_range) return std::nullopt;
  return negative ? -value : value;
}

}  // namespace

Functions TextFunctions() {
  return {{"title", Recase<Case::kTitle>},
          {"toUpper", Recase<Case::kUpper>},
          {"toLower", Recase<Case::kLower>},
          {"match", Match},
          {"reReplaceAll", ReReplaceAll},
          {"safeHtml", SafeHtml},
          {"humanize", Humanized<Humanize>},
          {"humanize1024", Humanized<Humanize1024>},
          {"humanizeDuration", Humanized<HumanizeDuration>},
          {"humanizePercentage", Humanized<HumanizePercentage>},
          {"humanizeTimestamp", HumanizeTimestamp}};
}

Result<double> NumberArgument(const Arguments& arguments, std::size_t index) {
  if (index >= arguments.size()) {
    return Fail(Cause::kInvalid, "wrong number of args: want at least {} got {}", index + 1,
                arguments.size());
  }
  const Value& value = arguments[index];
  if (const double* number = value.AsDouble()) return *number;
  if (const std::int64_t* number = value.AsInteger()) return static_cast<double>(*number);
  if (const auto* const duration = std::get_if<Duration>(&value.variant())) {
    return static_cast<double>(duration->count()) / 1e9;
  }
  const std::string* text = value.AsString();
  if (text == nullptr) {
    return Fail(Cause::kInvalid, "can't convert {} to float", TypeName(value));
  }
  const std::optional<double> number = ReadFloat(*text);
  if (number) return *number;
  return Fail(Cause::kInvalid, "strconv.ParseFloat: parsing {}: invalid syntax", Quote(*text));
}

Result<Timestamp> TimeFromSeconds(double seconds) {
  if (!std::isfinite(seconds)) return Fail(Cause::kInvalid, "value is NaN or Inf");
  if (std::abs(seconds * 1e9) >= 9'223'372'036'854'775'808.0) {
    return Fail(Cause::kInvalid,
                "{} cannot be represented as a nanoseconds timestamp since it overflows int64",
                FormatFloat(seconds));
  }
  const auto nanos = static_cast<std::int64_t>(seconds * 1e9);
  return Timestamp{TimeFromMillis(nanos / 1'000'000)};
}

Result<std::string> ReplaceAll(std::string_view pattern, std::string_view replacement,
                               std::string_view text) {
  const RE2 compiled(re2::StringPiece(pattern.data(), pattern.size()), PatternOptions());
  if (!compiled.ok()) return BadPattern(compiled);
  std::vector<re2::StringPiece> groups(
      static_cast<std::size_t>(compiled.NumberOfCapturingGroups()) + 1);
  const re2::StringPiece whole(text.data(), text.size());
  std::string out;
  std::size_t matched = 0;  // the end of the last match
  std::size_t at = 0;       // where to look for the next
  while (at <= text.size() && compiled.Match(whole, at, text.size(), RE2::UNANCHORED, groups.data(),
                                             static_cast<int>(groups.size()))) {
    const auto begin = static_cast<std::size_t>(groups[0].data() - text.data());
    const std::size_t end = begin + groups[0].size();
    out += text.substr(matched, begin - matched);
    // Nothing matched right after a match does not count.
    if (end > matched || begin == 0) Expand(compiled, groups, replacement, out);
    if (out.size() > kOutputBytesMax) {
      return Fail(Cause::kLimit, "a string longer than {} bytes", kOutputBytesMax);
    }
    matched = end;
    at = std::max(end, at + DecodeRune(text.substr(at)).length);
  }
  return out.append(text.substr(std::min(matched, text.size())));
}

}  // namespace fettle::gotemplate
