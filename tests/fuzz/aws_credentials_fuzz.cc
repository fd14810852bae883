// The shared credentials file over any bytes. Goal: a broken file costs a sentence.
#include <cstdint>
#include <string_view>

#include "common/aws_credential_process.h"
#include "common/aws_credentials.h"
#include "common/s3_client.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  (void)fettle::ReadSharedCredentials(text, "default");
  (void)fettle::s3::ParseHttpDate(text);
  (void)fettle::FindCredentialProcess(text, "default");
  (void)fettle::SplitCommand(text);
  (void)fettle::ReadProcessKeys(text, fettle::Time{});
  return 0;
}
