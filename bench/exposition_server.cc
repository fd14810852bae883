// Serves 10,000 series as fettle does, on a port the kernel chooses, so that a client can time it
// beside Pushgateway. Prints its URL; ends when its standard input does.
#include <fmt/format.h>

#include <cstdio>
#include <memory>

#include "common/http_server.h"
#include "exporter/page.h"

int main() {
  using namespace fettle;
  const SystemClock clock;
  Metrics metrics;
  LogWriter log(clock, StderrSink(), {.level = LogLevel::kError});
  exporter::Page page;
  std::vector<MetricFamily> families;
  for (int f = 0; f < 100; ++f) {
    MetricFamily family{
        fmt::format("bench_family_{}_bytes", f), "A family.", MetricType::kGauge, {}};
    for (int s = 0; s < 100; ++s) {
      family.points.push_back({"",
                               {{"project", "shop"},
                                {"service", fmt::format("service-{}", s % 10)},
                                {"container", fmt::format("shop-service-{}", s)}},
                               f * 1000.25 + s});
    }
    families.push_back(std::move(family));
  }
  page.Update("bench", std::make_shared<const std::vector<MetricFamily>>(std::move(families)));
  Router router;
  router.Add("GET", "/metrics", Role::kPublic, [&page](const HttpRequest& request) {
    const bool gzip =
        request.headers.Get("Accept-Encoding").find("gzip") != std::string_view::npos;
    HttpResponse response{200, {}, page.Render(exporter::Format::kText, gzip, {})};
    response.headers.Set("Content-Type", exporter::ContentType(exporter::Format::kText));
    if (gzip) response.headers.Set("Content-Encoding", "gzip");
    return response;
  });
  auto server =
      HttpServer::Start({.clock = clock, .metrics = metrics, .log = Log(log, "web")},
                        {.listen_address = "127.0.0.1:0", .threads = 16}, {}, std::move(router));
  if (!server) {
    fmt::print(stderr, "{}\n", server.error().message);
    return 1;
  }
  fmt::print("{}\n", (*server)->url());
  std::fflush(stdout);
  while (std::getchar() != EOF) {
  }
  return 0;
}
