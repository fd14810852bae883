// Bodies of POST /webhook: whatever comes, it is read or refused, and what is read is bounded.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "common/check.h"
#include "receivers/intake.h"
#include "receivers/posting.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace fettle;
  const std::string_view body(reinterpret_cast<const char*>(data), size);
  const Time now = TimeFromMillis(1'767'225'600'000);
  Result<receivers::WebhookMessage> message = receivers::WebhookIntake::Read(body, now);
  if (!message) {
    FETTLE_CHECK(!message.error().message.empty());
    return 0;
  }
  FETTLE_CHECK(message->batch.alerts.size() <= receivers::WebhookIntake::kAlertsMax);
  // What is accepted is stored and read back as it was.
  const receivers::Checked checked =
      receivers::CheckAlerts(std::move(message->batch), receivers::PostingDefaults{}, now);
  const Result<receivers::Posting> again =
      receivers::DecodePosting(receivers::EncodePosting(checked.posting));
  FETTLE_CHECK(again.has_value());
  FETTLE_CHECK(again->alerts.size() == checked.posting.alerts.size());
  for (std::size_t i = 0; i < again->alerts.size(); ++i) {
    FETTLE_CHECK(again->alerts[i].alert.labels == checked.posting.alerts[i].alert.labels);
    FETTLE_CHECK(again->alerts[i].fingerprint == checked.posting.alerts[i].fingerprint);
  }
  return 0;
}
