// Template functions that Prometheus' and Alertmanager's templates share. Pure; safe from any
// thread. Sources: prometheus/template and alertmanager/template.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/gotemplate.h"
#include "common/result.h"

namespace fettle::gotemplate {

// title toUpper toLower match reReplaceAll safeHtml humanize humanize1024 humanizeDuration
// humanizePercentage humanizeTimestamp. Numbers may be given as numbers or as text.
Functions TextFunctions();

// A number, the text of one ("1.5", "+Inf", "NaN"), or a duration in seconds; else Go's complaint.
Result<double> NumberArgument(const std::vector<Value>& arguments, std::size_t index);
// Seconds since the epoch as a time; kInvalid beyond what nanoseconds in 64 bits can say.
Result<Timestamp> TimeFromSeconds(double seconds);

// Go's regexp.ReplaceAllString: all matches, $1 and ${name} in the replacement. kInvalid if the
// pattern is none.
Result<std::string> ReplaceAll(std::string_view pattern, std::string_view replacement,
                               std::string_view text);

}  // namespace fettle::gotemplate
