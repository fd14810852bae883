// What anybody may post to /api/v1/write, after snappy. Goal: a message that is none costs an
// error, never a crash, and little more memory than it is long.
#include <cstdint>
#include <string_view>

#include "rules/remote_write_message.h"
#include "rules/samples/samples.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto read = fettle::rules::ReadRemoteWriteMessage(
      std::string_view(reinterpret_cast<const char*>(data), size));
  if (!read) return 0;
  fettle::rules::SampleStore store({.series_max = 100});
  (void)store.Write(read->batch, {});
  (void)store.Write(read->batch, {});
  return 0;
}
