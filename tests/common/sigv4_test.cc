// The signer against AWS's own worked examples: "Signature Calculations for the Authorization
// Header" (S3, 24 May 2013) and "Create a signed AWS API request" (IAM, 30 August 2015), and
// against the corners where signers differ. Goal: byte-equal to AWS, so that no request is refused
// for it.
#include "common/sigv4.h"

#include <gtest/gtest.h>

#include "common/digest.h"

namespace fettle {
namespace {

const AwsCredentials kExample{"AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
                              ""};
const AwsCredentials kOtherExample{"AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", ""};
const Time kMay2013 = TimeFromMillis(1'369'353'600'000);     // 20130524T000000Z
const Time kAugust2015 = TimeFromMillis(1'440'938'160'000);  // 20150830T123600Z

HttpRequest Request(std::string method, std::string url, Headers headers = {},
                    std::string body = "") {
  HttpRequest request;
  request.method = std::move(method);
  request.url = std::move(url);
  request.headers = std::move(headers);
  request.body = std::move(body);
  return request;
}

std::string Authorization(const std::string& service, HttpRequest request, Time now,
                          const AwsCredentials& credentials) {
  Sigv4 signer(service);
  signer.Sign(request, credentials, "us-east-1", now, Hex(Sha256(request.body)));
  return std::string(request.headers.Get("authorization"));
}

std::string SignatureOf(const std::string& service, HttpRequest request, Time now,
                        const AwsCredentials& credentials) {
  const std::string text = Authorization(service, std::move(request), now, credentials);
  return text.substr(text.find("Signature=") + 10);
}

TEST(Sigv4Test, MatchesAmazonsS3Examples) {
  const std::string host = "https://examplebucket.s3.amazonaws.com";
  EXPECT_EQ(Authorization("s3", Request("GET", host + "/test.txt", {{"Range", "bytes=0-9"}}),
                          kMay2013, kExample),
            "AWS4-HMAC-SHA256 "
            "Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, "
            "SignedHeaders=host;range;x-amz-content-sha256;x-amz-date, "
            "Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
  struct Case {
    HttpRequest request;
    std::string signature;
  };
  const std::vector<Case> table = {
      {Request("PUT", host + "/test%24file.text",
               {{"Date", "Fri, 24 May 2013 00:00:00 GMT"},
                {"x-amz-storage-class", "REDUCED_REDUNDANCY"}},
               "Welcome to Amazon S3."),
       "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"},
      {Request("GET", host + "/?lifecycle"),
       "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"},
      {Request("GET", host + "/?max-keys=2&prefix=J"),
       "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"},
  };
  for (const Case& c : table) {
    EXPECT_EQ(SignatureOf("s3", c.request, kMay2013, kExample), c.signature) << c.request.url;
  }
}

TEST(Sigv4Test, MatchesAmazonsExamplesOfOtherServices) {
  EXPECT_EQ(
      SignatureOf("iam",
                  Request("GET", "https://iam.amazonaws.com/?Action=ListUsers&Version=2010-05-08",
                          {{"Content-Type", "application/x-www-form-urlencoded; charset=utf-8"}}),
                  kAugust2015, kOtherExample),
      "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7");
  EXPECT_EQ(SignatureOf("service", Request("GET", "https://example.amazonaws.com/"), kAugust2015,
                        kOtherExample),
            "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31");
  EXPECT_EQ(
      SignatureOf("service",
                  Request("GET", "https://example.amazonaws.com/?Param2=value2&Param1=value1"),
                  kAugust2015, kOtherExample),
      "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500");
}

TEST(Sigv4Test, SortsTheQueryAndGivesEveryNameAnEquals) {
  const Sigv4 signer("s3");
  const auto query = [&](const std::string& text) {
    const std::string canonical =
        signer.CanonicalRequest(Request("GET", "https://h/b" + text), "-");
    const std::size_t begin = canonical.find("/b\n") + 3;
    return canonical.substr(begin, canonical.find('\n', begin) - begin);
  };
  const std::vector<std::pair<std::string, std::string>> table = {
      {"", ""},
      {"?", ""},
      {"?versioning", "versioning="},
      {"?versioning=", "versioning="},
      {"?prefix=b&list-type=2", "list-type=2&prefix=b"},
      {"?b=2&a=1&b=1", "a=1&b=1&b=2"},
      // By bytes of what is sent: capitals first, and a name before its own extensions.
      {"?a-b=1&a=1&A=1", "A=1&a=1&a-b=1"},
      {"?prefix=a%2Fb%20c&x=a=b", "prefix=a%2Fb%20c&x=a=b"},
      {"?&&a=1&", "a=1"},
  };
  for (const auto& [text, expected] : table) EXPECT_EQ(query(text), expected) << text;
}

TEST(Sigv4Test, LeavesS3PathsAsTheyAreAndCleansOthers) {
  const auto path = [](const std::string& service, const std::string& text) {
    const std::string canonical =
        Sigv4(service).CanonicalRequest(Request("GET", "https://h" + text), "-");
    return canonical.substr(4, canonical.find('\n', 4) - 4);
  };
  EXPECT_EQ(path("s3", ""), "/");
  EXPECT_EQ(path("s3", "/b/a//b/../c%20d/./e"), "/b/a//b/../c%20d/./e");
  EXPECT_EQ(path("ce", ""), "/");
  EXPECT_EQ(path("ce", "/a/./b/../c//d/"), "/a/c/d/");
  EXPECT_EQ(path("ce", "/../.."), "/");
  // Encoded twice, as AWS's libraries do for every service but S3.
  EXPECT_EQ(path("ce", "/a%20b"), "/a%2520b");
}

TEST(Sigv4Test, SignsEveryHeaderButThoseThatChangeOnTheWay) {
  const std::string canonical =
      Sigv4("s3").CanonicalRequest(Request("GET", "https://h:9000/",
                                           {{"X-Amz-Meta-B", "  two   words  "},
                                            {"x-amz-meta-a", "1"},
                                            {"X-AMZ-META-A", "2"},
                                            {"User-Agent", "fettle"},
                                            {"Expect", "100-continue"},
                                            {"Authorization", "old"}}),
                                   "hash");
  EXPECT_EQ(canonical,
            "GET\n/\n\nhost:h:9000\nx-amz-meta-a:1,2\nx-amz-meta-b:two words\n\n"
            "host;x-amz-meta-a;x-amz-meta-b\nhash");
}

TEST(Sigv4Test, LeavesOutThePortThatGoesWithoutSaying) {
  const auto host = [](const std::string& url) {
    const std::string canonical = Sigv4("s3").CanonicalRequest(Request("GET", url), "-");
    const std::size_t begin = canonical.find("host:") + 5;
    return canonical.substr(begin, canonical.find('\n', begin) - begin);
  };
  EXPECT_EQ(host("https://h:443/a"), "h");
  EXPECT_EQ(host("http://h:80/a"), "h");
  EXPECT_EQ(host("http://h:443/a"), "h:443");
  EXPECT_EQ(host("https://h:4430"), "h:4430");
  EXPECT_EQ(host("http://[::1]:9000?x"), "[::1]:9000");
}

TEST(Sigv4Test, SignsTheSessionTokenOfTemporaryKeys) {
  HttpRequest request = Request("GET", "https://h/");
  AwsCredentials credentials = kExample;
  credentials.session_token = "token";
  Sigv4 signer("s3");
  signer.Sign(request, credentials, "us-east-1", kMay2013, Sigv4::kUnsignedPayload);
  EXPECT_EQ(request.headers.Get("x-amz-security-token"), "token");
  EXPECT_EQ(request.headers.Get("x-amz-content-sha256"), "UNSIGNED-PAYLOAD");
  EXPECT_NE(request.headers.Get("authorization").find("x-amz-security-token"),
            std::string_view::npos);
}

TEST(Sigv4Test, SignsAgainWithoutTracesOfTheFirstTime) {
  Sigv4 signer("s3");
  HttpRequest twice = Request("GET", "https://h/key");
  signer.Sign(twice, kExample, "us-east-1", kMay2013, "x");
  signer.Sign(twice, kOtherExample, "eu-central-1", kAugust2015, "y");
  HttpRequest once = Request("GET", "https://h/key");
  Sigv4("s3").Sign(once, kOtherExample, "eu-central-1", kAugust2015, "y");
  EXPECT_EQ(twice.headers.Get("authorization"), once.headers.Get("authorization"));
}

TEST(Sigv4Test, DerivedKeysAreToldApart) {
  // Many days, regions and secrets through one signer give what a fresh one gives.
  Sigv4 shared("s3");
  for (int i = 0; i < 200; ++i) {
    const AwsCredentials credentials{"id", "secret" + std::to_string(i % 5), ""};
    const Time day = kMay2013 + std::chrono::days(i % 40);
    const std::string region = i % 2 == 0 ? "eu-west-1" : "eu-west-2";
    HttpRequest a = Request("GET", "https://h/");
    HttpRequest b = a;
    shared.Sign(a, credentials, region, day, "x");
    Sigv4("s3").Sign(b, credentials, region, day, "x");
    EXPECT_EQ(a.headers.Get("authorization"), b.headers.Get("authorization")) << i;
  }
}

TEST(Sigv4Test, PrintsDatesAsAmazonDoes) {
  EXPECT_EQ(AwsDate(kMay2013), "20130524T000000Z");
  EXPECT_EQ(AwsDate(kAugust2015 + Millis(999)), "20150830T123600Z");
  EXPECT_EQ(AwsDate(TimeFromMillis(1'709'251'199'000)), "20240229T235959Z");
}

}  // namespace
}  // namespace fettle
