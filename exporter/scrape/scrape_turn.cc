#include "exporter/scrape/scrape_turn.h"

#include <fmt/format.h>

#include <array>
#include <utility>

namespace fettle::exporter {
namespace {

constexpr std::array<std::string_view, 5> kReports = {
    "up", "scrape_duration_seconds", "scrape_samples_scraped",
    "scrape_samples_post_metric_relabeling", "scrape_series_added"};

Labels ReportLabels(std::string_view name, const Labels& target) {
  Labels labels = target;
  labels.Set(kMetricName, name);
  return labels;
}

Result<ScrapedPage> Fetch(HttpTransport& transport, const ScrapeConfig& config,
                          const ScrapeTarget& target, const std::string& user_agent,
                          const std::stop_token& stop) {
  HttpRequest request{.url = target.url};
  request.headers.Set("Accept", config.accept);
  request.headers.Set("User-Agent", user_agent);
  request.headers.Set("X-Prometheus-Scrape-Timeout-Seconds",
                      fmt::format("{}", ToSeconds(target.timeout)));
  HttpOptions options{.timeout = target.timeout, .connect_timeout = target.timeout};
  options.stop = stop;
  if (Status applied = config.http.Apply(request, options); !applied) {
    return tl::unexpected(applied.error());
  }
  options.accept_gzip = config.enable_compression;
  options.body_bytes_max =
      config.body_size_limit > 0 ? config.body_size_limit : ScrapeConfig::kPageBytesMax;
  Result<HttpResponse> response = transport.Send(request, options);
  if (!response) return tl::unexpected(response.error());
  if (response->status != 200) {
    return Fail("server returned HTTP status {}", response->status);
  }
  const Result<PageFormat> format =
      FormatOf(response->headers.Get("Content-Type"), config.fallback);
  if (!format) return tl::unexpected(format.error());
  return ScrapedPage{std::move(response->body), *format};
}

}  // namespace

FetchedPage FetchPage(HttpTransport& transport, const ScrapeConfig& config,
                      const ScrapeTarget& target, const std::string& user_agent,
                      const std::stop_token& stop) {
  FetchedPage fetched{.page = Fetch(transport, config, target, user_agent, stop)};
  if (!fetched.page && fetched.page.error().cause == Cause::kLimit) {
    fetched.too_long = true;
    fetched.page = Fail(Cause::kLimit, "body size limit exceeded");
  }
  return fetched;
}

void AppendReport(const ScrapeReport& report, const Labels& target, Time at, SampleBatch& batch) {
  const std::array<double, kReports.size()> values = {
      report.up ? 1.0 : 0.0, report.seconds, static_cast<double>(report.scraped),
      static_cast<double>(report.kept), static_cast<double>(report.added)};
  for (std::size_t i = 0; i < kReports.size(); ++i) {
    batch.samples.push_back({ReportLabels(kReports[i], target), values[i], at});
  }
}

void AppendReportEnd(const Labels& target, Time at, SampleBatch& batch) {
  for (const std::string_view name : kReports) {
    batch.samples.push_back({ReportLabels(name, target), StaleNaN(), at});
  }
}

}  // namespace fettle::exporter
