// Credentials as a stranger sends them: four lines are the headers Authorization,
// X-Fettle-Signature and X-Fettle-Timestamp and the beginning of the body. Goal: only the right
// ones open a door, whatever surrounds them.
#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "common/auth.h"
#include "common/check.h"
#include "common/digest.h"
#include "tests/support/manual_clock.h"
#include "tests/support/recorded_log.h"

namespace fettle {
namespace {

WebConfig Config() {
  WebConfig config;
  // The password is "right"; bcrypt at its cheapest.
  config.users["admin"].bcrypt_hash =
      "$2b$04$abcdefghijklmnopqrstuuFmEfrkTQnczNzw475xE2VhDrK1uwJiC";
  config.tokens.push_back({"reader", Secret::FromText("r-token"), Role::kRead});
  WebConfig::Hmac hmac;
  hmac.secrets.push_back(Secret::FromText("the key"));
  config.hmac = std::move(hmac);
  return config;
}

void Try(const std::array<std::string_view, 4>& lines) {
  static const WebConfig config = Config();
  static ManualClock clock;
  static RecordedLog log;
  Authenticator doors({clock, log.For("auth")}, config);
  HttpRequest request;
  request.remote_address = "192.0.2.1";
  if (!lines[0].empty()) request.headers.Set("Authorization", lines[0]);
  request.headers.Set("X-Fettle-Signature", lines[1]);
  request.headers.Set("X-Fettle-Timestamp", lines[2]);
  request.body = lines[3];

  const Authorization given = ParseAuthorization(lines[0]);
  FETTLE_CHECK(given.scheme.size() + given.credentials.size() <= lines[0].size());
  FETTLE_CHECK(given.scheme.empty() == given.credentials.empty() || given.scheme.empty());
  for (const Role needed : {Role::kRead, Role::kWebhook, Role::kOperator}) {
    const Authenticator::Verdict verdict = doors.BeforeBody(request, needed);
    using Kind = Authenticator::Verdict::Kind;
    if (verdict.kind == Kind::kAllowed) {
      const bool admin = given.scheme == "basic" && FromBase64(given.credentials) == "admin:right";
      const bool reader = given.scheme == "bearer" && given.credentials == "r-token";
      FETTLE_CHECK(admin || (reader && needed == Role::kRead));
    } else if (verdict.kind == Kind::kRefused) {
      FETTLE_CHECK(verdict.status == 401 || verdict.status == 403 || verdict.status == 429);
      FETTLE_CHECK(doors.Refusal(verdict).status == verdict.status);
    } else {
      FETTLE_CHECK(needed == Role::kWebhook && lines[0].empty());
    }
  }
  const Authenticator::Verdict signed_by = doors.WithBody(request);
  if (signed_by.kind != Authenticator::Verdict::Kind::kAllowed) return;
  const std::string stamp(lines[2]);
  const std::string right = HmacSha256("the key", stamp + "." + request.body);
  std::string_view hex = lines[1];
  if (hex.starts_with("sha256=")) hex.remove_prefix(7);
  FETTLE_CHECK(FromHex(hex) == right);
  FETTLE_CHECK(doors.WithBody(request).reason == "signature_replayed");
}

}  // namespace
}  // namespace fettle

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  std::array<std::string_view, 4> lines;
  for (std::size_t i = 0; i + 1 < lines.size(); ++i) {
    lines[i] = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(rest.size(), lines[i].size() + 1));
  }
  lines[3] = rest;
  fettle::Try(lines);
  return 0;
}
