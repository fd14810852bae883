// Bodies of API v2: whatever is posted is alerts, a silence, or an answer in 400 or 422.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "common/check.h"
#include "receivers/api/bodies.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view body(reinterpret_cast<const char*>(data), size);
  const auto alerts = fettle::receivers::ReadPostableAlerts(body);
  if (!alerts) FETTLE_CHECK(alerts.error().status == 400 || alerts.error().status == 422);
  const auto silence = fettle::receivers::ReadPostableSilence(body);
  if (!silence) FETTLE_CHECK(!silence.error().ToResponse().body.empty());
  (void)fettle::receivers::ReadFilterMatcher(std::string(body), fettle::MatcherSyntax::kFallback);
  return 0;
}
