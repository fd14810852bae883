// Keys by a program that the shared files name (`credential_process`), as every AWS SDK runs it:
// awscli's SSO helpers, aws-vault, IAM Roles Anywhere. No shell: the words are the program's.
// Blocks for up to a minute; safe from any thread. Source:
// docs.aws.amazon.com/sdkref/latest/guide/feature-process-credentials.html
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/aws_lent_keys.h"
#include "common/clock.h"

namespace fettle {

// Keys that do not say when they expire are asked for again after this.
inline constexpr Millis kProcessKeysKept{3'600'000};

// kNotFound: neither AWS_SHARED_CREDENTIALS_FILE nor AWS_CONFIG_FILE (or where they are by default)
// names a program for AWS_PROFILE.
Result<LentKeys> AskCredentialProcess(const AwsGetenv& getenv, Time now);

// The value of a profile's `credential_process`; "" if there is none. In the config file a profile
// is [profile NAME], in the credentials file [NAME]; both know [default].
std::string FindCredentialProcess(std::string_view text, std::string_view profile);
// Words with blanks between them; "…" and '…' hold blanks. kInvalid for a quote that stays open.
Result<std::vector<std::string>> SplitCommand(std::string_view line);
// {"Version": 1, "AccessKeyId": …, "SecretAccessKey": …, "SessionToken": …, "Expiration": …}
Result<LentKeys> ReadProcessKeys(std::string_view json, Time now);

}  // namespace fettle
