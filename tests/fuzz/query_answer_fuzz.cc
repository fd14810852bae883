// What another server answers to a query. Goal: whatever it is, it is an answer or an error.
#include <cstdint>
#include <string_view>

#include "rules/remote_query.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  (void)fettle::rules::ReadQueryAnswer(std::string_view(reinterpret_cast<const char*>(data), size));
  return 0;
}
