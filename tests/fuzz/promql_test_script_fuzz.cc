// The test language, and the sequences in it, are read or refused.
#include <cstdint>
#include <string>
#include <string_view>

#include "common/check.h"
#include "rules/promql/series_description.h"
#include "rules/promql/test_script.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  using namespace fettle::promql;
  const auto values = ParseSequence(text);
  if (values) FETTLE_CHECK(values->size() <= kSequenceValuesMax);
  for (const TestCommand& command : ReadTestScript(text)) FETTLE_CHECK(command.line > 0);
  return 0;
}
