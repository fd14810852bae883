#include "rules/promql/test_load.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "rules/promql/statistics.h"

namespace fettle::promql {
namespace {

struct LoadedSeries {
  std::size_t line = 0;
  std::vector<SequenceValue> values;
  std::vector<SequenceValue> starts;  // empty, or as many
};
using Loaded = std::map<Labels, LoadedSeries>;

// A classic histogram at one moment.
struct Classic {
  std::map<double, double> buckets;  // cumulative count by upper bound
  std::optional<double> count;
  double sum = 0;

  FloatHistogram Convert() const {
    FloatHistogram out;
    out.schema = FloatHistogram::kCustomSchema;
    out.sum = sum;
    out.count = count ? *count : buckets.empty() ? 0 : buckets.rbegin()->second;
    BucketBuilder builder;
    double before = 0;
    std::int32_t index = 0;
    for (const auto& [bound, up_to] : buckets) {
      if (bound == kInfinity) break;
      out.custom_bounds.push_back(bound);
      builder.Add(index++, up_to - before);
      before = up_to;
    }
    builder.Add(index, out.count - before);
    out.positive = builder.Take();
    Compact(out);
    return out;
  }
};

// The histograms among the series, by the labels they would have as one series, and by time.
class Conversion {
 public:
  void Take(const Labels& labels, const std::vector<SequenceValue>& values) {
    const std::string_view name = labels.Get(kMetricName);
    for (const std::string_view suffix : {"_bucket", "_count", "_sum"}) {
      if (!name.ends_with(suffix)) continue;
      Labels base = labels;
      base.Set(kMetricName, name.substr(0, name.size() - suffix.size()));
      double bound = 0;
      if (suffix == "_bucket") {
        const std::optional<double> read = BoundOf(labels.Get("le"));
        if (!read) return;
        bound = *read;
        base.Remove("le");
      }
      auto& moments = histograms_[base];
      for (std::size_t i = 0; i < values.size(); ++i) {
        if (values[i].omitted || values[i].histogram != nullptr) continue;
        Classic& classic = moments[i];
        if (suffix == "_bucket") classic.buckets[bound] = values[i].value;
        if (suffix == "_count") classic.count = values[i].value;
        if (suffix == "_sum") classic.sum = values[i].value;
      }
      return;
    }
  }

  SampleBatch Samples(Millis step) const {
    SampleBatch batch;
    for (const auto& [labels, moments] : histograms_) {
      for (const auto& [i, classic] : moments) {
        batch.samples.push_back({labels, 0, Time(step * static_cast<std::int64_t>(i)),
                                 std::make_shared<const FloatHistogram>(classic.Convert())});
      }
    }
    return batch;
  }

 private:
  static std::optional<double> BoundOf(std::string_view text) {
    if (text.starts_with("+")) text.remove_prefix(1);
    double bound = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), bound);
    const bool whole = error == std::errc() && end == text.data() + text.size();
    return whole && !std::isnan(bound) ? std::optional(bound) : std::nullopt;
  }

  std::map<Labels, std::map<std::size_t, Classic>> histograms_;
};

// Of a series that is given twice, the last counts. Starts stand before their series.
Loaded Read(const LoadCommand& load, const LoadComplaint& complain) {
  Loaded out;
  std::optional<SeriesDescription> starts;
  for (const LoadCommand::Line& line : load.series) {
    Result<SeriesDescription> series = ParseSeriesDescription(line.text);
    if (!series) {
      complain(line.number, series.error().message);
      continue;
    }
    if (series->starts) {
      starts = std::move(*series);
      continue;
    }
    LoadedSeries& loaded = out[series->labels];
    loaded = {line.number, std::move(series->values), {}};
    if (!starts) continue;
    if (starts->labels != series->labels || starts->values.size() != loaded.values.size()) {
      complain(line.number, "the start timestamps before it are not this series'");
    } else {
      loaded.starts = std::move(starts->values);
    }
    starts.reset();
  }
  return out;
}

}  // namespace

void LoadSamples(const LoadCommand& load, rules::SampleStore& samples,
                 const LoadComplaint& complain) {
  Conversion conversion;
  for (const auto& [labels, series] : Read(load, complain)) {
    SampleBatch batch;
    for (std::size_t i = 0; i < series.values.size(); ++i) {
      const SequenceValue& value = series.values[i];
      if (value.omitted) continue;
      const Time at(load.step * static_cast<std::int64_t>(i));
      Sample sample{labels, value.value, at, value.histogram};
      if (!series.starts.empty() && !series.starts[i].omitted) {
        sample.start = at + Millis(static_cast<std::int64_t>(series.starts[i].value * 1000));
      }
      batch.samples.push_back(std::move(sample));
    }
    if (Status status = samples.Append(batch); !status) {
      complain(series.line, status.error().message);
    }
    if (load.with_custom_buckets) conversion.Take(labels, series.values);
  }
  if (!load.with_custom_buckets || load.series.empty()) return;
  if (Status status = samples.Append(conversion.Samples(load.step)); !status) {
    complain(load.series.front().number, status.error().message);
  }
}

}  // namespace fettle::promql
