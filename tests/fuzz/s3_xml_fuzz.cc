// The readers of S3's answers over any bytes. Goal: a server that lies costs an error.
#include <cstdint>
#include <string_view>

#include "common/s3_xml.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view xml(reinterpret_cast<const char*>(data), size);
  using namespace fettle::s3;
  (void)ReadError(xml);
  (void)ReadListPage(xml);
  (void)ReadUploadsPage(xml);
  (void)ReadUploadId(xml);
  (void)ReadCompletion(xml);
  (void)ReadVersioning(xml);
  return 0;
}
