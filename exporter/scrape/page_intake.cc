#include "exporter/scrape/page_intake.h"

#include <algorithm>
#include <utility>

namespace fettle::exporter {
namespace {

std::string_view ValueOf(const std::vector<Labels::Pair>& pairs, std::string_view name) {
  const auto at =
      std::lower_bound(pairs.begin(), pairs.end(), name,
                       [](const auto& pair, std::string_view n) { return pair.first < n; });
  return at != pairs.end() && at->first == name ? std::string_view(at->second) : "";
}

bool HasName(const std::vector<Labels::Pair>& pairs, std::string_view name) {
  return std::any_of(pairs.begin(), pairs.end(),
                     [name](const auto& pair) { return pair.first == name; });
}

}  // namespace

// Where the page and the target both have a label, honor_labels says whose it is; the page's goes
// on as exported_… otherwise.
Labels PageIntake::Mutated(const std::vector<Labels::Pair>& exposed) const {
  Labels labels(exposed);
  if (config_.honor_labels) {
    for (const auto& [name, value] : target_) {
      // An empty label on the page keeps the target's away, too.
      if (!HasName(exposed, name)) labels.Set(name, value);
    }
    return labels;
  }
  std::vector<Labels::Pair> moved;
  for (const auto& [name, value] : target_) {
    const std::string_view there = ValueOf(exposed, name);
    if (!there.empty()) moved.emplace_back(name, there);
    labels.Set(name, value);
  }
  std::stable_sort(moved.begin(), moved.end(),
                   [](const auto& a, const auto& b) { return a.first.size() < b.first.size(); });
  for (const auto& [name, value] : moved) {
    std::string other = "exported_" + name;
    while (labels.Has(other)) other.insert(0, "exported_");
    labels.Set(other, value);
  }
  return labels;
}

Status PageIntake::CheckLimits(const Labels& labels) const {
  const std::string_view metric = labels.Get(kMetricName).substr(0, 50);
  if (config_.label_limit > 0 && labels.size() > config_.label_limit) {
    return Fail(Cause::kLimit, "label_limit exceeded (metric: {}, number of labels: {}, limit: {})",
                metric, labels.size(), config_.label_limit);
  }
  for (const auto& [name, value] : labels) {
    if (config_.label_name_length_limit > 0 && name.size() > config_.label_name_length_limit) {
      return Fail(Cause::kLimit,
                  "label_name_length_limit exceeded (metric: {}, label name: {}, length: {}, "
                  "limit: {})",
                  metric, name.substr(0, 50), name.size(), config_.label_name_length_limit);
    }
    if (config_.label_value_length_limit > 0 && value.size() > config_.label_value_length_limit) {
      return Fail(Cause::kLimit,
                  "label_value_length_limit exceeded (metric: {}, label name: {}, length: {}, "
                  "limit: {})",
                  metric, name.substr(0, 50), value.size(), config_.label_value_length_limit);
    }
  }
  return {};
}

Result<PageIntake::SeriesMap::iterator> PageIntake::Find(const PageParser& parser, Taken& taken) {
  if (const auto known = series_.find(parser.series()); known != series_.end()) return known;
  const auto exposed = parser.ReadLabels();
  if (!exposed) return tl::unexpected(exposed.error());
  Series series{.labels = Mutated(*exposed), .since = turn_};
  series.dropped = !config_.metric_relabeling.Apply(series.labels) || series.labels.empty();
  if (!series.dropped) {
    if (!series.labels.Has(kMetricName)) return Fail(Cause::kInvalid, "missing metric name label");
    if (Status limits = CheckLimits(series.labels); !limits) {
      taken.over_labels = true;
      return tl::unexpected(limits.error());
    }
  }
  return series_.emplace(std::string(parser.series()), std::move(series)).first;
}

Status PageIntake::TakeSample(const PageParser& parser, Time at, Taken& taken) {
  ++taken.scraped;
  const auto found = Find(parser, taken);
  if (!found) return tl::unexpected(found.error());
  Series& series = (*found)->second;
  const bool added = series.since == turn_ && series.seen != turn_;
  series.seen = turn_;
  if (series.dropped) return {};
  ++taken.kept;
  // The page is read to its end, so that the report says how many there were.
  if (config_.sample_limit > 0 && taken.kept > config_.sample_limit) {
    taken.over_samples = true;
    return {};
  }
  if (added) ++taken.added;
  const bool stamped = config_.honor_timestamps && parser.time_ms().has_value();
  const Time when = stamped ? TimeFromMillis(*parser.time_ms()) : at;
  series.ends = !stamped || config_.track_timestamps_staleness;
  if (when > at + kAheadMax) return {};
  taken.batch.samples.push_back({series.labels, parser.value(), when});
  if (const auto& exemplar = parser.exemplar(); exemplar) {
    const Result<Labels> labels = PageParser::ReadExemplarLabels(exemplar->labels);
    if (!labels) return tl::unexpected(labels.error());
    const Time seen = exemplar->time_ms ? TimeFromMillis(*exemplar->time_ms) : when;
    taken.exemplars.push_back({series.labels, *labels, exemplar->value, seen});
  }
  return {};
}

void PageIntake::TakeMetadata(PageParser::What what, const PageParser& parser, PageFormat format) {
  const auto known = metadata_.find(std::string(parser.name()));
  if (known == metadata_.end() && metadata_.size() >= kMetadataMax) return;
  MetricMetadata& metadata = metadata_[std::string(parser.name())];
  metadata.name = parser.name();
  if (what == PageParser::What::kType) metadata.type = parser.type();
  if (what == PageParser::What::kHelp) metadata.help = Unescaped(parser.text(), format);
  if (what == PageParser::What::kUnit) metadata.unit = parser.text();
}

Status PageIntake::Read(std::string_view page, PageFormat format, Time at, Taken& taken) {
  PageParser parser(page, format);
  while (true) {
    const Result<PageParser::What> what = parser.Next();
    if (!what) return tl::unexpected(what.error());
    switch (*what) {
      case PageParser::What::kEnd:
        if (!taken.over_samples) return {};
        return Fail(Cause::kLimit, "sample limit exceeded");
      case PageParser::What::kSeries:
        if (Status sample = TakeSample(parser, at, taken); !sample) return sample;
        break;
      case PageParser::What::kComment:
        break;
      default:
        TakeMetadata(*what, parser, format);
    }
  }
}

PageIntake::Taken PageIntake::Take(std::string_view page, PageFormat format, Time at) {
  Taken taken{.batch = {.samples = {}, .origin = Origin::kScrape}};
  ++turn_;
  taken.status = Read(page, format, at, taken);
  if (!taken.status) {
    taken.batch.samples.clear();
    taken.exemplars.clear();
  }
  MarkStale(at, taken.status.has_value(), taken.batch);
  return taken;
}

SampleBatch PageIntake::TakeNothing(Time at) {
  SampleBatch batch{.samples = {}, .origin = Origin::kScrape};
  ++turn_;
  MarkStale(at, false, batch);
  return batch;
}

// What was not seen this turn ends. It is forgotten if the page was good: after a failure the same
// series come back, and are not new then.
void PageIntake::MarkStale(Time at, bool good, SampleBatch& batch) {
  if (good) last_good_ = series_.size();
  const bool forget = good || series_.size() > 2 * last_good_ + kRememberedMore;
  for (auto it = series_.begin(); it != series_.end();) {
    Series& series = it->second;
    if (good && series.seen == turn_) {
      series.live = series.ends;
      ++it;
      continue;
    }
    if (series.live) batch.samples.push_back({series.labels, StaleNaN(), at});
    series.live = false;
    it = forget ? series_.erase(it) : std::next(it);
  }
}

}  // namespace fettle::exporter
