// RespReader over any bytes, in pieces whose size the first byte chooses. Goal: a Redis that is
// none (or a malicious one) costs an error, never a crash or more memory than the bound.
#include <algorithm>
#include <cstdint>
#include <cstring>

#include "common/resp.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::size_t piece = 1 + data[0];
  std::size_t at = 0;
  fettle::RespReader reader([&](char* buffer, std::size_t room) -> fettle::Result<std::size_t> {
    const std::size_t count = std::min({piece, room, size - at});
    std::memcpy(buffer, data + at, count);
    at += count;
    return count;
  });
  for (;;) {
    const auto reply = reader.Next();
    if (!reply && reply.error().cause != fettle::Cause::kFailed) return 0;
  }
}
