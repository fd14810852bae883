#include "common/aws_credential_process.h"

#include <fstream>
#include <utility>

#include "common/duration.h"
#include "common/json.h"
#include "common/process.h"

namespace fettle {
namespace {

constexpr std::size_t kConfigBytesMax = 256 * 1024;
constexpr std::size_t kKeysBytesMax = 64 * 1024;
constexpr Millis kProcessTimeout{60'000};

std::string_view Stripped(std::string_view text) {
  constexpr std::string_view kBlanks = " \t\r";
  const std::size_t begin = text.find_first_not_of(kBlanks);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kBlanks) - begin + 1);
}

std::string ReadSome(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::string text(kConfigBytesMax, '\0');
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(in.gcount()));
  return text;
}

}  // namespace

std::string FindCredentialProcess(std::string_view text, std::string_view profile) {
  bool inside = false;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = Stripped(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.starts_with('[') && line.ends_with(']')) {
      std::string_view name = Stripped(line.substr(1, line.size() - 2));
      if (name.starts_with("profile ")) name = Stripped(name.substr(8));
      inside = name == profile;
      continue;
    }
    const std::size_t equals = line.find('=');
    if (inside && equals != std::string_view::npos &&
        Stripped(line.substr(0, equals)) == "credential_process") {
      return std::string(Stripped(line.substr(equals + 1)));
    }
  }
  return "";
}

Result<std::vector<std::string>> SplitCommand(std::string_view line) {
  std::vector<std::string> words;
  std::string word;
  bool begun = false;
  char quote = 0;
  for (const char c : line) {
    if (quote != 0) {
      if (c == quote) {
        quote = 0;
      } else {
        word += c;
      }
    } else if (c == '"' || c == '\'') {
      quote = c;
      begun = true;
    } else if (c == ' ' || c == '\t') {
      if (begun) words.push_back(std::exchange(word, {}));
      begun = false;
    } else {
      word += c;
      begun = true;
    }
  }
  if (quote != 0) return Fail(Cause::kInvalid, "a quote is not closed");
  if (begun) words.push_back(std::move(word));
  if (words.empty()) return Fail(Cause::kInvalid, "it names no program");
  return words;
}

Result<LentKeys> ReadProcessKeys(std::string_view text, Time now) {
  const Result<Json> json = Json::Parse(text, kKeysBytesMax);
  if (!json) return tl::unexpected(json.error());
  if ((*json)["Version"].IntegerOr(0) != 1) return Fail(Cause::kInvalid, "its Version is not 1");
  LentKeys lent{{(*json)["AccessKeyId"].StringOr(""), (*json)["SecretAccessKey"].StringOr(""),
                 (*json)["SessionToken"].StringOr("")},
                now + kProcessKeysKept};
  if (lent.keys.access_key_id.empty() || lent.keys.secret_access_key.empty()) {
    return Fail(Cause::kInvalid, "it holds no keys");
  }
  if (const auto expires = (*json)["Expiration"].String()) {
    const Result<Time> at = ParseRfc3339(*expires);
    if (!at) return While("its Expiration", at.error());
    if (*at <= now) return Fail(Cause::kDenied, "its keys have expired");
    lent.expires = *at;
  }
  return lent;
}

Result<LentKeys> AskCredentialProcess(const AwsGetenv& getenv, Time now) {
  const std::string home = getenv("HOME").value_or("");
  const std::string profile = getenv("AWS_PROFILE").value_or("default");
  const std::string files[] = {
      getenv("AWS_SHARED_CREDENTIALS_FILE").value_or(home + "/.aws/credentials"),
      getenv("AWS_CONFIG_FILE").value_or(home + "/.aws/config")};
  std::string line;
  for (const std::string& file : files) {
    if (line.empty()) line = FindCredentialProcess(ReadSome(file), profile);
  }
  if (line.empty()) return Fail(Cause::kNotFound, "no credential_process is named");
  Result<std::vector<std::string>> argv = SplitCommand(line);
  if (!argv) return While("reading credential_process", argv.error());
  const std::string program = argv->front();
  ProcessSpec spec{
      .argv = *std::move(argv), .timeout = kProcessTimeout, .output_bytes_max = kKeysBytesMax};
  for (const char* name : {"HOME", "AWS_PROFILE", "AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE",
                           "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_CA_BUNDLE"}) {
    if (const auto value = getenv(name)) spec.environment[name] = *value;
  }
  const Result<ProcessResult> ran = RunProcess(spec);
  if (!ran) return While("credential_process", ran.error());
  if (!ran->succeeded()) {
    return Fail(Cause::kDenied, "credential_process {}: {}", program, ran->Describe());
  }
  // Its output is never shown: it holds keys.
  Result<LentKeys> keys = ReadProcessKeys(ran->output, now);
  if (!keys) return While("what credential_process " + program + " printed", keys.error());
  return keys;
}

}  // namespace fettle
