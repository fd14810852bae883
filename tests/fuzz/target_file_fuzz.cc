// Files of file_sd_configs. Goal: whatever stands there is targets or an error.
#include <cstdint>
#include <string_view>

#include "common/discovery.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  (void)fettle::ReadTargetFile(std::string_view(reinterpret_cast<const char*>(data), size), "file");
  return 0;
}
