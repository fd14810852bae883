#include "common/s3_retry.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

namespace fettle::s3 {
namespace {

template <std::size_t N>
bool IsOneOf(std::string_view code, const std::array<std::string_view, N>& codes) {
  return std::find(codes.begin(), codes.end(), code) != codes.end();
}

constexpr std::array<std::string_view, 9> kThrottles = {"SlowDown",
                                                        "ServiceUnavailable",
                                                        "Throttling",
                                                        "ThrottlingException",
                                                        "RequestLimitExceeded",
                                                        "TooManyRequests",
                                                        "RequestThrottled",
                                                        "TooManyRequestsException",
                                                        "BandwidthLimitExceeded"};
constexpr std::array<std::string_view, 7> kTransients = {
    "InternalError",     "RequestTimeout", "IncompleteBody",
    "OperationTimedOut", "BadDigest",      "XAmzContentSHA256Mismatch",
    "ServerBusy"};
constexpr std::array<std::string_view, 5> kStaleKeys = {"ExpiredToken", "ExpiredTokenException",
                                                        "InvalidAccessKeyId", "InvalidToken",
                                                        "TokenRefreshRequired"};
constexpr std::array<std::string_view, 2> kConflicts = {"OperationAborted",
                                                        "ConditionalRequestConflict"};

Cause CauseOf(int status, std::string_view code) {
  if (code == "QuotaExceeded" || code == "EntityTooLarge") return Cause::kLimit;
  if (status == 404) return Cause::kNotFound;
  if (status == 401 || status == 403 || IsOneOf(code, kStaleKeys)) return Cause::kDenied;
  if (status == 409 || status == 412) return Cause::kConflict;
  if (status == 408 || status == 504) return Cause::kTimeout;
  if (status == 501) return Cause::kInvalid;
  if (status == 429 || status >= 500) return Cause::kUnavailable;
  if (status >= 400) return Cause::kInvalid;
  return Cause::kFailed;
}

// Only whole seconds; a date is of no use while our clock may be wrong.
Millis RetryAfter(const HttpResponse& response) {
  const std::string_view text = response.headers.Get("Retry-After");
  int seconds = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (error != std::errc{} || end != text.data() + text.size() || seconds < 0) return Millis(0);
  return std::chrono::seconds(std::min(seconds, 60));
}

}  // namespace

std::string RegionOf(const HttpResponse& response, const ErrorBody& error) {
  std::string region(response.headers.Get("x-amz-bucket-region"));
  if (region.empty()) region = error.region;
  // It becomes part of a host's name: nothing else may come in by it.
  const bool plausible =
      !region.empty() && region.size() <= 40 &&
      region.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-") == std::string::npos;
  return plausible ? region : "";
}

Verdict Classify(const HttpResponse& response, const ErrorBody& error) {
  const int status = response.status;
  const std::string& code = error.code;
  if (status >= 200 && status < 300 && code.empty()) return Verdict::kOk;
  if (IsOneOf(code, kThrottles) || status == 429 || status == 503) return Verdict::kThrottle;
  if (IsOneOf(code, kTransients) || status == 408 || (status >= 500 && status != 501))
    return Verdict::kTransient;
  if (code == "RequestTimeTooSkewed") return Verdict::kClock;
  if (IsOneOf(code, kStaleKeys)) return Verdict::kCredentials;
  if (IsOneOf(code, kConflicts)) return Verdict::kConflict;
  const bool elsewhere = status == 301 || status == 307 || code == "AuthorizationHeaderMalformed" ||
                         code == "PermanentRedirect" || code == "TemporaryRedirect" ||
                         // HEAD has no body: the header tells, where the keys may go in at all.
                         (status == 400 && code.empty());
  if (elsewhere && !RegionOf(response, error).empty()) return Verdict::kRegion;
  return Verdict::kPermanent;
}

Verdict Classify(const Error& error) {
  return error.retryable() ? Verdict::kTransient : Verdict::kPermanent;
}

Error ToError(const HttpResponse& response, const ErrorBody& error) {
  std::string text = error.code.empty() ? fmt::format("status {}", response.status)
                                        : fmt::format("{} ({})", error.code, response.status);
  if (!error.message.empty()) {
    // A server's own words: one line of them.
    std::string words = error.message.substr(0, 300);
    std::replace_if(
        words.begin(), words.end(), [](char c) { return c >= 0 && c < ' '; }, ' ');
    text += ": " + words;
  }
  return Error{std::move(text), CauseOf(response.status, error.code)};
}

Millis Backoff(Verdict verdict, int n, double unit, const HttpResponse& response) {
  const bool throttled = verdict == Verdict::kThrottle;
  const double base_ms = throttled ? 1'000 : 200;
  const double cap_ms = throttled ? 60'000 : 20'000;
  const double most = std::min(cap_ms, base_ms * std::exp2(n - 1));
  return std::max(Millis(static_cast<Millis::rep>(unit * most)), RetryAfter(response));
}

}  // namespace fettle::s3
