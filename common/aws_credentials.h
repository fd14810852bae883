// Where the keys for AWS come from, in AWS's own order: the configuration, the environment, a web
// identity, the shared credentials file, a program that the shared files name, the container's
// agent, the instance. What is on this
// machine is read again at every use, so that rotation needs no reload; what was lent is kept, and
// asked for again five minutes before it expires. If that fails, it serves until it has expired.
// Source: docs.aws.amazon.com/sdkref/latest/guide/standardized-credentials.html
#pragma once

#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "common/aws_lent_keys.h"
#include "common/clock.h"
#include "common/connections.h"
#include "common/http.h"
#include "common/result.h"
#include "common/sigv4.h"

namespace fettle {

// Safe from any thread; Get() may block for as long as its places take to answer.
class AwsCredentialChain {
 public:
  using Getenv = AwsGetenv;
  static constexpr std::size_t kFileBytesMax = 64 * 1024;
  static constexpr Millis kRenewBefore{300'000};
  // A place that did not answer is not asked again before.
  static constexpr Millis kAskAgain{30'000};
  // Where keys may be lent: without it, only what is on this machine is looked at.
  struct Lenders {
    HttpTransport& transport;
    const Clock& clock;
  };
  // An empty `getenv` is the process's.
  explicit AwsCredentialChain(const S3Connection& connection, Getenv getenv = {},
                              std::optional<Lenders> lenders = std::nullopt);

  // kDenied names every place that was looked at; never a key. `refused`: S3 did not take the last
  // ones, so that lent ones are asked for anew.
  Result<AwsCredentials> Get(bool refused = false) const;
  // When what was lent expires; nullopt for keys that do not.
  std::optional<Time> Expiry() const;

 private:
  Result<AwsCredentials> Configured() const;
  Result<AwsCredentials> Shared() const;
  Result<AwsCredentials> Borrowed(bool refused) const;
  Result<LentKeys> AskLenders() const;

  const Secret id_;
  const Secret secret_;
  const Secret token_;
  const std::string region_;
  const Getenv getenv_;
  const std::optional<Lenders> lenders_;
  mutable std::mutex mutex_;  // one thread asks, the others wait for its answer; guards the rest
  mutable std::optional<LentKeys> lent_;
  mutable std::optional<BootTime> failed_at_;
  mutable std::string failure_;
};

// One profile of the shared credentials file's text; kNotFound if it is not there or has no keys.
Result<AwsCredentials> ReadSharedCredentials(std::string_view text, std::string_view profile);

}  // namespace fettle
