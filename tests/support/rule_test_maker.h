// Makes up rules, samples and tests of them, for two judges to be compared. The same seed makes the
// same.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "tests/support/seeded_random.h"

namespace fettle {

class RuleTestMaker {
 public:
  explicit RuleTestMaker(std::uint64_t seed) : random_(seed) {}

  struct Check {
    std::string alert;  // or an expression
    std::string expr;
    std::string time;
  };
  struct Test {
    std::string name;
    std::string head;  // its text up to the checks
    std::vector<Check> checks;
  };

  // A rule file of two groups.
  std::string Rules();
  // A test of those rules.
  Test Make(int number);
  // One that looks at everything after every evaluation of an hour, 30 s apart.
  Test MakeHour();
  // A whole test file; `expected` is the text of exp_alerts or exp_samples, [] for none.
  using Expected = std::function<std::string(std::size_t test, std::size_t check)>;
  std::string File(const std::string& rules, const std::vector<Test>& tests,
                   const Expected& expected) const;
  // The same expectation, a little wrong.
  std::string Broken(std::string expected);

 private:
  std::size_t Below(std::size_t n) { return random_.Next() % n; }
  bool Often() { return Below(2) == 0; }
  std::string OneOf(const std::vector<std::string>& words) { return words[Below(words.size())]; }
  std::string Condition();
  std::string Text();
  std::string Values(std::size_t stretches);
  std::string Series(const std::string& interval, std::size_t stretches);
  std::string Duration();

  SeededRandom random_;
};

}  // namespace fettle
