// The signer against botocore, AWS's own library. Goal: the same Authorization header, byte for
// byte, for thousands of requests nobody thought of.
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>

#include "common/digest.h"
#include "common/json.h"
#include "common/sigv4.h"
#include "tests/support/child.h"
#include "tests/support/seeded_random.h"
#include "tests/support/temp_dir.h"

namespace fettle {
namespace {

constexpr int kRequests = 5'000;
const std::string kScript = std::string(FETTLE_SOURCE) + "/tests/support/botocore_sign.py";

struct Case {
  std::string service;
  std::string region;
  HttpRequest request;
  std::string payload_hash;
  AwsCredentials credentials;
  Time now;
};

class Dice {
 public:
  explicit Dice(std::uint64_t seed) : random_(seed) {}
  std::size_t Roll(std::size_t sides) { return static_cast<std::size_t>(random_.Next() % sides); }
  std::string Text(std::size_t length_max) {
    // What keys are made of, and what signers stumble over.
    static const std::vector<std::string> kPieces = {
        "a", "Z", "0", "-",  "_", ".", "~",    "/",  "//", " ",   "+",
        "%", "=", "&", "?",  "#", "ä", "日本", "<",  ">",  "\"",  "'",
        "(", ")", "*", "!",  "$", ",", ";",    ":",  "@",  "[",   "]",
        "{", "}", "|", "\\", "^", "`", "\t",   "..", "./", "%2F", "\xf0\x9f\x92\xbe"};
    std::string text;
    for (std::size_t i = Roll(length_max + 1); i > 0; --i) text += kPieces[Roll(kPieces.size())];
    return text;
  }

 private:
  SeededRandom random_;
};

std::string EncodedPath(const std::string& key) {
  std::string out;
  for (const char c : key) out += c == '/' ? "/" : PercentEncode(std::string_view(&c, 1));
  return out;
}

Case MakeCase(Dice& dice) {
  Case c;
  c.service = std::vector<std::string>{"s3", "s3", "s3", "ce", "sts"}[dice.Roll(5)];
  c.region = std::vector<std::string>{"us-east-1", "eu-central-1", "ap-south-2"}[dice.Roll(3)];
  c.request.method = std::vector<std::string>{"GET", "PUT", "POST", "HEAD", "DELETE"}[dice.Roll(5)];
  const std::string host =
      std::vector<std::string>{"https://bucket.s3.amazonaws.com", "http://127.0.0.1:9000",
                               "https://s3.example:443", "http://minio:80"}[dice.Roll(4)];
  // Outside S3 both clean paths; ours and theirs agree on what a service's path can look like.
  const std::string path = c.service == "s3" ? EncodedPath(dice.Text(12)) : "";
  c.request.url = host + "/" + path;
  for (std::size_t i = dice.Roll(4); i > 0; --i) {
    c.request.url += c.request.url.find('?') == std::string::npos ? "?" : "&";
    c.request.url += PercentEncode("p" + dice.Text(3));
    if (dice.Roll(4) != 0) c.request.url += "=" + PercentEncode(dice.Text(6));
  }
  for (std::size_t i = dice.Roll(4); i > 0; --i) {
    c.request.headers.Add(
        "X-Amz-Meta-" + std::to_string(i),
        std::vector<std::string>{"v", " two  words ", "a,b", "", "ümlaut"}[dice.Roll(4)]);
  }
  if (dice.Roll(3) == 0) c.request.headers.Add("Content-Type", "text/plain; charset=utf-8");
  c.payload_hash = dice.Roll(5) == 0 ? "UNSIGNED-PAYLOAD" : Hex(Sha256(dice.Text(5)));
  c.credentials = {"AKID" + std::to_string(dice.Roll(9)), "s/e+c=" + dice.Text(6),
                   dice.Roll(2) == 0 ? "tok/en+=" : ""};
  c.now =
      TimeFromMillis(1'400'000'000'000 + static_cast<std::int64_t>(dice.Roll(500'000'000)) * 1'000);
  return c;
}

std::string AsJson(const Case& c) {
  JsonWriter json;
  json.BeginObject();
  json.Field("service", c.service).Field("region", c.region).Field("method", c.request.method);
  json.Field("url", c.request.url).Field("payload_sha256", c.payload_hash);
  json.Field("timestamp", AwsDate(c.now)).Field("access_key", c.credentials.access_key_id);
  json.Field("secret_key", c.credentials.secret_access_key);
  json.Field("token", c.credentials.session_token);
  json.Key("headers").BeginObject();
  for (const auto& [name, value] : c.request.headers) json.Field(name, value);
  json.EndObject().EndObject();
  return json.Take();
}

TEST(Sigv4OracleTest, SignsAsBotocoreDoes) {
  if (Child::Run({.argv = {"python3", "-c", "import botocore"}}) != 0) {
    GTEST_SKIP() << "python3-botocore is not installed";
  }
  const TempDir dir;
  Dice dice(20261120);
  std::vector<Case> cases;
  std::string lines;
  for (int i = 0; i < kRequests; ++i) {
    cases.push_back(MakeCase(dice));
    lines += AsJson(cases.back()) + "\n";
  }
  const std::string in = dir.Write("cases", lines);
  const std::string out = dir / "answers";
  ASSERT_EQ(Child::Run({.argv = {"sh", "-c", "exec python3 \"$1\" <\"$2\" >\"$3\"", "sign", kScript,
                                 in, out},
                        .log_file = dir / "log"}),
            0)
      << dir.Read("log");
  std::ifstream answers(out);
  std::map<std::string, Sigv4> signers;
  for (Case& c : cases) {
    std::string expected;
    ASSERT_TRUE(std::getline(answers, expected).good());
    signers.try_emplace(c.service, c.service)
        .first->second.Sign(c.request, c.credentials, c.region, c.now, c.payload_hash);
    ASSERT_EQ(c.request.headers.Get("authorization"), expected) << AsJson(c);
  }
}

}  // namespace
}  // namespace fettle
