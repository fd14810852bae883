// Who asks, and whether they may: basic auth against bcrypt hashes, bearer tokens, and HMAC for the
// webhook. 401 is "who are you", 403 "not you", 429 "too many wrong passwords from your address".
//
// bcrypt costs tenths of a second by design, so it is paid once per password and not once per
// scrape: a password that was right is remembered (as a digest). Wrong ones are rate-limited per
// address; while an address is limited, only credentials that were right before are looked at.
// Signed webhooks are spared from that: a signature cannot be guessed, and alerts must come in.
//
// Safe from any thread. bcrypt runs on one thread at a time, so that a flood of logins costs one
// core and not all.
#pragma once

#include <map>
#include <mutex>
#include <set>
#include <string>
#include <string_view>

#include "common/clock.h"
#include "common/http.h"
#include "common/log.h"
#include "common/web_config.h"

namespace fettle {

class Authenticator {
 public:
  static constexpr std::size_t kRememberedMax = 100;
  static constexpr int kFailuresMax = 10;               // at once; then one more every
  static constexpr Millis kFailureEvery{6'000};         // so long
  static constexpr std::size_t kAddressesMax = 10'000;  // all further ones share one allowance
  static constexpr std::size_t kReplaysMax =
      16'384;  // within the tolerance; then signed webhooks are 503

  struct Verdict {
    enum class Kind { kAllowed, kNeedsBody, kRefused };
    Kind kind = Kind::kRefused;
    Identity identity;
    int status = 0;          // of a refusal: 401, 403, 429, 503
    std::string reason;      // of a refusal, for the metric: a few fixed words
    std::string replay_key;  // of a signed webhook
  };
  struct Deps {
    const Clock& clock;
    Log log;
  };
  // `config` must outlive it.
  Authenticator(Deps deps, const WebConfig& config);

  // What the headers say. kNeedsBody: read it and ask WithBody().
  Verdict BeforeBody(const HttpRequest& request, Role needed);
  Verdict WithBody(const HttpRequest& request);
  // A signed request that failed on our side (5xx) may be sent again with the same signature.
  void Finished(const Verdict& verdict, int status);

  // The answer to a refused request.
  HttpResponse Refusal(const Verdict& verdict) const;

 private:
  struct Allowance {
    double failures_left = kFailuresMax;
    BootTime at{};
  };
  Verdict CheckBasic(const HttpRequest& request, std::string_view encoded);
  Verdict CheckBearer(const HttpRequest& request, std::string_view token);
  bool VerifyPassword(const std::string& user, const std::string& password);
  bool IsRemembered(const std::string& digest);
  void Remember(const std::string& digest);
  bool IsLimited(const std::string& address);
  Verdict Failed(const std::string& address, std::string_view reason);
  Allowance& AllowanceOf(const std::string& address);  // REQUIRES: mutex_

  const Deps deps_;
  const WebConfig& config_;
  std::mutex bcrypt_mutex_;
  std::mutex mutex_;  // guards everything below
  std::set<std::string> remembered_;
  std::map<std::string, Allowance> allowances_;
  Allowance others_;
  std::map<std::string, Time> replays_;  // signature → until when it is remembered
  std::set<std::string> unreadable_;     // tokens whose file could not be read the last time
};

// True if a role covers what is needed: each includes the one before it, except webhook.
bool Covers(Role role, Role needed);

// "Basic dXNlcjpwYXNz" → the scheme in lower case and the rest; both "" if it is neither.
struct Authorization {
  std::string scheme;
  std::string credentials;
};
Authorization ParseAuthorization(std::string_view header);

}  // namespace fettle
