#include "common/aws_credentials.h"

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <utility>

#include "common/aws_credential_process.h"

namespace fettle {
namespace {

std::optional<std::string> OwnEnvironment(const std::string& name) {
  const char* value = std::getenv(name.c_str());
  return value == nullptr ? std::nullopt : std::optional<std::string>(value);
}

std::string_view Trim(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r";
  const std::size_t begin = text.find_first_not_of(kSpace);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kSpace) - begin + 1);
}

std::optional<std::string> ReadFile(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return std::nullopt;
  std::string text;
  text.resize(AwsCredentialChain::kFileBytesMax);
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(in.gcount()));
  return text;
}

}  // namespace

Result<AwsCredentials> ReadSharedCredentials(std::string_view text, std::string_view profile) {
  AwsCredentials found;
  bool inside = false;
  bool seen = false;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = Trim(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.empty() || line.front() == '#' || line.front() == ';') continue;
    if (line.front() == '[') {
      const std::size_t close = line.find(']');
      inside = close != std::string_view::npos && Trim(line.substr(1, close - 1)) == profile;
      seen = seen || inside;
      continue;
    }
    const std::size_t equals = line.find('=');
    if (!inside || equals == std::string_view::npos) continue;
    const std::string_view name = Trim(line.substr(0, equals));
    const std::string value(Trim(line.substr(equals + 1)));
    if (name == "aws_access_key_id") found.access_key_id = value;
    if (name == "aws_secret_access_key") found.secret_access_key = value;
    if (name == "aws_session_token") found.session_token = value;
  }
  if (!seen) return Fail(Cause::kNotFound, "it has no profile \"{}\"", profile);
  if (found.access_key_id.empty() || found.secret_access_key.empty()) {
    return Fail(Cause::kNotFound, "its profile \"{}\" has no keys", profile);
  }
  return found;
}

AwsCredentialChain::AwsCredentialChain(const S3Connection& connection, Getenv getenv,
                                       std::optional<Lenders> lenders)
    : id_(connection.access_key_id),
      secret_(connection.secret_access_key),
      token_(connection.session_token),
      region_(connection.region),
      getenv_(getenv ? std::move(getenv) : OwnEnvironment),
      lenders_(lenders) {}

Result<AwsCredentials> AwsCredentialChain::Configured() const {
  AwsCredentials credentials;
  const Result<std::string> id = id_.Reveal();
  if (!id) return While("reading access_key_id", id.error());
  const Result<std::string> secret = secret_.Reveal();
  if (!secret) return While("reading secret_access_key", secret.error());
  credentials.access_key_id = *id;
  credentials.secret_access_key = *secret;
  if (!token_.empty()) {
    const Result<std::string> token = token_.Reveal();
    if (!token) return While("reading session_token", token.error());
    credentials.session_token = *token;
  }
  return credentials;
}

Result<AwsCredentials> AwsCredentialChain::Get(bool refused) const {
  if (!id_.empty() || !secret_.empty()) return Configured();
  const std::string id = getenv_("AWS_ACCESS_KEY_ID").value_or("");
  const std::string secret = getenv_("AWS_SECRET_ACCESS_KEY").value_or("");
  if (!id.empty() && !secret.empty()) {
    return AwsCredentials{id, secret, getenv_("AWS_SESSION_TOKEN").value_or("")};
  }
  // A web identity comes before the shared file, the other lenders after it.
  const bool web_identity = getenv_("AWS_WEB_IDENTITY_TOKEN_FILE").has_value();
  if (lenders_ && web_identity) return Borrowed(refused);
  Result<AwsCredentials> shared = Shared();
  if (shared || !lenders_) return shared;
  Result<AwsCredentials> lent = Borrowed(refused);
  if (lent) return lent;
  return Fail(lent.error().retryable() ? lent.error().cause : Cause::kDenied, "{}; {}",
              shared.error().message, lent.error().message);
}

Result<AwsCredentials> AwsCredentialChain::Shared() const {
  const std::string home = getenv_("HOME").value_or("");
  const std::string file =
      getenv_("AWS_SHARED_CREDENTIALS_FILE").value_or(home + "/.aws/credentials");
  const std::string profile = getenv_("AWS_PROFILE").value_or("default");
  const std::optional<std::string> text = ReadFile(file);
  std::string why = "it cannot be read";
  if (text) {
    Result<AwsCredentials> found = ReadSharedCredentials(*text, profile);
    if (found) return found;
    why = found.error().message;
  }
  return Fail(
      Cause::kDenied,
      "no keys for S3: none are configured, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are "
      "not both set, and {}: {}",
      file, why);
}

Result<AwsCredentials> AwsCredentialChain::Borrowed(bool refused) const {
  const std::lock_guard lock(mutex_);
  const Moment now = lenders_->clock.Now();
  if (lent_ && !refused && now.wall + kRenewBefore < lent_->expires) return lent_->keys;
  const bool usable = lent_ && now.wall < lent_->expires;
  if (failed_at_ && now.boot < *failed_at_ + kAskAgain) {
    if (usable) return lent_->keys;
    return Fail(Cause::kUnavailable, "{}", failure_);
  }
  Result<LentKeys> asked = AskLenders();
  if (asked) {
    lent_ = *std::move(asked);
    failed_at_.reset();
    return lent_->keys;
  }
  failed_at_ = now.boot;
  failure_ = asked.error().message;
  if (usable) return lent_->keys;
  return tl::unexpected(asked.error());
}

Result<LentKeys> AwsCredentialChain::AskLenders() const {
  Result<LentKeys> lent = AskWebIdentity(lenders_->transport, getenv_, region_);
  if (lent || lent.error().cause != Cause::kNotFound) return lent;
  lent = AskCredentialProcess(getenv_, lenders_->clock.Now().wall);
  if (lent || lent.error().cause != Cause::kNotFound) return lent;
  lent = AskContainer(lenders_->transport, getenv_);
  if (lent || lent.error().cause != Cause::kNotFound) return lent;
  return AskInstance(lenders_->transport, getenv_);
}

std::optional<Time> AwsCredentialChain::Expiry() const {
  const std::lock_guard lock(mutex_);
  return lent_ ? std::optional(lent_->expires) : std::nullopt;
}

}  // namespace fettle
