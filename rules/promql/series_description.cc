#include "rules/promql/series_description.h"

#include <charconv>
#include <optional>
#include <string>
#include <utility>

#include "common/sample.h"
#include "rules/promql/histogram_arithmetic.h"
#include "rules/promql/histogram_literal.h"
#include "rules/promql/literals.h"
#include "rules/promql/parser.h"

namespace fettle::promql {
namespace {

bool IsBlank(char c) { return c == ' ' || c == '\t'; }
bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsAlpha(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

// Reads one item, such as 1+2x3, from its beginning to its end.
class ItemReader {
 public:
  explicit ItemReader(std::string_view item) : item_(item), rest_(item) {}

  Status AppendTo(std::vector<SequenceValue>& values) {
    if (rest_.starts_with("{{")) return AppendHistograms(values);
    if (TakeIf('_')) return AppendGaps(values);
    if (TakeWord("stale")) return AppendRun(values, StaleNaN(), 0);
    const std::optional<double> first = TakeSigned();
    if (!first) return Refuse();
    double step = 0;
    if (!rest_.empty() && (rest_[0] == '+' || rest_[0] == '-')) {
      const std::optional<double> given = TakeSigned();
      if (!given || !rest_.starts_with("x")) return Refuse();
      step = *given;
    }
    return AppendRun(values, *first, step);
  }

 private:
  Status Refuse() const {
    return Fail(Cause::kInvalid, "unexpected series value {}", Quote(item_));
  }

  bool TakeIf(char c) {
    if (rest_.empty() || rest_[0] != c) return false;
    rest_.remove_prefix(1);
    return true;
  }
  bool TakeWord(std::string_view word) {
    if (!rest_.starts_with(word)) return false;
    rest_.remove_prefix(word.size());
    return true;
  }

  // xN; nullopt if there is none, the refusal if it is wrong or something follows.
  Result<std::optional<std::size_t>> TakeTimes() {
    if (rest_.empty()) return std::optional<std::size_t>();
    std::size_t times = 0;
    const bool x = TakeIf('x');
    const auto [end, error] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), times);
    if (!x || error != std::errc() || end != rest_.data() + rest_.size()) {
      return tl::unexpected(Refuse().error());
    }
    return std::optional(times);
  }

  static Status CheckRoom(const std::vector<SequenceValue>& values, std::size_t more) {
    if (more <= kSequenceValuesMax - values.size()) return {};
    return Fail(Cause::kLimit, "series has more than {} values", kSequenceValuesMax);
  }

  Status AppendGaps(std::vector<SequenceValue>& values) {
    const auto times = TakeTimes();
    if (!times) return tl::unexpected(times.error());
    const std::size_t count = times->value_or(1);
    if (Status status = CheckRoom(values, count); !status) return status;
    values.insert(values.end(), count, {.omitted = true});
    return {};
  }

  // One value, or one more than is said after the x.
  Status AppendRun(std::vector<SequenceValue>& values, double value, double step) {
    const auto times = TakeTimes();
    if (!times) return tl::unexpected(times.error());
    const std::size_t more = times->value_or(0);
    if (Status status = CheckRoom(values, more + 1); !status) return status;
    for (std::size_t i = 0; i <= more; ++i) {
      values.push_back({.value = value});
      // Stale markers must keep their bits.
      if (step != 0) value += step;
    }
    return {};
  }

  Status AppendHistograms(std::vector<SequenceValue>& values) {
    Result<HistogramLiteral> first = ParseHistogramLiteral(rest_);
    if (!first) return tl::unexpected(first.error());
    rest_ = first->rest;
    std::optional<HistogramLiteral> step;
    const bool less = rest_.starts_with("-");
    if (less || rest_.starts_with("+")) {
      Result<HistogramLiteral> given = ParseHistogramLiteral(rest_.substr(1));
      if (!given) return tl::unexpected(given.error());
      rest_ = given->rest;
      if (!rest_.starts_with("x")) return Refuse();
      step = std::move(*given);
    }
    const auto times = TakeTimes();
    if (!times) return tl::unexpected(times.error());
    const std::size_t more = times->value_or(0);
    if (Status status = CheckRoom(values, more + 1); !status) return status;
    if (step &&
        (more + 1) * (first->histogram.Weight() + step->histogram.Weight()) > kSequenceValuesMax) {
      return Fail(Cause::kLimit, "histograms have more than {} numbers", kSequenceValuesMax);
    }
    auto current = std::make_shared<const FloatHistogram>(std::move(first->histogram));
    for (std::size_t i = 0; i <= more; ++i) {
      values.push_back({.histogram = current, .hint_given = first->hint_given});
      if (!step || i == more) continue;
      if (current->schema > step->histogram.schema) {
        return Fail(Cause::kInvalid,
                    "error combining histograms: cannot merge from schema {} to {}",
                    step->histogram.schema, current->schema);
      }
      HistogramSum sum(*current, HistogramSum::Precision::kPlain);
      less ? sum.Subtract(step->histogram) : sum.Add(step->histogram);
      current = std::make_shared<const FloatHistogram>(sum.Total());
    }
    return {};
  }

  std::optional<double> TakeSigned() {
    double sign = 1;
    if (TakeIf('-')) {
      sign = -1;
    } else {
      TakeIf('+');
    }
    std::size_t end = 0;
    if (!rest_.empty() && IsAlpha(rest_[0])) {
      while (end < rest_.size() && IsAlpha(rest_[end]) && end < 3) ++end;  // Inf, NaN
    } else {
      end = NumberLength();
    }
    const std::string_view text = rest_.substr(0, end);
    if (text.empty()) return std::nullopt;
    Result<double> number = ParseNumber(text);
    if (!number) number = ParseDurationSeconds(text);
    if (!number) return std::nullopt;
    rest_.remove_prefix(end);
    return sign * *number;
  }

  // Digits, dots, exponents with their signs, and the units of durations.
  std::size_t NumberLength() const {
    std::size_t end = 0;
    while (end < rest_.size()) {
      const char c = rest_[end];
      const bool exponent = (c == 'e' || c == 'E');
      if (exponent && end + 1 < rest_.size() && (rest_[end + 1] == '+' || rest_[end + 1] == '-')) {
        end += 2;
      } else if (IsDigit(c) || c == '.' || c == '_' || (IsAlpha(c) && c != 'x')) {
        ++end;
      } else {
        break;
      }
    }
    return end;
  }

  const std::string_view item_;
  std::string_view rest_;
};

}  // namespace

Result<std::vector<SequenceValue>> ParseSequence(std::string_view text) {
  std::vector<SequenceValue> values;
  while (!text.empty()) {
    if (IsBlank(text[0])) {
      text.remove_prefix(1);
      continue;
    }
    // Histogram literals have blanks within.
    std::size_t end = 0;
    while (end < text.size() && !IsBlank(text[end])) {
      if (text.substr(end).starts_with("{{")) end = std::min(text.find("}}", end), text.size() - 1);
      ++end;
    }
    if (Status status = ItemReader(text.substr(0, end)).AppendTo(values); !status) {
      return tl::unexpected(status.error());
    }
    text.remove_prefix(end);
  }
  return values;
}

Result<SeriesDescription> ParseSeriesDescription(std::string_view line) {
  Result<MetricAndRest> metric = ParseMetricPrefix(line);
  if (!metric) return tl::unexpected(metric.error());
  const bool starts = metric->rest.starts_with("@st");
  if (starts) metric->rest.remove_prefix(3);
  Result<std::vector<SequenceValue>> values = ParseSequence(metric->rest);
  if (!values) return tl::unexpected(values.error());
  return SeriesDescription{std::move(metric->labels), std::move(*values), starts};
}

}  // namespace fettle::promql
