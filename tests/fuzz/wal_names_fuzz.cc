// The readers of names and descriptions in archives of the write-ahead log, over any bytes. Goal:
// what is read reads back the same, and nothing else happens.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "exporter/collectors/wal_names.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace fettle::exporter;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  constexpr std::uint64_t kSegment = 16 * 1024 * 1024;
  if (const auto name = ParseWalName(text);
      name && name->kind == WalKind::kSegment && name->segment < 256) {
    const auto again = ParseWalName(WalFileName(name->timeline, name->Number(kSegment), kSegment));
    if (!again || again->Number(kSegment) != name->Number(kSegment)) std::abort();
  }
  (void)ParseWalgSentinel(text);
  (void)ParseHistory(text);
  (void)ParseBarmanInfo(text);
  (void)ParsePgbackrestInfo(text);
  for (const char* file : {"a.gz", "a.zst", "a.lz4"}) (void)Unpacked(file, text);
  return 0;
}
