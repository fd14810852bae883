// Bodies of POST /api/fettle/v1/gates/NAME: what is accepted can be reckoned with.
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "common/check.h"
#include "receivers/gates_api.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace fettle;
  const Result<receivers::GateRequest> request =
      receivers::ParseGateRequest(std::string_view(reinterpret_cast<const char*>(data), size));
  if (!request) {
    FETTLE_CHECK(!request.error().message.empty());
    return 0;
  }
  FETTLE_CHECK(std::isfinite(request->estimate_usd) && request->estimate_usd >= 0);
  FETTLE_CHECK(request->estimate_usd <= receivers::Gates::kEstimateMaxUsd);
  FETTLE_CHECK(request->ttl >= Millis(0) && request->ttl <= receivers::Gates::kTtlMax);
  return 0;
}
