// One S3 request and its tries: addressing, keys, signing, classes of failure, waits, metrics. The
// operations of common/s3.h are made of these. Safe from any thread.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "common/aws_credentials.h"
#include "common/s3.h"
#include "common/s3_retry.h"
#include "common/sigv4.h"

namespace fettle::s3 {

struct Call {
  std::string op = {};  // of fettle_s3_requests_total: a word of ours
  std::string method = "GET";
  std::string bucket = {};
  std::string key = {};  // "" is the bucket itself
  std::vector<std::pair<std::string, std::string>> query = {};
  Headers headers = {};
  std::string body = {};
  bool check_md5 = false;  // sends Content-MD5
  // A success's body goes here instead of into the response. What was handed over cannot be taken
  // back, so a body that breaks off is not asked for again.
  std::function<bool(std::string_view)> on_body = {};
  // Told the head of a success before its body.
  std::function<void(const HttpResponse&)> once_begun = {};
  // A second look at a 2xx: an ErrorBody with a code makes it a failure of that code.
  std::function<ErrorBody(const HttpResponse&)> inspect = {};
};

// The answer, and how many times it was asked for: after more than one, an earlier one may have
// been carried out although its answer was lost.
struct Answer {
  HttpResponse response;
  int tries = 1;
};
// The last try's failure. `code` is S3's own word, "" without an answer.
struct Failure {
  Error error;
  std::string code;
  int tries = 1;
};

class Client {
 public:
  Client(S3::Deps deps, std::string connection_name, S3Connection connection, S3::Options options);

  tl::expected<Answer, Failure> Do(Call call);

  // The n-th wait (from 1) of somebody who asks again himself; false if it is time to give up.
  bool Pause(int n);

  bool LastFailureWasThrottle() const { return last_was_throttle_; }
  std::optional<Millis> ClockSkew() const {
    return skew_seen_ ? std::optional(Millis(seen_skew_ms_)) : std::nullopt;
  }
  bool IsAws() const { return connection_.endpoint.empty(); }
  const S3Connection& connection() const { return connection_; }
  const S3::Deps& deps() const { return deps_; }
  // The address of an object, as it would be asked for now.
  std::string Url(const Call& call, const std::string& region) const;

 private:
  struct Try {
    Verdict verdict = Verdict::kPermanent;
    HttpResponse response;
    ErrorBody body;
    Error error;
  };
  Try Once(const Call& call, HttpRequest& request, const AwsCredentials& credentials,
           const std::string& payload_hash);
  HttpOptions OptionsFor(const Call& call, std::size_t body_bytes) const;
  void Count(const Call& call, const HttpResponse* response);
  void CountBytes(std::size_t sent, std::size_t received);
  std::string RegionFor(const std::string& bucket);
  void Remember(const std::string& bucket, const std::string& region);
  bool LearnSkew(const HttpResponse& response);
  bool Wait(Millis duration);

  const S3::Deps deps_;
  const std::string name_;
  const S3Connection connection_;
  const S3::Options options_;
  const AwsCredentialChain chain_;
  Sigv4 signer_{"s3"};
  std::atomic<bool> last_was_throttle_{false};
  std::atomic<std::int64_t> skew_ms_{0};       // theirs minus ours
  std::atomic<std::int64_t> seen_skew_ms_{0};  // of the newest answer
  std::atomic<bool> skew_seen_{false};
  std::mutex mutex_;  // guards the regions
  std::map<std::string, std::string> regions_;
};

// True if the bucket's name can be a host's and its certificate's wildcard covers it.
bool IsDnsSafe(std::string_view bucket);
// The key as a path: each byte but "/" and the unreserved ones percent-encoded.
std::string EncodeKey(std::string_view key);
// "Fri, 24 May 2013 00:00:00 GMT", or nullopt.
std::optional<Time> ParseHttpDate(std::string_view text);

}  // namespace fettle::s3
