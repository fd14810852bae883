// =, !=, =~, !~ over labels, parsed as Alertmanager and PromQL write them. Values, immutable and
// safe to share between threads. Regular expressions are RE2, anchored at both ends.
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
  bool operator==(const Matcher& other) const {
    return type_ == other.type_ && name_ == other.name_ && value_ == other.value_;
  }

 private:
  Matcher() = default;
  Type type_ = Type::kEqual;
  std::string name_;
  std::string value_;
  std::shared_ptr<const re2::RE2> regexp_;
  // A regexp that is only literals joined by | is answered without RE2.
  std::vector<std::string> literals_;
};

using Matchers = std::vector<Matcher>;
bool MatchAll(const Matchers& matchers, const Labels& labels);

// Alertmanager's list: alertname="X", {a=~"b.*",c!=d}, or one matcher; UTF-8 and classic grammars
// with Alertmanager's fallback rule.
Result<Matchers> ParseMatchers(std::string_view text);
Result<Matcher> ParseMatcher(std::string_view text);

}  // namespace fettle
