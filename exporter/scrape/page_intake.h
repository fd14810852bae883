// What becomes of one target's pages: samples with the target's labels, relabelled and limited, and
// stale markers of series that are gone. Semantics: Prometheus 3.5, scrape/scrape.go.
//
// A series is known by its text on the page, so that labels are made once and not at every scrape.
// Belongs to whoever scrapes the target; not safe from several threads.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "common/exemplar_sink.h"
#include "common/metadata.h"
#include "common/sample.h"
#include "exporter/scrape/page_parser.h"
#include "exporter/scrape/scrape_config.h"

namespace fettle::exporter {

class PageIntake {
 public:
  // A sample that says it is from further ahead is left out.
  static constexpr Millis kAheadMax = std::chrono::minutes(10);
  static constexpr std::size_t kMetadataMax = 20'000;  // names; further ones have none
  // While pages fail, this many more than twice the last good page's series are remembered; then
  // those that are not on the page are forgotten.
  static constexpr std::size_t kRememberedMore = 1'000;

  // `config` must outlive it; `target` is what is attached to every sample.
  PageIntake(const ScrapeConfig& config, Labels target)
      : config_(config), target_(std::move(target)) {}

  // Samples to be stored, and what is reported of them. After an error the batch holds the stale
  // markers of everything that was there before, and the counts say how far it went.
  struct Taken {
    SampleBatch batch;
    std::vector<SampleExemplar> exemplars;
    std::size_t scraped = 0;  // samples on the page
    std::size_t kept = 0;     // after metric_relabel_configs
    std::size_t added = 0;    // series that were not on the page before
    Status status;
    bool over_samples = false;  // which limit it was
    bool over_labels = false;
  };
  Taken Take(std::string_view page, PageFormat format, Time at);
  // There is no page: everything ends.
  SampleBatch TakeNothing(Time at);

  // By name; of the newest page that could be read.
  const std::map<std::string, MetricMetadata>& metadata() const { return metadata_; }

 private:
  struct Series {
    Labels labels;
    bool dropped = false;     // by metric_relabel_configs
    std::uint64_t since = 0;  // turns
    std::uint64_t seen = 0;
    bool ends = true;   // with a stale marker
    bool live = false;  // stored, and not ended yet
  };
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const {
      return std::hash<std::string_view>{}(text);
    }
  };
  using SeriesMap = std::unordered_map<std::string, Series, Hash, std::equal_to<>>;

  Status Read(std::string_view page, PageFormat format, Time at, Taken& taken);
  Status TakeSample(const PageParser& parser, Time at, Taken& taken);
  Result<SeriesMap::iterator> Find(const PageParser& parser, Taken& taken);
  Labels Mutated(const std::vector<Labels::Pair>& exposed) const;
  Status CheckLimits(const Labels& labels) const;
  void TakeMetadata(PageParser::What what, const PageParser& parser, PageFormat format);
  void MarkStale(Time at, bool good, SampleBatch& batch);

  const ScrapeConfig& config_;
  const Labels target_;
  std::uint64_t turn_ = 0;
  std::size_t last_good_ = 0;  // series on the newest page that could be read
  SeriesMap series_;
  std::map<std::string, MetricMetadata> metadata_;
};

}  // namespace fettle::exporter
