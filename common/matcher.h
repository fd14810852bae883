// =, !=, =~, !~ over labels, parsed as Alertmanager writes them. Values, immutable and safe to
// share between threads. Regular expressions are RE2's, anchored as Prometheus does: ^(?s:…)$.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/labels.h"
#include "common/result.h"

namespace re2 {
class RE2;
}

namespace fettle {

class Wildcards;  // common/wildcards.h

class Matcher {
 public:
  enum class Type { kEqual, kNotEqual, kRegexp, kNotRegexp };
  // RE2 refuses patterns that need more than this to compile or run.
  static constexpr std::int64_t kRegexpBytesMax = 8 * 1024 * 1024;

  static Result<Matcher> Make(Type type, std::string name, std::string value);

  bool Matches(std::string_view value) const;
  // An absent label is "".
  bool Matches(const Labels& labels) const { return Matches(labels.Get(name_)); }

  Type type() const { return type_; }
  const std::string& name() const { return name_; }
  const std::string& value() const { return value_; }
  // name="value", as Alertmanager prints it.
  std::string ToString() const;
  // Of a regexp that can match only so many texts ("a|b", "web[1-3]"), those texts, sorted: an
  // index can look them up instead of trying every value. Empty for all others.
  const std::vector<std::string>& literals() const { return literals_; }
  bool operator==(const Matcher& other) const {
    return type_ == other.type_ && name_ == other.name_ && value_ == other.value_;
  }

 private:
  Matcher() = default;
  Type type_ = Type::kEqual;
  std::string name_;
  std::string value_;
  std::shared_ptr<const re2::RE2> regexp_;
  // How it is answered; only kRegexp asks RE2.
  enum class Way { kText, kRegexp, kLiterals, kWildcards, kAnything, kSomething };
  Way way_ = Way::kText;
  std::vector<std::string> literals_;
  std::shared_ptr<const Wildcards> wildcards_;
};

using Matchers = std::vector<Matcher>;
bool MatchAll(const Matchers& matchers, const Labels& labels);

// Alertmanager knows two grammars. Classic: the name is a classic label name, the value may lack
// quotes and hold nearly anything. UTF-8: names and values are Go string literals or runs of
// characters that are not reserved. kFallback reads both: it takes UTF-8's answer, but classic's
// if only classic understands or both understand and differ.
enum class MatcherSyntax { kFallback, kClassic, kUtf8 };

// Whitespace and {}!=~,\"'`: what ends an unquoted word of the UTF-8 grammar.
bool IsReservedInMatchers(char32_t rune);

// A list: alertname="X", {a=~"b.*",c!=d}; "" and {} are no matchers at all.
Result<Matchers> ParseMatchers(std::string_view text,
                               MatcherSyntax syntax = MatcherSyntax::kFallback);
// Exactly one, without braces: filters of the API and of amtool.
Result<Matcher> ParseMatcher(std::string_view text,
                             MatcherSyntax syntax = MatcherSyntax::kFallback);

// "=", "!=", "=~", "!~".
std::string_view ToString(Matcher::Type type);

}  // namespace fettle
