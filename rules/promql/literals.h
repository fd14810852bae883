// What number and string tokens mean. Pure.
#pragma once

#include <string>
#include <string_view>

#include "common/result.h"

namespace fettle::promql {

// Go's strconv.ParseInt(text, 0, 64), else ParseFloat: 1e3, 0x1F, 0755 (octal), 1_000, Inf, NaN.
Result<double> ParseNumber(std::string_view text);
// A token in "…", '…' or `…` without its quotes and escapes.
std::string UnquoteToken(std::string_view token);
// Seconds of 1h30m.
Result<double> ParseDurationSeconds(std::string_view text);

}  // namespace fettle::promql
