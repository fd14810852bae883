// Signs requests to AWS and to what speaks its protocol: Signature Version 4 in the Authorization
// header, byte for byte as AWS's own libraries do.
// Source: docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
#pragma once

#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <tuple>

#include "common/clock.h"
#include "common/http.h"

namespace fettle {

struct AwsCredentials {
  std::string access_key_id;
  std::string secret_access_key;
  std::string session_token;  // "" for long-lived keys
  bool operator==(const AwsCredentials&) const = default;
};

// For one service ("s3", "ce", "sts"). Keeps the keys it derived today. Safe from any thread.
class Sigv4 {
 public:
  static constexpr std::string_view kUnsignedPayload = "UNSIGNED-PAYLOAD";
  static constexpr std::size_t kKeysMax = 64;  // derived keys kept; then all are forgotten

  explicit Sigv4(std::string service) : service_(std::move(service)) {}

  // Adds host's companions to the request: x-amz-date, x-amz-security-token, for S3
  // x-amz-content-sha256, and authorization over all of its headers. The URL must be absolute and
  // percent-encoded as it is sent: for S3 that is PercentEncode() of each part of the path; names
  // and values of the query likewise, in any order, with or without "=".
  void Sign(HttpRequest& request, const AwsCredentials& credentials, std::string_view region,
            Time now, std::string_view payload_sha256_hex);

  // The steps, for tests and for whoever asks why a signature does not match.
  std::string CanonicalRequest(const HttpRequest& request,
                               std::string_view payload_sha256_hex) const;

 private:
  std::string SigningKey(const AwsCredentials& credentials, std::string_view date,
                         std::string_view region);

  const std::string service_;
  std::mutex mutex_;
  std::map<std::tuple<std::string, std::string, std::string>, std::string> keys_;
};

// "20130524T000000Z", as x-amz-date wants it.
std::string AwsDate(Time now);

}  // namespace fettle
