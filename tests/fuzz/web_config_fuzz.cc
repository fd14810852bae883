// The web configuration over any bytes. Goal: it is read whole or complained about, and what was
// read lets nobody in by accident: no empty credential, no hash that is none.
#include <cstdint>
#include <string_view>

#include "common/check.h"
#include "common/web_config.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace fettle;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  yaml::Complaints complaints;
  const auto node =
      yaml::Load(text, "/etc/fettle/web.yml", complaints, {.expand_environment = false});
  if (!node) {
    FETTLE_CHECK(!complaints.empty());
    return 0;
  }
  const WebConfig config = ReadWebConfig(*node, complaints);
  for (const auto& [name, user] : config.users) {
    FETTLE_CHECK(!name.empty() && name.find(':') == std::string::npos);
    FETTLE_CHECK(user.bcrypt_hash.size() == 60);
  }
  for (const auto& [name, value] : config.headers) {
    FETTLE_CHECK(value.find_first_of("\r\n") == std::string::npos);
  }
  if (!complaints.empty()) return 0;
  for (const WebConfig::Token& token : config.tokens) FETTLE_CHECK(!token.token.empty());
  if (config.hmac) {
    FETTLE_CHECK(!config.hmac->secrets.empty());
    FETTLE_CHECK(!config.users.empty() || !config.tokens.empty());
  }
  if (config.tls) FETTLE_CHECK(!config.tls->cert_file.empty() && !config.tls->key_file.empty());
  return 0;
}
