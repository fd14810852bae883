#include "exporter/collectors/s3_prices.h"

#include <algorithm>
#include <array>

namespace fettle::exporter {
namespace {

struct Row {
  std::string_view region;
  std::string_view storage_class;
  std::chrono::year_month_day from;  // UTC
  double usd_per_gb_month;
};

using std::chrono::December;
using std::chrono::year;
constexpr std::chrono::year_month_day kDecember2021 = year{2021} / December / 1;

// A new price is a new row: months before it keep the old one.
constexpr auto kRows = std::to_array<Row>({
    {"us-east-1", "STANDARD", kDecember2021, 0.023},
    {"us-east-1", "INTELLIGENT_TIERING", kDecember2021, 0.023},
    {"us-east-1", "STANDARD_IA", kDecember2021, 0.0125},
    {"us-east-1", "ONEZONE_IA", kDecember2021, 0.01},
    {"us-east-1", "GLACIER_IR", kDecember2021, 0.004},
    {"us-east-1", "GLACIER", kDecember2021, 0.0036},
    {"us-east-1", "DEEP_ARCHIVE", kDecember2021, 0.00099},
    {"us-east-2", "STANDARD", kDecember2021, 0.023},
    {"us-east-2", "INTELLIGENT_TIERING", kDecember2021, 0.023},
    {"us-east-2", "STANDARD_IA", kDecember2021, 0.0125},
    {"us-east-2", "ONEZONE_IA", kDecember2021, 0.01},
    {"us-east-2", "GLACIER_IR", kDecember2021, 0.004},
    {"us-east-2", "GLACIER", kDecember2021, 0.0036},
    {"us-east-2", "DEEP_ARCHIVE", kDecember2021, 0.00099},
    {"us-west-2", "STANDARD", kDecember2021, 0.023},
    {"us-west-2", "INTELLIGENT_TIERING", kDecember2021, 0.023},
    {"us-west-2", "STANDARD_IA", kDecember2021, 0.0125},
    {"us-west-2", "ONEZONE_IA", kDecember2021, 0.01},
    {"us-west-2", "GLACIER_IR", kDecember2021, 0.004},
    {"us-west-2", "GLACIER", kDecember2021, 0.0036},
    {"us-west-2", "DEEP_ARCHIVE", kDecember2021, 0.00099},
    {"eu-west-1", "STANDARD", kDecember2021, 0.023},
    {"eu-west-1", "INTELLIGENT_TIERING", kDecember2021, 0.023},
    {"eu-west-1", "STANDARD_IA", kDecember2021, 0.0125},
    {"eu-west-1", "ONEZONE_IA", kDecember2021, 0.01},
    {"eu-west-1", "GLACIER_IR", kDecember2021, 0.004},
    {"eu-west-1", "GLACIER", kDecember2021, 0.0036},
    {"eu-west-1", "DEEP_ARCHIVE", kDecember2021, 0.00099},
    {"eu-central-1", "STANDARD", kDecember2021, 0.0245},
    {"eu-central-1", "INTELLIGENT_TIERING", kDecember2021, 0.0245},
    {"eu-central-1", "STANDARD_IA", kDecember2021, 0.0135},
});

}  // namespace

std::optional<double> S3PricePerGbMonth(std::string_view region, std::string_view storage_class,
                                        Time at) {
  std::optional<double> price;
  std::chrono::sys_days newest{};
  for (const Row& row : kRows) {
    const std::chrono::sys_days from(row.from);
    if (row.region != region || row.storage_class != storage_class || from > at) continue;
    if (price && from <= newest) continue;
    price = row.usd_per_gb_month;
    newest = from;
  }
  return price;
}

std::vector<std::string> S3PricedRegions() {
  std::vector<std::string> regions;
  for (const Row& row : kRows) {
    if (regions.empty() || regions.back() != row.region) regions.emplace_back(row.region);
  }
  return regions;
}

}  // namespace fettle::exporter
