// Regular expressions that are only texts and wildcards, as most of those in matchers are:
// "web-.*", "(a|b)c", ".*[.]example[.]com". They are compared with memcmp instead of RE2, and need
// not be compiled. Values.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace fettle {

class Wildcards {
 public:
  // More than these make an expression RE2's business: alternatives with wildcards, and bytes of
  // all that groups and classes multiply.
  static constexpr std::size_t kAlternativesMax = 64;
  static constexpr std::size_t kBytesMax = 16 * 1024;

  // Nullopt if it is not that simple (or not an expression at all). `regexp` is valid UTF-8, its
  // dot matches a newline, and it is anchored at both ends.
  static std::optional<Wildcards> Parse(std::string_view regexp);

  // `value` is valid UTF-8.
  bool Matches(std::string_view value) const;

  // All that can match, sorted, if there is no wildcard; else empty.
  std::vector<std::string> Literals() const;

 private:
  friend class WildcardsParser;
  // texts[0], a wildcard of at least gaps[0] bytes, texts[1], …
  struct Alternative {
    std::vector<std::string> texts = {""};
    std::vector<std::size_t> gaps = {};
    bool Matches(std::string_view value) const;
  };
  std::vector<Alternative> alternatives_;
};

}  // namespace fettle
