// One scrape: the request, the page, and the report of how it went. Used by the scraper's hands.
#pragma once

#include <stop_token>
#include <string>

#include "common/clock.h"
#include "common/http.h"
#include "common/result.h"
#include "common/sample.h"
#include "exporter/scrape/page_intake.h"
#include "exporter/scrape/scrape_config.h"

namespace fettle::exporter {

struct ScrapedPage {
  std::string body;
  PageFormat format = PageFormat::kText;
};
struct FetchedPage {
  Result<ScrapedPage> page;
  bool too_long = false;
};
// GET of the target's page. Blocks for the target's timeout at most, or until `stop`.
FetchedPage FetchPage(HttpTransport& transport, const ScrapeConfig& config,
                      const ScrapeTarget& target, const std::string& user_agent,
                      const std::stop_token& stop);

// up, scrape_duration_seconds, scrape_samples_scraped, scrape_samples_post_metric_relabeling and
// scrape_series_added.
struct ScrapeReport {
  bool up = false;
  double seconds = 0;
  std::size_t scraped = 0;
  std::size_t kept = 0;
  std::size_t added = 0;
};
void AppendReport(const ScrapeReport& report, const Labels& target, Time at, SampleBatch& batch);
// The report's series end.
void AppendReportEnd(const Labels& target, Time at, SampleBatch& batch);

}  // namespace fettle::exporter
