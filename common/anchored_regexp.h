// Regular expressions as Prometheus anchors them, ^(?s:…)$, and Go's way to write with their
// groups. Values, immutable and safe to share between threads.
#pragma once

#include <re2/re2.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.h"

namespace fettle {

// kInvalid in the words of Go's regexp.
Result<std::shared_ptr<const re2::RE2>> CompileAnchored(const std::string& pattern);

// Go's Regexp.Expand: $1, ${1}, $name, ${name}, $$; a name is as long as it can be, and one that
// does not exist is empty.
class RegexpTemplate {
 public:
  // What is longer is cut: nested, four times what there was grows without end.
  static constexpr std::size_t kExpandedBytesMax = 64 * 1024;

  RegexpTemplate() = default;
  RegexpTemplate(std::string_view text, const re2::RE2& pattern);

  // `groups` as RE2::Match fills them: the first is the whole match.
  std::string Expand(const std::vector<re2::StringPiece>& groups) const;
  // Whether it is the same whatever matched.
  bool IsPlain() const;

 private:
  struct Part {
    std::string literal;
    int group = -1;
  };
  std::size_t AddReference(std::string_view text, const re2::RE2& pattern);

  std::vector<Part> parts_;
};

}  // namespace fettle
