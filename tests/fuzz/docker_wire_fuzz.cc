// Everything an engine answers with; the first byte says as what it is read. Goal: an engine, or a
// proxy before it, that lies costs an error, never a crash or more memory than the bounds.
#include <cstdint>
#include <string_view>

#include "common/check.h"
#include "common/docker_wire.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] % 6) {
    case 0:
      if (const auto container = fettle::docker::ParseInspect(text); container) {
        FETTLE_CHECK(!container->id.empty());
        FETTLE_CHECK(container->last_health_output.size() <= fettle::docker::kHealthOutputMax);
      }
      return 0;
    case 1:
      (void)fettle::docker::ParseIds(text);
      return 0;
    case 2:
      (void)fettle::docker::ParseStats(text);
      return 0;
    case 3: {
      fettle::docker::JsonLines lines;
      for (std::size_t at = 0; at < text.size(); at += 7) {
        lines.Feed(text.substr(at, 7), [](std::string_view line) {
          if (const auto event = fettle::docker::ParseEvent(line); event) {
            FETTLE_CHECK(event->at_ns >= 0);
          }
        });
      }
      return 0;
    }
    case 4: {
      fettle::docker::LogTail tail(64);
      for (std::size_t at = 0; at < text.size(); at += 5) tail.Feed(text.substr(at, 5));
      FETTLE_CHECK(tail.Take().size() <= 64);
      return 0;
    }
    default:
      FETTLE_CHECK(fettle::docker::ErrorText(text).size() <= 300);
      return 0;
  }
}
