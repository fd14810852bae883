// Bodies of POST /api/fettle/v1/events: read or refused, and what is read is stored and read back
// as it was.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "common/check.h"
#include "receivers/event.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace fettle;
  const Time now = TimeFromMillis(1'767'225'600'000);
  const Result<receivers::Event> event =
      receivers::ParseEvent(std::string_view(reinterpret_cast<const char*>(data), size), now);
  if (!event) {
    FETTLE_CHECK(!event.error().message.empty());
    return 0;
  }
  FETTLE_CHECK(event->labels.size() <= receivers::Event::kLabelsMax);
  const Result<receivers::Event> again = receivers::ParseEvent(receivers::EncodeEvent(*event), now);
  FETTLE_CHECK(again.has_value());
  FETTLE_CHECK(*again == *event);
  FETTLE_CHECK(!receivers::Describe(*event).empty());
  return 0;
}
