#include "common/aws_lent_keys.h"

#include <algorithm>
#include <array>
#include <fstream>

#include "common/duration.h"
#include "common/json.h"

namespace fettle {
namespace {

constexpr std::size_t kAnswerBytesMax = 64 * 1024;
constexpr std::size_t kTokenBytesMax = 64 * 1024;
constexpr Millis kTimeout{10'000};
// A machine that is no instance has nobody at that address; nobody waits for long to learn it.
constexpr Millis kInstanceTimeout{1'000};

std::string Value(const AwsGetenv& getenv, const std::string& name) {
  return getenv(name).value_or("");
}

Result<std::string> ReadToken(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return Fail(Cause::kDenied, "the token {} cannot be read", path);
  std::string token(kTokenBytesMax, '\0');
  in.read(token.data(), static_cast<std::streamsize>(token.size()));
  token.resize(static_cast<std::size_t>(in.gcount()));
  while (!token.empty() && (token.back() == '\n' || token.back() == '\r')) token.pop_back();
  if (token.empty() || token.find_first_of("\r\n") != std::string::npos) {
    return Fail(Cause::kDenied, "{} holds no token", path);
  }
  return token;
}

// A 200's body; other answers say nothing more than their status, because keys may be in them.
Result<std::string> Fetch(HttpTransport& transport, const HttpRequest& request, Millis timeout) {
  const Result<HttpResponse> response =
      transport.Send(request, {.timeout = timeout,
                               .connect_timeout = std::min(timeout, kInstanceTimeout),
                               .body_bytes_max = kAnswerBytesMax,
                               .secret_url = true});
  if (!response) return tl::unexpected(response.error());
  if (response->status == 200) return response->body;
  const Cause cause =
      response->status == 429 || response->status >= 500 ? Cause::kUnavailable : Cause::kDenied;
  return Fail(cause, "it answered {}", response->status);
}

// The text between <name> and </name>; keys and times have nothing in them to decode.
std::string Element(std::string_view xml, const std::string& name) {
  const std::size_t begin = xml.find("<" + name + ">");
  if (begin == std::string_view::npos) return "";
  const std::size_t at = begin + name.size() + 2;
  const std::size_t end = xml.find("</" + name + ">", at);
  return end == std::string_view::npos ? "" : std::string(xml.substr(at, end - at));
}

Result<LentKeys> Checked(LentKeys lent, const std::string& expires) {
  if (lent.keys.access_key_id.empty() || lent.keys.secret_access_key.empty() ||
      lent.keys.session_token.empty()) {
    return Fail(Cause::kInvalid, "the answer lacks a key or a token");
  }
  const Result<Time> at = ParseRfc3339(expires);
  if (!at) return Fail(Cause::kInvalid, "the answer does not say when its keys expire");
  lent.expires = *at;
  return lent;
}

// Whether a token may be sent there without TLS.
bool IsOwnMachine(const std::string& url) {
  constexpr std::array<std::string_view, 6> kOwn = {
      "http://127.0.0.1",     "http://localhost",      "http://[::1]",
      "http://169.254.170.2", "http://169.254.170.23", "http://[fd00:ec2::23]"};
  return std::any_of(kOwn.begin(), kOwn.end(), [&](std::string_view own) {
    if (!url.starts_with(own)) return false;
    const char next = url.size() > own.size() ? url[own.size()] : '/';
    return next == '/' || next == ':' || next == '?';
  });
}

}  // namespace

Result<LentKeys> ReadStsKeys(std::string_view xml) {
  LentKeys lent;
  lent.keys = {Element(xml, "AccessKeyId"), Element(xml, "SecretAccessKey"),
               Element(xml, "SessionToken")};
  return Checked(std::move(lent), Element(xml, "Expiration"));
}

Result<LentKeys> ReadJsonKeys(std::string_view json) {
  const Result<Json> parsed = Json::Parse(json, kAnswerBytesMax);
  if (!parsed) return Fail(Cause::kInvalid, "the answer is no JSON");
  const std::string code = (*parsed)["Code"].StringOr("Success");
  if (code != "Success") return Fail(Cause::kDenied, "it says that its code is not Success");
  LentKeys lent;
  lent.keys = {(*parsed)["AccessKeyId"].StringOr(""), (*parsed)["SecretAccessKey"].StringOr(""),
               (*parsed)["Token"].StringOr("")};
  return Checked(std::move(lent), (*parsed)["Expiration"].StringOr(""));
}

Result<LentKeys> AskWebIdentity(HttpTransport& transport, const AwsGetenv& getenv,
                                const std::string& region) {
  const std::string file = Value(getenv, "AWS_WEB_IDENTITY_TOKEN_FILE");
  const std::string role = Value(getenv, "AWS_ROLE_ARN");
  if (file.empty() || role.empty()) return Fail(Cause::kNotFound, "there is no web identity");
  const Result<std::string> token = ReadToken(file);
  if (!token) return While("assuming a role by web identity", token.error());
  std::string session = Value(getenv, "AWS_ROLE_SESSION_NAME");
  if (session.empty()) session = "fettle";
  std::string url = Value(getenv, "AWS_ENDPOINT_URL_STS");
  if (url.empty()) {
    url = fmt::format("https://sts.{}.amazonaws.com{}", region,
                      region.starts_with("cn-") ? ".cn" : "");
  }
  HttpRequest request{.method = "POST", .url = url + "/"};
  request.headers.Set("Content-Type", "application/x-www-form-urlencoded");
  request.body =
      "Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleArn=" + PercentEncode(role) +
      "&RoleSessionName=" + PercentEncode(session) + "&WebIdentityToken=" + PercentEncode(*token);
  const Result<std::string> answer = Fetch(transport, request, kTimeout);
  if (!answer) return While("assuming a role by web identity", answer.error());
  Result<LentKeys> lent = ReadStsKeys(*answer);
  if (!lent) return While("assuming a role by web identity", lent.error());
  return lent;
}

Result<LentKeys> AskContainer(HttpTransport& transport, const AwsGetenv& getenv) {
  const std::string relative = Value(getenv, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
  std::string url = Value(getenv, "AWS_CONTAINER_CREDENTIALS_FULL_URI");
  if (!relative.empty()) {
    url = "http://169.254.170.2" + (relative.starts_with('/') ? relative : "/" + relative);
  }
  if (url.empty()) return Fail(Cause::kNotFound, "there is no container agent");
  if (!url.starts_with("https://") && !IsOwnMachine(url)) {
    return Fail(Cause::kDenied,
                "AWS_CONTAINER_CREDENTIALS_FULL_URI is neither https nor of this machine");
  }
  HttpRequest request{.url = url};
  const std::string file = Value(getenv, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
  std::string token = Value(getenv, "AWS_CONTAINER_AUTHORIZATION_TOKEN");
  if (!file.empty()) {
    const Result<std::string> read = ReadToken(file);
    if (!read) return While("asking the container's agent for keys", read.error());
    token = *read;
  }
  if (!token.empty()) request.headers.Set("Authorization", token);
  const Result<std::string> answer = Fetch(transport, request, kTimeout);
  if (!answer) return While("asking the container's agent for keys", answer.error());
  Result<LentKeys> lent = ReadJsonKeys(*answer);
  if (!lent) return While("asking the container's agent for keys", lent.error());
  return lent;
}

Result<LentKeys> AskInstance(HttpTransport& transport, const AwsGetenv& getenv) {
  if (Value(getenv, "AWS_EC2_METADATA_DISABLED") == "true") {
    return Fail(Cause::kNotFound, "the metadata service is disabled");
  }
  std::string base = Value(getenv, "AWS_EC2_METADATA_SERVICE_ENDPOINT");
  if (base.empty()) base = "http://169.254.169.254";
  while (base.ends_with('/')) base.pop_back();
  HttpRequest ask{.method = "PUT", .url = base + "/latest/api/token"};
  ask.headers.Set("X-aws-ec2-metadata-token-ttl-seconds", "21600");
  Result<std::string> token = Fetch(transport, ask, kInstanceTimeout);
  if (!token && token.error().retryable()) token = Fetch(transport, ask, kInstanceTimeout);
  if (!token) return Fail(Cause::kNotFound, "the metadata service: {}", token.error().message);
  const std::string path = base + "/latest/meta-data/iam/security-credentials/";
  HttpRequest role{.url = path};
  role.headers.Set("X-aws-ec2-metadata-token", *token);
  const Result<std::string> name = Fetch(transport, role, kTimeout);
  if (!name) return While("asking the instance for its role", name.error());
  HttpRequest keys{.url = path + PercentEncode(name->substr(0, name->find('\n')))};
  keys.headers.Set("X-aws-ec2-metadata-token", *token);
  const Result<std::string> answer = Fetch(transport, keys, kTimeout);
  if (!answer) return While("asking the instance for keys", answer.error());
  Result<LentKeys> lent = ReadJsonKeys(*answer);
  if (!lent) return While("asking the instance for keys", lent.error());
  return lent;
}

}  // namespace fettle
