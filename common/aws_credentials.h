// Where the keys for AWS come from, in AWS's own order: the configuration, the environment, the
// shared credentials file. Read again at every use, so that rotation needs no reload.
// Source: docs.aws.amazon.com/sdkref/latest/guide/standardized-credentials.html
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "common/connections.h"
#include "common/result.h"
#include "common/sigv4.h"

namespace fettle {

// Safe from any thread.
class AwsCredentialChain {
 public:
  using Getenv = std::function<std::optional<std::string>(const std::string& name)>;
  static constexpr std::size_t kFileBytesMax = 64 * 1024;
  // An empty `getenv` is the process's.
  explicit AwsCredentialChain(const S3Connection& connection, Getenv getenv = {});

  // kDenied names every place that was looked at; never a key.
  Result<AwsCredentials> Get() const;

 private:
  Result<AwsCredentials> Configured() const;

  const Secret id_;
  const Secret secret_;
  const Secret token_;
  const Getenv getenv_;
};

// One profile of the shared credentials file's text; kNotFound if it is not there or has no keys.
Result<AwsCredentials> ReadSharedCredentials(std::string_view text, std::string_view profile);

}  // namespace fettle
