// What a GB-month of S3 costs, by region, storage class and date. Data shipped with the program;
// the configuration may know better.
//
// Source: AWS's price list (aws.amazon.com/s3/pricing) as kept by infracost's test data and copies
// of the price API. The first tier (up to 50 TB a month) is taken for all, so large buckets come
// out up to a tenth dearer than billed; Intelligent-Tiering is counted at its frequent tier.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/clock.h"

namespace fettle::exporter {

// Dollars per GB (2^30 bytes, as AWS bills) and month, valid at `at`; nullopt if not in the table.
std::optional<double> S3PricePerGbMonth(std::string_view region, std::string_view storage_class,
                                        Time at);
// The regions the table knows.
std::vector<std::string> S3PricedRegions();

}  // namespace fettle::exporter
