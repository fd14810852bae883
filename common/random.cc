#include "common/random.h"

#include <fmt/format.h>
#include <sys/random.h>

#include "common/check.h"

namespace fettle {

std::string Random::Uuid() {
  const std::uint64_t high = (Next() & ~0xf000ULL) | 0x4000ULL;
  const std::uint64_t low = (Next() & ~(3ULL << 62)) | (2ULL << 62);
  return fmt::format("{:08x}-{:04x}-{:04x}-{:04x}-{:012x}", high >> 32, (high >> 16) & 0xffff,
                     high & 0xffff, low >> 48, low & 0xffff'ffff'ffffULL);
}

std::uint64_t SystemRandom::Next() {
  std::uint64_t value = 0;
  FETTLE_CHECK(getrandom(&value, sizeof value, 0) == sizeof value);
  return value;
}

}  // namespace fettle
