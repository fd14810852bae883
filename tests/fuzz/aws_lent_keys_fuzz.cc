// Answers of those who lend keys: what is taken has every part, and nothing makes the reader fall.
#include <cstdint>
#include <string_view>

#include "common/aws_lent_keys.h"
#include "common/check.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  for (const auto& keys : {fettle::ReadJsonKeys(text), fettle::ReadStsKeys(text)}) {
    if (!keys) continue;
    FETTLE_CHECK(!keys->keys.access_key_id.empty() && !keys->keys.secret_access_key.empty() &&
                 !keys->keys.session_token.empty());
  }
  return 0;
}
