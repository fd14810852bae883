// What is read as a manifest is written again so that it reads back the same, and names nothing
// outside its set. What is not is refused.
#include <cstdint>
#include <string>
#include <string_view>

#include "common/check.h"
#include "receivers/backups/manifest.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  namespace backups = fettle::receivers::backups;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto manifest = backups::ReadManifest(text);
  if (!manifest) return 0;
  FETTLE_CHECK(!manifest->objects.empty() && manifest->SizeBytes() >= 0);
  for (const backups::StoredObject& object : manifest->objects) {
    FETTLE_CHECK(object.name.find('/') == std::string::npos && !object.name.starts_with('.'));
  }
  const std::string once = backups::Write(*manifest);
  const auto again = backups::ReadManifest(once);
  FETTLE_CHECK(again && backups::Write(*again) == once);
  return 0;
}
