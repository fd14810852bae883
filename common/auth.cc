#include "common/auth.h"

#include <crypt.h>

#include <algorithm>
#include <charconv>
#include <memory>
#include <optional>
#include <utility>

#include "common/digest.h"

namespace fettle {
namespace {

constexpr std::string_view kSignaturePrefix = "sha256=";
constexpr std::size_t kSignatureBytes = 32;
using Verdict = Authenticator::Verdict;

Verdict Refuse(int status, std::string_view reason) {
  Verdict verdict;
  verdict.status = status;
  verdict.reason = reason;
  return verdict;
}

Verdict Allow(std::string name, Role role) {
  Verdict verdict;
  verdict.kind = Verdict::Kind::kAllowed;
  verdict.identity = {std::move(name), role, true};
  return verdict;
}

// Equal length by digest, so that not even the length of a secret shows in the time.
bool SameSecret(std::string_view a, std::string_view b) {
  return EqualInConstantTime(Sha256(a), Sha256(b)) && !a.empty();
}

std::string DigestOf(std::string_view kind, std::string_view a, std::string_view b,
                     std::string_view c) {
  return Sha256(fmt::format("{}:{}:{}:{}{}{}", kind, a.size(), b.size(), a, b, c));
}

// The raw signature, or "" if the header holds none.
std::string ReadSignature(std::string_view header) {
  if (header.starts_with(kSignaturePrefix)) header.remove_prefix(kSignaturePrefix.size());
  const std::string bytes = FromHex(header);
  return bytes.size() == kSignatureBytes ? bytes : "";
}

std::optional<Time> ReadTimestamp(std::string_view text) {
  std::int64_t seconds = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  constexpr std::int64_t kSecondsMax = 100'000'000'000;  // the year 5138
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  if (seconds < 0 || seconds > kSecondsMax) return std::nullopt;
  return TimeFromMillis(seconds * 1000);
}

}  // namespace

bool Covers(Role role, Role needed) {
  if (needed == Role::kPublic || role == Role::kOperator) return true;
  return role == needed;
}

Authorization ParseAuthorization(std::string_view header) {
  const std::size_t space = header.find(' ');
  if (space == std::string_view::npos) return {};
  Authorization out;
  out.scheme = header.substr(0, space);
  std::transform(out.scheme.begin(), out.scheme.end(), out.scheme.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  header.remove_prefix(space);
  header.remove_prefix(std::min(header.size(), header.find_first_not_of(' ')));
  out.credentials = header.substr(0, header.find_last_not_of(' ') + 1);
  if (out.credentials.empty()) return {};
  return out;
}

Authenticator::Authenticator(Deps deps, const WebConfig& config)
    : deps_(std::move(deps)), config_(config) {}

Verdict Authenticator::BeforeBody(const HttpRequest& request, Role needed) {
  if (!config_.NeedsCredentials()) {
    Verdict everybody = Allow("", Role::kOperator);
    everybody.identity.authenticated = config_.HasAuthentication();  // by client certificate
    return everybody;
  }
  if (needed == Role::kPublic) {
    Verdict anybody = Allow("", Role::kPublic);
    anybody.identity.authenticated = false;
    return anybody;
  }
  if (!request.headers.Has("Authorization")) {
    if (needed == Role::kWebhook && config_.hmac && request.headers.Has(config_.hmac->header)) {
      Verdict later;
      later.kind = Verdict::Kind::kNeedsBody;
      return later;
    }
    return Refuse(401, "credentials_missing");
  }
  const Authorization given = ParseAuthorization(request.headers.Get("Authorization"));
  Verdict verdict;
  if (given.scheme == "basic" && !config_.users.empty()) {
    verdict = CheckBasic(request, given.credentials);
  } else if (given.scheme == "bearer" && !config_.tokens.empty()) {
    verdict = CheckBearer(request, given.credentials);
  } else {
    verdict = Refuse(401, "credentials_wrong");
  }
  if (verdict.kind == Verdict::Kind::kAllowed && !Covers(verdict.identity.role, needed)) {
    return Refuse(403, "role");
  }
  return verdict;
}

Verdict Authenticator::CheckBasic(const HttpRequest& request, std::string_view encoded) {
  const std::optional<std::string> decoded = FromBase64(encoded);
  const std::size_t colon = decoded ? decoded->find(':') : std::string::npos;
  if (colon == std::string::npos || decoded->find('\0') != std::string::npos) {
    return Failed(request.remote_address, "credentials_wrong");
  }
  const std::string name = decoded->substr(0, colon);
  const std::string password = decoded->substr(colon + 1);
  const auto user = config_.users.find(name);
  const bool known = user != config_.users.end();
  const std::string digest =
      known ? DigestOf("basic", user->second.bcrypt_hash, name, password) : std::string();
  if (known && IsRemembered(digest)) return Allow(name, user->second.role);
  if (IsLimited(request.remote_address)) return Refuse(429, "login_rate");
  if (!VerifyPassword(name, password)) return Failed(request.remote_address, "credentials_wrong");
  Remember(digest);
  return Allow(name, user->second.role);
}

bool Authenticator::VerifyPassword(const std::string& user, const std::string& password) {
  const auto found = config_.users.find(user);
  const bool known = found != config_.users.end();
  // Who has no account is compared with somebody's, so that the answer takes as long.
  const std::string& hash = (known ? found : config_.users.begin())->second.bcrypt_hash;
  const auto data = std::make_unique<crypt_data>();
  const std::lock_guard one_at_a_time(bcrypt_mutex_);
  const char* result = ::crypt_r(password.c_str(), hash.c_str(), data.get());
  return result != nullptr && EqualInConstantTime(result, hash) && known;
}

Verdict Authenticator::CheckBearer(const HttpRequest& request, std::string_view token) {
  const WebConfig::Token* match = nullptr;
  for (const WebConfig::Token& candidate : config_.tokens) {
    const Result<std::string> secret = candidate.token.Reveal();
    bool news = false;
    {
      const std::lock_guard lock(mutex_);
      news = secret ? unreadable_.erase(candidate.name) > 0
                    : unreadable_.insert(candidate.name).second;
    }
    if (news && !secret) {
      deps_.log.Warn("a token cannot be read and lets nobody in",
                     {{"token", candidate.name}, {"err", secret.error().message}});
    }
    if (secret && SameSecret(*secret, token)) match = &candidate;
  }
  const std::string digest = DigestOf("bearer", token, "", "");
  if (IsLimited(request.remote_address) && !IsRemembered(digest)) return Refuse(429, "login_rate");
  if (match == nullptr) return Failed(request.remote_address, "credentials_wrong");
  Remember(digest);
  return Allow(match->name, match->role);
}

Verdict Authenticator::WithBody(const HttpRequest& request) {
  const WebConfig::Hmac& hmac = *config_.hmac;
  const std::string signature = ReadSignature(request.headers.Get(hmac.header));
  const std::string_view stamp = request.headers.Get(hmac.timestamp_header);
  const std::optional<Time> sent = ReadTimestamp(stamp);
  if (signature.empty() || !sent) return Refuse(401, "signature_wrong");
  const Time now = deps_.clock.Now().wall;
  if (now - *sent > hmac.tolerance || *sent - now > hmac.tolerance) {
    return Refuse(401, "signature_old");
  }
  const std::string signed_text = fmt::format("{}.{}", stamp, request.body);
  bool good = false;
  for (const Secret& secret : hmac.secrets) {
    const Result<std::string> key = secret.Reveal();
    if (!key || key->empty()) continue;
    if (EqualInConstantTime(HmacSha256(*key, signed_text), signature)) good = true;
  }
  if (!good) return Refuse(401, "signature_wrong");
  Verdict verdict = Allow("hmac", Role::kWebhook);
  verdict.replay_key = signature;

  const std::lock_guard lock(mutex_);
  if (replays_.size() >= kReplaysMax) {
    std::erase_if(replays_, [&](const auto& entry) { return entry.second < now; });
  }
  const auto seen = replays_.find(signature);
  if (seen != replays_.end() && seen->second >= now) return Refuse(401, "signature_replayed");
  if (replays_.size() >= kReplaysMax) return Refuse(503, "signature_memory_full");
  replays_[signature] = *sent + hmac.tolerance;
  return verdict;
}

void Authenticator::Finished(const Verdict& verdict, int status) {
  if (verdict.replay_key.empty() || status < 500) return;
  const std::lock_guard lock(mutex_);
  replays_.erase(verdict.replay_key);
}

HttpResponse Authenticator::Refusal(const Verdict& verdict) const {
  switch (verdict.status) {
    case 401: {
      HttpResponse response = TextResponse(401, "credentials are missing or wrong\n");
      if (!config_.users.empty())
        response.headers.Add("WWW-Authenticate", "Basic realm=\"fettle\"");
      if (!config_.tokens.empty()) {
        response.headers.Add("WWW-Authenticate", "Bearer realm=\"fettle\"");
      }
      return response;
    }
    case 403:
      return TextResponse(403, "these credentials are not for this\n");
    case 429: {
      HttpResponse response = TextResponse(429, "too many failed logins from this address\n");
      response.headers.Set("Retry-After", std::to_string(kFailureEvery / std::chrono::seconds(1)));
      return response;
    }
    default: {
      HttpResponse response = TextResponse(503, "too many signed requests at once\n");
      response.headers.Set("Retry-After", "5");
      return response;
    }
  }
}

bool Authenticator::IsRemembered(const std::string& digest) {
  const std::lock_guard lock(mutex_);
  return remembered_.contains(digest);
}

void Authenticator::Remember(const std::string& digest) {
  const std::lock_guard lock(mutex_);
  // Digests are as good as random, so the first of them is anybody.
  if (remembered_.size() >= kRememberedMax) remembered_.erase(remembered_.begin());
  remembered_.insert(digest);
}

Authenticator::Allowance& Authenticator::AllowanceOf(const std::string& address) {
  const BootTime now = deps_.clock.Now().boot;
  const auto refilled = [now](Allowance allowance) {
    const auto passed = std::chrono::duration<double>(now - allowance.at);
    allowance.failures_left += passed / std::chrono::duration<double>(kFailureEvery);
    allowance.failures_left = std::min<double>(kFailuresMax, allowance.failures_left);
    allowance.at = now;
    return allowance;
  };
  const auto found = allowances_.find(address);
  if (found == allowances_.end() && allowances_.size() >= kAddressesMax) {
    std::erase_if(allowances_, [&](const auto& entry) {
      return refilled(entry.second).failures_left >= kFailuresMax;
    });
    if (allowances_.size() >= kAddressesMax) return others_ = refilled(others_);
  }
  const auto [entry, fresh] = allowances_.try_emplace(address);
  if (fresh) entry->second.at = now;
  return entry->second = refilled(entry->second);
}

bool Authenticator::IsLimited(const std::string& address) {
  const std::lock_guard lock(mutex_);
  return AllowanceOf(address).failures_left < 1;
}

Verdict Authenticator::Failed(const std::string& address, std::string_view reason) {
  const std::lock_guard lock(mutex_);
  Allowance& allowance = AllowanceOf(address);
  if (allowance.failures_left < 1) return Refuse(429, "login_rate");
  allowance.failures_left -= 1;
  return Refuse(401, reason);
}

}  // namespace fettle
