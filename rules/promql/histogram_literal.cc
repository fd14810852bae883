#include "rules/promql/histogram_literal.h"

#include <charconv>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "common/labels.h"
#include "rules/promql/literals.h"

namespace fettle::promql {
namespace {

constexpr std::size_t kBucketsMax = 10'000;

class LiteralReader {
 public:
  explicit LiteralReader(std::string_view inside) : rest_(inside) {}

  Status Read(HistogramLiteral& out) {
    for (SkipBlanks(); !rest_.empty(); SkipBlanks()) {
      const std::string_view key = TakeUntil(":");
      if (!rest_.starts_with(":")) return Refuse(key);
      rest_.remove_prefix(1);
      if (!seen_.insert(key).second) {
        return Fail(Cause::kInvalid, "histogram has {} twice", Quote(key));
      }
      if (!Take(key, out)) return Refuse(key);
    }
    FloatHistogram& histogram = out.histogram;
    histogram.positive.spans = SpanOf(offset_, histogram.positive);
    histogram.negative.spans = SpanOf(negative_offset_, histogram.negative);
    return {};
  }

 private:
  static Status Refuse(std::string_view key) {
    return Fail(Cause::kInvalid, "unexpected histogram description at {}", Quote(key));
  }
  static std::vector<FloatHistogram::Span> SpanOf(std::int32_t offset,
                                                  const FloatHistogram::Buckets& buckets) {
    if (buckets.counts.empty()) return {};
    return {{offset, static_cast<std::uint32_t>(buckets.counts.size())}};
  }

  bool Take(std::string_view key, HistogramLiteral& out) {
    FloatHistogram& h = out.histogram;
    if (key == "schema") return TakeInteger(h.schema);
    if (key == "sum") return TakeNumber(h.sum);
    if (key == "count") return TakeNumber(h.count);
    if (key == "z_bucket") return TakeNumber(h.zero_count);
    if (key == "z_bucket_w") return TakeNumber(h.zero_threshold);
    if (key == "buckets") return TakeList(h.positive.counts);
    if (key == "n_buckets") return TakeList(h.negative.counts);
    if (key == "custom_values") return TakeList(h.custom_bounds);
    if (key == "offset") return TakeInteger(offset_);
    if (key == "n_offset") return TakeInteger(negative_offset_);
    if (key != "counter_reset_hint") return false;
    out.hint_given = true;
    return TakeHint(h.hint);
  }

  bool TakeHint(FloatHistogram::ResetHint& hint) {
    static constexpr std::pair<std::string_view, FloatHistogram::ResetHint> kHints[] = {
        {"unknown", FloatHistogram::ResetHint::kUnknown},
        {"reset", FloatHistogram::ResetHint::kReset},
        {"not_reset", FloatHistogram::ResetHint::kNotReset},
        {"gauge", FloatHistogram::ResetHint::kGauge}};
    const std::string_view word = TakeUntil(" \t");
    for (const auto& [name, value] : kHints) {
      if (name != word) continue;
      hint = value;
      return true;
    }
    return false;
  }

  bool TakeInteger(std::int32_t& out) {
    const std::string_view word = TakeUntil(" \t");
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), out);
    return error == std::errc() && end == word.data() + word.size();
  }

  bool TakeNumber(double& out) {
    std::string_view word = TakeUntil(" \t]");
    const bool negative = word.starts_with("-");
    if (negative || word.starts_with("+")) word.remove_prefix(1);
    const Result<double> number = ParseNumber(word);
    if (!number) return false;
    out = negative ? -*number : *number;
    return true;
  }

  bool TakeList(std::vector<double>& out) {
    if (!rest_.starts_with("[")) return false;
    rest_.remove_prefix(1);
    for (SkipBlanks(); !rest_.starts_with("]"); SkipBlanks()) {
      if (rest_.empty() || out.size() == kBucketsMax) return false;
      if (!TakeNumber(out.emplace_back())) return false;
    }
    rest_.remove_prefix(1);
    return true;
  }

  std::string_view TakeUntil(std::string_view stops) {
    const std::string_view word = rest_.substr(0, rest_.find_first_of(stops));
    rest_.remove_prefix(word.size());
    return word;
  }
  void SkipBlanks() {
    const std::size_t next = rest_.find_first_not_of(" \t");
    rest_.remove_prefix(std::min(next, rest_.size()));
  }

  std::string_view rest_;
  std::set<std::string_view> seen_;
  std::int32_t offset_ = 0;
  std::int32_t negative_offset_ = 0;
};

}  // namespace

Result<HistogramLiteral> ParseHistogramLiteral(std::string_view text) {
  const std::size_t end = text.find("}}");
  if (!text.starts_with("{{") || end == std::string_view::npos) {
    return Fail(Cause::kInvalid, "histogram is not closed: {}", Quote(text));
  }
  HistogramLiteral out;
  if (Status status = LiteralReader(text.substr(2, end - 2)).Read(out); !status) {
    return tl::unexpected(status.error());
  }
  if (Status status = ValidateLayout(out.histogram); !status) {
    return tl::unexpected(status.error());
  }
  out.rest = text.substr(end + 2);
  return out;
}

}  // namespace fettle::promql
