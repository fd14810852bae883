// Whatever parses prints as something that parses to the same, on one line and on many.
#include <cstdint>
#include <string>
#include <string_view>

#include "common/check.h"
#include "rules/promql/parser.h"
#include "rules/promql/printer.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  using namespace fettle::promql;
  static_cast<void>(ParseSelector(text).has_value());
  static_cast<void>(ParseMetricPrefix(text).has_value());
  const ParserOptions options{
      .experimental_functions = true, .fill_modifiers = true, .extended_ranges = true};
  const fettle::Result<ExprPtr> expr = Parse(text, options);
  if (!expr) {
    FETTLE_CHECK(!expr.error().message.empty());
    return 0;
  }
  FETTLE_CHECK((*expr)->span.end <= size);
  const std::string printed = Print(**expr);
  const fettle::Result<ExprPtr> again = Parse(printed, options);
  if (!again) {
    // Less than a millisecond prints as nothing at all, and printing may make a query too long.
    const std::string& why = again.error().message;
    FETTLE_CHECK(why.ends_with("duration must be greater than 0") || printed.size() > size);
    return 0;
  }
  FETTLE_CHECK(Print(**again) == printed);
  const fettle::Result<ExprPtr> pretty = Parse(PrintPretty(**expr), options);
  FETTLE_CHECK(!pretty || Print(**pretty) == printed);
  return 0;
}
