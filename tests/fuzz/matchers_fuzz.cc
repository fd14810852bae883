// Whatever any of the grammars understands prints as something that reads back the same.
#include <cstdint>
#include <string>
#include <string_view>

#include "common/check.h"
#include "common/matcher.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  using fettle::MatcherSyntax;
  for (const auto syntax :
       {MatcherSyntax::kFallback, MatcherSyntax::kClassic, MatcherSyntax::kUtf8}) {
    static_cast<void>(fettle::ParseMatcher(text, syntax).has_value());
    const fettle::Result<fettle::Matchers> matchers = fettle::ParseMatchers(text, syntax);
    if (!matchers) {
      FETTLE_CHECK(!matchers.error().message.empty());
      continue;
    }
    std::string printed = "{";
    for (const fettle::Matcher& matcher : *matchers) {
      printed += matcher.ToString() + ",";
      // A text and its negation never agree.
      const auto opposite =
          static_cast<fettle::Matcher::Type>(static_cast<int>(matcher.type()) ^ 1);
      const auto negated = fettle::Matcher::Make(opposite, matcher.name(), matcher.value());
      FETTLE_CHECK(negated.has_value());
      for (const std::string_view value : {std::string_view(""), std::string_view("a"), text}) {
        FETTLE_CHECK(matcher.Matches(value) != negated->Matches(value));
      }
    }
    const fettle::Result<fettle::Matchers> again = fettle::ParseMatchers(printed + "}");
    FETTLE_CHECK(again && *again == *matchers);
  }
  return 0;
}
