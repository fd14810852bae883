// Any bytes as a file of rule tests. Goal: a broken file costs complaints, never a crash, and what
// is read can be compared.
#include <cstdint>
#include <string_view>

#include "common/check.h"
#include "rules/test_file.h"
#include "rules/test_texts.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  fettle::yaml::Complaints complaints;
  const auto file = fettle::rules::ReadTestFile(text, "no-such-folder/f", complaints);
  for (const auto& test : file.tests) {
    for (const auto& check : test.alerts) {
      FETTLE_CHECK(check.expected.empty() ==
                   !fettle::rules::CompareAlerts(test.name, check, {}, false).has_value());
    }
  }
  return 0;
}
