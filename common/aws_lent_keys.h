// Keys that AWS lends for a while: by a web identity (EKS, CI), by the container's agent (ECS, EKS
// pod identity), by the instance's metadata service (IMDSv2). Each asks the network once; keeping
// and renewing is aws_credentials' business. Blocks; safe from any thread. Source:
// docs.aws.amazon.com/sdkref/latest/guide/standardized-credentials.html
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "common/clock.h"
#include "common/http.h"
#include "common/result.h"
#include "common/sigv4.h"

namespace fettle {

struct LentKeys {
  AwsCredentials keys;
  Time expires;
};

using AwsGetenv = std::function<std::optional<std::string>(const std::string& name)>;

// kNotFound from each: the environment does not speak of it (the instance: nobody answers there).
// Anything else is a failure of what the environment asks for, which a later place does not hide.

// AWS_WEB_IDENTITY_TOKEN_FILE and AWS_ROLE_ARN: the file is read at each call, the role is STS's.
Result<LentKeys> AskWebIdentity(HttpTransport& transport, const AwsGetenv& getenv,
                                const std::string& region);
// AWS_CONTAINER_CREDENTIALS_RELATIVE_URI or _FULL_URI. The full one must be https, or one of the
// addresses that are the machine's own: a token is sent there.
Result<LentKeys> AskContainer(HttpTransport& transport, const AwsGetenv& getenv);
// The metadata service, unless AWS_EC2_METADATA_DISABLED is true. Inside a container's bridge it
// answers only if the instance's hop limit is 2 or more.
Result<LentKeys> AskInstance(HttpTransport& transport, const AwsGetenv& getenv);

// STS's XML and the JSON of the others; kInvalid.
Result<LentKeys> ReadStsKeys(std::string_view xml);
Result<LentKeys> ReadJsonKeys(std::string_view json);

}  // namespace fettle
