// Pages of whoever is scraped, in both formats. Goal: a page that is none costs an error, never a
// crash; and what the parser gives, the intake takes.
#include <cstdint>
#include <string_view>

#include "exporter/scrape/page_intake.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace fettle::exporter;
  const std::string_view page(reinterpret_cast<const char*>(data), size);
  static const ScrapeConfig config;
  for (const PageFormat format : {PageFormat::kText, PageFormat::kOpenMetrics}) {
    PageIntake intake(config, {{"job", "a"}, {"instance", "b"}});
    (void)intake.Take(page, format, fettle::Time{});
    (void)intake.Take(page, format, fettle::TimeFromMillis(1));
  }
  return 0;
}
