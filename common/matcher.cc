#include "common/matcher.h"

#include <re2/re2.h>

#include <algorithm>
#include <utility>

#include "common/anchored_regexp.h"
#include "common/utf8.h"
#include "common/wildcards.h"

namespace fettle {
namespace {

// Go's words, because people paste them into searches.
std::string_view ExplainRegexp(re2::RE2::ErrorCode code) {
  switch (code) {
    case re2::RE2::ErrorBadEscape:
      return "invalid escape sequence";
    case re2::RE2::ErrorBadCharClass:
      return "invalid character class";
    case re2::RE2::ErrorBadCharRange:
      return "invalid character class range";
    case re2::RE2::ErrorMissingBracket:
      return "missing closing ]";
    case re2::RE2::ErrorMissingParen:
      return "missing closing )";
    case re2::RE2::ErrorUnexpectedParen:
      return "unexpected )";
    case re2::RE2::ErrorTrailingBackslash:
      return "trailing backslash at end of expression";
    case re2::RE2::ErrorRepeatArgument:
      return "missing argument to repetition operator";
    case re2::RE2::ErrorRepeatSize:
      return "invalid repeat count";
    case re2::RE2::ErrorRepeatOp:
      return "invalid nested repetition operator";
    case re2::RE2::ErrorBadPerlOp:
      return "invalid or unsupported Perl syntax";
    case re2::RE2::ErrorBadUTF8:
      return "invalid UTF-8";
    case re2::RE2::ErrorBadNamedCapture:
      return "invalid named capture";
    case re2::RE2::ErrorPatternTooLarge:
      return "expression too large";
    default:
      return "internal error";
  }
}

// Go takes (?<name>…) too, RE2 only (?P<name>…).
std::string WithNamedGroups(std::string_view pattern) {
  std::string out;
  bool in_class = false;
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    out += pattern[i];
    const std::string_view rest = pattern.substr(i);
    if (rest.starts_with("\\Q")) {
      const std::size_t end = std::min(pattern.find("\\E", i), pattern.size());
      out += pattern.substr(i + 1, end - i - 1);
      i = end - 1;
    } else if (pattern[i] == '\\' && i + 1 < pattern.size()) {
      out += pattern[++i];
    } else if (pattern[i] == '[' && !in_class) {
      in_class = true;
      // A bracket in the first place is a member.
      for (const char first : {'^', ']'}) {
        if (i + 1 < pattern.size() && pattern[i + 1] == first) out += pattern[++i];
      }
    } else if (pattern[i] == ']') {
      in_class = false;
    } else if (!in_class && rest.starts_with("(?<")) {
      out += "?P";
      ++i;
    }
  }
  return out;
}

// A longer pattern is refused, unless it is only words between bars: compiling it takes seconds.
constexpr std::size_t kPatternBytesMax = 128 * 1024;

// How many parentheses stay open; -1 if one closes that was never opened.
int OpenParentheses(std::string_view pattern) {
  int open = 0;
  bool in_class = false;
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    const std::string_view rest = pattern.substr(i);
    if (rest.starts_with("\\Q")) {
      i = std::min(pattern.find("\\E", i), pattern.size());
    } else if (rest[0] == '\\') {
      ++i;
    } else if (in_class) {
      in_class = rest[0] != ']';
    } else if (rest[0] == '[') {
      in_class = true;
      // A bracket in the first place is a member.
      if (i + 1 < pattern.size() && pattern[i + 1] == '^') ++i;
      if (i + 1 < pattern.size() && pattern[i + 1] == ']') ++i;
    } else if (rest[0] == '(') {
      ++open;
    } else if (rest[0] == ')' && --open < 0) {
      return -1;
    }
  }
  return open;
}

bool MatchesRegexp(const re2::RE2& regexp, std::string_view value) {
  return re2::RE2::PartialMatch(re2::StringPiece(value.data(), value.size()), regexp);
}

}  // namespace

Result<std::shared_ptr<const re2::RE2>> CompileAnchored(const std::string& pattern) {
  re2::RE2::Options options;
  options.set_log_errors(false);
  options.set_max_mem(Matcher::kRegexpBytesMax);
  if (pattern.size() > kPatternBytesMax) {
    return Fail(Cause::kInvalid, "the regular expression is longer than {} bytes",
                kPatternBytesMax);
  }
  // By itself, "a)(b" is wrong; within parentheses it is not.
  const int open = OpenParentheses(pattern);
  if (open < 0) {
    return Fail(Cause::kInvalid, "error parsing regexp: unexpected ): `{}`", pattern);
  }
  const std::string whole = "^(?s:" + WithNamedGroups(pattern) + ")$";
  auto regexp = std::make_shared<const re2::RE2>(whole, options);
  if (regexp->ok()) return regexp;
  const std::string& where = regexp->error_arg();
  return Fail(Cause::kInvalid, "error parsing regexp: {}: `{}`",
              ExplainRegexp(regexp->error_code()), where == whole && open > 0 ? pattern : where);
}

std::string_view ToString(Matcher::Type type) {
  switch (type) {
    case Matcher::Type::kEqual:
      return "=";
    case Matcher::Type::kNotEqual:
      return "!=";
    case Matcher::Type::kRegexp:
      return "=~";
    case Matcher::Type::kNotRegexp:
      return "!~";
  }
  return "=";
}

namespace {

bool HasReserved(std::string_view name) {
  for (std::size_t at = 0; at < name.size();) {
    const Rune rune = DecodeRune(name, at);
    if (rune.length == 0 || IsReservedInMatchers(rune.value)) return true;
    at += rune.length;
  }
  return false;
}

// The value as the classic grammar reads it back.
std::string EscapeValue(std::string_view value) {
  std::string out;
  for (const char c : value) {
    if (c == '\n') {
      out += "\\n";
      continue;
    }
    if (c == '\\' || c == '"') out += '\\';
    out += c;
  }
  return out;
}

}  // namespace

Result<Matcher> Matcher::Make(Type type, std::string name, std::string value) {
  Matcher matcher;
  matcher.type_ = type;
  matcher.name_ = std::move(name);
  matcher.value_ = std::move(value);
  if (type == Type::kEqual || type == Type::kNotEqual) return matcher;
  const std::string& pattern = matcher.value_;
  if (pattern == ".*") {
    matcher.way_ = Way::kAnything;
  } else if (pattern == ".+") {
    matcher.way_ = Way::kSomething;
  } else if (auto simple = IsUtf8(pattern) ? Wildcards::Parse(pattern) : std::nullopt) {
    matcher.literals_ = simple->Literals();
    matcher.way_ = matcher.literals_.empty() ? Way::kWildcards : Way::kLiterals;
    matcher.wildcards_ = std::make_shared<const Wildcards>(*std::move(simple));
  } else {
    auto regexp = CompileAnchored(pattern);
    if (!regexp) return tl::unexpected(regexp.error());
    matcher.regexp_ = *std::move(regexp);
    matcher.way_ = Way::kRegexp;
  }
  return matcher;
}

bool Matcher::Matches(std::string_view value) const {
  const bool wanted = type_ == Type::kEqual || type_ == Type::kRegexp;
  switch (way_) {
    case Way::kText:
      return (value == value_) == wanted;
    case Way::kLiterals:
      return std::binary_search(literals_.begin(), literals_.end(), value) == wanted;
    case Way::kWildcards:
      if (IsUtf8(value)) return wildcards_->Matches(value) == wanted;
      // RE2 has an opinion on broken characters. They are rare enough to compile it anew.
      return MatchesRegexp(**CompileAnchored(value_), value) == wanted;
    case Way::kAnything:
      return wanted;
    case Way::kSomething:
      return !value.empty() == wanted;
    case Way::kRegexp:
      return MatchesRegexp(*regexp_, value) == wanted;
  }
  return false;
}

std::string Matcher::ToString() const {
  if (HasReserved(name_)) {
    return fmt::format("{}{}{}", Quote(name_), fettle::ToString(type_), Quote(value_));
  }
  return fmt::format("{}{}\"{}\"", name_, fettle::ToString(type_), EscapeValue(value_));
}

bool IsReservedInMatchers(char32_t rune) {
  constexpr std::string_view kReserved = "{}!=~,\\\"'`";
  return IsSpace(rune) ||
         (rune < 0x80 && kReserved.find(static_cast<char>(rune)) != std::string_view::npos);
}

bool MatchAll(const Matchers& matchers, const Labels& labels) {
  return std::all_of(matchers.begin(), matchers.end(),
                     [&](const Matcher& matcher) { return matcher.Matches(labels); });
}

}  // namespace fettle
