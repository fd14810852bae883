#include "rules/promql/natural_order.h"

#include <algorithm>
#include <string_view>

namespace fettle::promql {
namespace {

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

// The run of digits, or of anything else, at the beginning.
std::string_view FirstRun(std::string_view text) {
  std::size_t end = 1;
  while (end < text.size() && IsDigit(text[end]) == IsDigit(text[0])) ++end;
  return text.substr(0, end);
}

std::string_view WithoutZeros(std::string_view digits) {
  digits.remove_prefix(std::min(digits.find_first_not_of('0'), digits.size() - 1));
  return digits;
}

}  // namespace

bool NaturallyBefore(std::string_view a, std::string_view b) {
  while (!a.empty() && !b.empty()) {
    const std::string_view run_a = FirstRun(a);
    const std::string_view run_b = FirstRun(b);
    if (run_a != run_b) {
      if (!IsDigit(run_a[0]) || !IsDigit(run_b[0])) return run_a < run_b;
      const std::string_view number_a = WithoutZeros(run_a);
      const std::string_view number_b = WithoutZeros(run_b);
      if (number_a.size() != number_b.size()) return number_a.size() < number_b.size();
      if (number_a != number_b) return number_a < number_b;
      return run_a.size() > run_b.size();  // 01 before 1
    }
    a.remove_prefix(run_a.size());
    b.remove_prefix(run_b.size());
  }
  return a.empty() && !b.empty();
}

}  // namespace fettle::promql
