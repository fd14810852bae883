#include "common/footprint.h"

#include <malloc.h>
#include <sys/mman.h>

#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <string>
#include <string_view>

namespace fettle {

void GiveBackMemory() {
  malloc_trim(0);
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    std::uintptr_t begin = 0;
    std::uintptr_t end = 0;
    char mode[5] = "";
    // Only code in files: it is never written, not even by the loader, so the file has all of it.
    if (std::sscanf(line.c_str(), "%" SCNxPTR "-%" SCNxPTR " %4s", &begin, &end, mode) != 3) {
      continue;
    }
    if (std::string_view(mode) != "r-xp" || line.find(" /") == std::string::npos) continue;
    // What cannot be given back stays; nothing else depends on it.
    (void)madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
  }
}

}  // namespace fettle
