// Prints floating point numbers as Go does, so that our text equals Prometheus' to the byte. Pure.
#pragma once

#include <cstddef>
#include <string>

namespace fettle {

// The shortest text that reads back the same, with an exponent outside 1e-4 .. 1e6, as
// strconv.FormatFloat(v, 'g', -1, 64) prints it: "1", "0.005", "1e+06", "1.5e-05", "NaN", "+Inf".
// For exposition and le labels.
std::string FormatFloat(double value);
// The same, never with an exponent, as FormatFloat(v, 'f', -1, 64): the query API's values.
std::string FormatFloatFixed(double value);

// A sample as the query API writes it: 'f', but with an exponent where that is below 1e-6 or from
// 1e21: "1.5", "100000000", "1e-07", "NaN", "-Inf". Needs room for kSampleTextMax bytes, of which
// it may write more than the text, whose end it returns. This is most of what a large answer costs.
inline constexpr std::size_t kSampleTextMax = 48;
char* PrintSample(double value, char* to);

}  // namespace fettle
