// The test language's `load` and `load_with_nhcb`: lines to samples in a store.
#pragma once

#include <functional>
#include <string>

#include "rules/promql/test_script.h"
#include "rules/samples/samples.h"

namespace fettle::promql {

// Told of lines that cannot be read or stored; the others are loaded.
using LoadComplaint = std::function<void(std::size_t line, const std::string& why)>;

// Samples are spaced by the load's step from the epoch. load_with_nhcb also makes of each classic
// histogram (series ending in _bucket, _sum, _count) one with custom buckets.
void LoadSamples(const LoadCommand& load, rules::SampleStore& samples,
                 const LoadComplaint& complain);

}  // namespace fettle::promql
