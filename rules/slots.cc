#include "rules/slots.h"

#include <xxhash.h>

#include <string>

namespace fettle::rules {

Slots::Slots(std::string_view file, std::string_view group, Millis interval)
    : interval_(interval.count() * 1'000'000) {
  // The bytes of Prometheus 3's labels {file, name}: each text after its length.
  std::string bytes;
  for (const std::string_view text :
       {std::string_view("file"), file, std::string_view("name"), group}) {
    const std::size_t size = text.size();
    if (size < 255) {
      bytes += static_cast<char>(size);
    } else {
      bytes += '\xff';
      for (const unsigned shift : {0U, 8U, 16U}) bytes += static_cast<char>(size >> shift & 0xff);
    }
    bytes += text;
  }
  const std::uint64_t hash = XXH64(bytes.data(), bytes.size(), 0);
  offset_ = static_cast<Nanos>(hash % static_cast<std::uint64_t>(interval_));
}

Slots::Nanos Slots::AtOrBefore(Nanos now) const {
  const Nanos shifted = now - offset_;
  return shifted - shifted % interval_ + offset_;
}

Time Slots::ToTime(Nanos nanos) { return TimeFromMillis(nanos / 1'000'000); }

}  // namespace fettle::rules
