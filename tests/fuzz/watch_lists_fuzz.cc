// The readers of what backup tools print, over any bytes. Goal: a tool that lies costs an error.
#include <cstdint>
#include <string_view>

#include "exporter/collectors/watch_lists.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data + 1), size - 1);
  const auto tool = static_cast<fettle::exporter::BackupTool>(data[0] % 5);
  (void)fettle::exporter::ReadToolList(tool, text, "main");
  return 0;
}
