#include "rules/test_texts.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <functional>
#include <limits>

#include "common/duration.h"
#include "common/labels.h"

namespace fettle::rules {
namespace {

// {a="b", c="d"}: the name of a metric is a label like any other.
template <typename Pairs>
std::string ShowLabels(const Pairs& labels) {
  std::string out;
  for (const auto& [name, value] : labels) {
    if (!out.empty()) out += ", ";
    out += (IsLabelName(name) ? name : Quote(name)) + "=" + Quote(value);
  }
  return "{" + out + "}";
}

// Go's %E with as many digits as it takes: 1E+00, 1.5E+00.
std::string ShowValue(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "+Inf" : "-Inf";
  std::array<char, 40> buffer{};
  char* const end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value,
                                  std::chars_format::scientific)
                        .ptr;
  std::replace(buffer.data(), end, 'e', 'E');
  return {buffer.data(), end};
}

std::string ShowSamples(const std::vector<ShownSample>& samples) {
  if (samples.empty()) return "nil";
  std::string out;
  for (const ShownSample& sample : samples) {
    if (!out.empty()) out += ", ";
    out += ShowLabels(sample.labels) + " " +
           (sample.histogram.empty() ? ShowValue(sample.value) : sample.histogram);
  }
  return out;
}

std::string ShowAlerts(const std::vector<ShownAlert>& alerts) {
  if (alerts.empty()) return "[]";
  std::string out = "[\n";
  for (std::size_t i = 0; i < alerts.size(); ++i) {
    out += fmt::format("            {}:\n              Labels:{}\n              Annotations:{}{}\n",
                       i, ShowLabels(alerts[i].labels), ShowLabels(alerts[i].annotations),
                       i + 1 < alerts.size() ? "," : "");
  }
  return out + "            ]";
}

// Lines of what is missing (-) and what is too much (+).
std::string ShowDifference(const std::vector<ShownAlert>& expected,
                           const std::vector<ShownAlert>& got) {
  std::string out;
  const auto list = [&out](char sign, const std::vector<ShownAlert>& alerts) {
    for (const ShownAlert& alert : alerts) {
      out += fmt::format("\n            {} {} {}", sign, ShowLabels(alert.labels),
                         ShowLabels(alert.annotations));
    }
  };
  std::vector<ShownAlert> only;
  std::set_difference(expected.begin(), expected.end(), got.begin(), got.end(),
                      std::back_inserter(only));
  list('-', only);
  only.clear();
  std::set_difference(got.begin(), got.end(), expected.begin(), expected.end(),
                      std::back_inserter(only));
  list('+', only);
  return out;
}

template <typename Pairs>
bool Contains(const Pairs& all, const Pairs& some) {
  return std::all_of(some.begin(), some.end(), [&](const auto& pair) {
    return std::find(all.begin(), all.end(), pair) != all.end();
  });
}

// Whether each expected alert can be given a firing one of its own: augmenting paths.
bool AllFound(const std::vector<ShownAlert>& expected, const std::vector<ShownAlert>& got) {
  if (expected.size() != got.size()) return false;
  constexpr std::size_t kNobody = std::numeric_limits<std::size_t>::max();
  std::vector<std::size_t> taken_by(got.size(), kNobody);
  for (std::size_t i = 0; i < expected.size(); ++i) {
    std::vector<bool> seen(got.size(), false);
    const std::function<bool(std::size_t)> place = [&](std::size_t one) {
      for (std::size_t j = 0; j < got.size(); ++j) {
        if (seen[j] || !Contains(got[j].labels, expected[one].labels) ||
            !Contains(got[j].annotations, expected[one].annotations)) {
          continue;
        }
        seen[j] = true;
        if (taken_by[j] != kNobody && !place(taken_by[j])) continue;
        taken_by[j] = one;
        return true;
      }
      return false;
    };
    if (!place(i)) return false;
  }
  return true;
}

Labels ToLabels(const TextMap& texts) { return Labels({texts.begin(), texts.end()}); }

bool Equal(double a, double b, bool fuzzy) {
  if (a == b) return true;
  return fuzzy && (std::nextafter(a, -HUGE_VAL) == b || std::nextafter(a, HUGE_VAL) == b);
}

}  // namespace

ShownAlert Shown(const ExpectedAlert& expected) {
  return {ToLabels(expected.labels), expected.annotations};
}

std::optional<std::string> CompareAlerts(const std::string& test, const AlertCheck& check,
                                         std::vector<ShownAlert> got, bool diff) {
  std::vector<ShownAlert> expected;
  for (const ExpectedAlert& alert : check.expected) expected.push_back(Shown(alert));
  std::sort(expected.begin(), expected.end());
  if (check.partial ? AllFound(expected, got) : expected == got) return std::nullopt;
  std::string out = test.empty() ? "" : fmt::format("    name: {},\n", test);
  out += fmt::format("    alertname: {}, time: {}, \n", check.alertname,
                     FormatDuration(check.eval_time));
  if (diff) return out + "        diff:" + ShowDifference(expected, got);
  return out +
         fmt::format("        exp:{}, \n        got:{}", ShowAlerts(expected), ShowAlerts(got));
}

std::optional<std::string> CompareSamples(const ExprCheck& check,
                                          const std::vector<ShownSample>& expected,
                                          const std::vector<ShownSample>& got, bool fuzzy) {
  const bool same = std::equal(expected.begin(), expected.end(), got.begin(), got.end(),
                               [&](const ShownSample& a, const ShownSample& b) {
                                 return a.labels == b.labels && a.histogram == b.histogram &&
                                        Equal(a.value, b.value, fuzzy);
                               });
  if (same) return std::nullopt;
  return fmt::format("    expr: {}, time: {},\n        exp: {}\n        got: {}", Quote(check.expr),
                     FormatDuration(check.eval_time), ShowSamples(expected), ShowSamples(got));
}

std::string ExprFailure(const ExprCheck& check, const std::string& why) {
  return fmt::format("    expr: {}, time: {}, err: {}", Quote(check.expr),
                     FormatDuration(check.eval_time), why);
}

}  // namespace fettle::rules
