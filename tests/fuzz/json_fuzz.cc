// What is JSON is written again so that it reads back the same; what is not is refused. Any text
// becomes a valid string.
#include <cstdint>
#include <string>
#include <string_view>

#include "common/check.h"
#include "common/json.h"
#include "common/labels.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const fettle::Result<fettle::Json> json = fettle::Json::Parse(text, 1 << 20); json) {
    const std::string once = json->Dump();
    const fettle::Result<fettle::Json> again = fettle::Json::Parse(once);
    FETTLE_CHECK(again.has_value());
    // "-0" loses its sign on the way; after that nothing changes.
    const std::string twice = again->Dump();
    const fettle::Result<fettle::Json> third = fettle::Json::Parse(twice);
    FETTLE_CHECK(third && third->Dump() == twice);
    std::size_t members = 0;
    for (const auto& [key, value] : json->Entries()) {
      FETTLE_CHECK(fettle::IsUtf8(key) && value.exists());
      FETTLE_CHECK((*json)[key].exists());
      ++members;
    }
    for (const fettle::Json& item : json->Items()) {
      FETTLE_CHECK(item.exists());
      ++members;
    }
    FETTLE_CHECK(members == 0 || json->IsObject() || json->IsArray());
    static_cast<void>(json->Integer());
    static_cast<void>(json->Number());
  }
  for (const bool escape_html : {false, true}) {
    const std::string written =
        fettle::JsonWriter({.escape_html = escape_html}).String(text).Take();
    const fettle::Result<fettle::Json> back = fettle::Json::Parse(written);
    FETTLE_CHECK(back && back->IsString());
    if (fettle::IsUtf8(text)) FETTLE_CHECK(back->String() == text);
  }
  return 0;
}
