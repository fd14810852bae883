// The S3 client over a transport that answers by a script: what real servers do too seldom to wait
// for. Goal: every class of failure is met as designed, nothing is listed or stored half, and a
// lost answer is never taken for a lost deed.
#include "common/s3.h"

#include <gtest/gtest.h>

#include "common/digest.h"
#include "common/s3_client.h"
#include "tests/support/scripted_s3.h"
#include "tests/support/temp_dir.h"

namespace fettle {
namespace {

constexpr const char* kEmptyList =
    "<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>";

Status ListAll(ScriptedS3& s3, std::vector<std::string>* keys = nullptr) {
  return s3->List("bucket", "pre/", [keys](const std::vector<S3Object>& page) {
    for (const S3Object& object : page) {
      if (keys != nullptr) keys->push_back(object.key);
    }
    return true;
  });
}

std::string ListXml(const std::vector<std::string>& keys, const std::string& next, bool truncated) {
  std::string xml = "<ListBucketResult>";
  for (const std::string& key : keys) xml += "<Contents><Key>" + key + "</Key></Contents>";
  if (!next.empty()) xml += "<NextContinuationToken>" + next + "</NextContinuationToken>";
  return xml + "<IsTruncated>" + (truncated ? "true" : "false") +
         "</IsTruncated></ListBucketResult>";
}

S3Connection Aws() {
  S3Connection connection = ScriptedS3::DefaultConnection();
  connection.endpoint = "";
  connection.region = "eu-central-1";
  return connection;
}

// ---- addresses -------------------------------------------------------------------------------

TEST(S3Test, AddressesBucketsAsTheServerWantsIt) {
  using Addressing = S3Connection::Addressing;
  struct Case {
    std::string endpoint;
    Addressing addressing;
    std::string bucket;
    std::string key;
    std::string url;
  };
  const std::vector<Case> table = {
      {"", Addressing::kAuto, "acme-backups", "a/b c+d",
       "https://acme-backups.s3.eu-central-1.amazonaws.com/a/b%20c%2Bd"},
      {"", Addressing::kAuto, "with.dots", "k",
       "https://s3.eu-central-1.amazonaws.com/with.dots/k"},
      {"", Addressing::kAuto, "Upper", "k", "https://s3.eu-central-1.amazonaws.com/Upper/k"},
      {"", Addressing::kPath, "acme", "k", "https://s3.eu-central-1.amazonaws.com/acme/k"},
      {"http://minio:9000", Addressing::kAuto, "acme", "a//b/./c",
       "http://minio:9000/acme/a//b/./c"},
      {"http://minio:9000/", Addressing::kAuto, "acme", "", "http://minio:9000/acme"},
      {"http://[::1]:9000", Addressing::kAuto, "acme", "ä", "http://[::1]:9000/acme/%C3%A4"},
      {"https://s3.example", Addressing::kVirtualHost, "acme", "k", "https://acme.s3.example/k"},
      {"s3.example", Addressing::kVirtualHost, "acme", "", "https://acme.s3.example/"},
      {"https://host/base", Addressing::kPath, "acme", "k", "https://host/base/acme/k"},
  };
  for (const Case& c : table) {
    S3Connection connection = Aws();
    connection.endpoint = c.endpoint;
    connection.addressing = c.addressing;
    ScriptedS3 s3(connection);
    s3.Then(S3Answer(204));
    ASSERT_TRUE(s3->Delete(c.bucket, c.key).has_value());
    EXPECT_EQ(s3.UrlOf(0), c.url);
  }
}

TEST(S3Test, SignsWithTheConnectionsKeysAndRegion) {
  ScriptedS3 s3(Aws());
  s3.Then(S3Answer(200, kEmptyList));
  ASSERT_TRUE(ListAll(s3).has_value());
  const HttpRequest sent = s3.transport.Sent().at(0);
  EXPECT_EQ(sent.url,
            "https://bucket.s3.eu-central-1.amazonaws.com/"
            "?encoding-type=url&list-type=2&prefix=pre%2F");
  EXPECT_TRUE(sent.headers.Get("authorization")
                  .starts_with("AWS4-HMAC-SHA256 Credential=AKID/20260101/eu-central-1/s3/"));
  EXPECT_EQ(sent.headers.Get("x-amz-content-sha256"), Hex(Sha256("")));
}

TEST(S3Test, AsksInTheRegionThatTheBucketNamesAndRemembersIt) {
  ScriptedS3 s3(Aws());
  s3.Then(S3Refusal(301, "PermanentRedirect", "", {{"x-amz-bucket-region", "us-west-2"}}))
      .Then(S3Answer(200, kEmptyList))
      .Then(S3Answer(200, kEmptyList));
  ASSERT_TRUE(ListAll(s3).has_value());
  ASSERT_TRUE(ListAll(s3).has_value());
  ASSERT_EQ(s3.Requests(), 3U);
  EXPECT_TRUE(s3.UrlOf(1).starts_with("https://bucket.s3.us-west-2.amazonaws.com/"));
  EXPECT_TRUE(s3.UrlOf(2).starts_with("https://bucket.s3.us-west-2.amazonaws.com/"));
  EXPECT_NE(s3.transport.Sent().at(1).headers.Get("authorization").find("/us-west-2/s3/"),
            std::string_view::npos);
  EXPECT_TRUE(s3.log.Contains("another region"));
}

TEST(S3Test, FollowsARegionOnceAndNeverALocation) {
  ScriptedS3 s3(Aws());
  s3.Then(S3Refusal(400, "AuthorizationHeaderMalformed", "<Region>eu-west-1</Region>"))
      .Then(S3Refusal(301, "PermanentRedirect", "<Region>eu-west-2</Region>"));
  EXPECT_FALSE(ListAll(s3).has_value());
  EXPECT_EQ(s3.Requests(), 2U);

  ScriptedS3 evil(Aws());
  evil.Then(S3Refusal(307, "TemporaryRedirect", "<Endpoint>evil.example</Endpoint>",
                      {{"Location", "https://evil.example/"}}));
  EXPECT_FALSE(ListAll(evil).has_value());
  EXPECT_EQ(evil.Requests(), 1U);
  EXPECT_FALSE(evil.transport.Options().at(0).follow_redirects);
}

// ---- tries -----------------------------------------------------------------------------------

TEST(S3Test, WaitsOutThrottlesAndTransientFailures) {
  ScriptedS3 s3;
  s3.Then(S3Refusal(503, "SlowDown"))
      .Then(S3Refusal(500, "InternalError"))
      .Then(Fail(Cause::kUnavailable, "connection reset"))
      .Then(Fail(Cause::kTimeout, "too slow"))
      .Then(S3Answer(502, "<html>"))
      .Then(S3Answer(200, kEmptyList));
  ASSERT_TRUE(ListAll(s3).has_value());
  EXPECT_EQ(s3.waits.size(), 5U);
  const std::vector<Millis> most = {Millis(1'000), Millis(400), Millis(800), Millis(1'600),
                                    Millis(3'200)};
  for (std::size_t i = 0; i < most.size(); ++i) EXPECT_LT(s3.waits[i], most[i]) << i;
  EXPECT_EQ(s3.Count("fettle_s3_throttles_total", {{"bucket", "bucket"}}), 1);
  EXPECT_EQ(s3.Count("fettle_s3_requests_total", {{"op", "list"}, {"code_class", "5xx"}}), 3);
  EXPECT_EQ(s3.Count("fettle_s3_requests_total", {{"op", "list"}, {"code_class", "error"}}), 2);
  EXPECT_EQ(s3.Count("fettle_s3_requests_total", {{"op", "list"}, {"code_class", "2xx"}}), 1);
  EXPECT_FALSE(s3->LastFailureWasThrottle()) << "no request failed in the end";
}

TEST(S3Test, GivesUpAfterItsTries) {
  ScriptedS3 s3;
  for (int i = 0; i < 20; ++i) s3.Then(S3Refusal(503, "SlowDown"));
  const Status listed = ListAll(s3);
  ASSERT_FALSE(listed.has_value());
  EXPECT_EQ(listed.error().cause, Cause::kUnavailable);
  EXPECT_EQ(listed.error().message, "listing s3://bucket/pre/: SlowDown (503): told so");
  EXPECT_EQ(s3.Requests(), 8U);
  EXPECT_TRUE(s3->LastFailureWasThrottle());
}

TEST(S3Test, GivesUpWhenItsBudgetOfTimeIsSpent) {
  S3::Options options;
  options.budget = Millis(10'000);
  options.tries_max = 1'000;
  ScriptedS3 s3(ScriptedS3::DefaultConnection(), options);
  for (int i = 0; i < 1'000; ++i) s3.Then(S3Refusal(503, "SlowDown", "", {{"Retry-After", "3"}}));
  EXPECT_FALSE(ListAll(s3).has_value());
  EXPECT_LE(s3.Requests(), 5U);
}

TEST(S3Test, StopsAtOnceWhenToldTo) {
  ScriptedS3 s3;
  s3.Then(S3Refusal(503, "SlowDown"));
  s3.stop.request_stop();
  EXPECT_FALSE(ListAll(s3).has_value());
  EXPECT_EQ(s3.Requests(), 1U);
}

TEST(S3Test, NeverRepeatsWhatIsPermanent) {
  const std::vector<std::pair<HttpResponse, Cause>> table = {
      {S3Refusal(403, "AccessDenied"), Cause::kDenied},
      {S3Refusal(403, "SignatureDoesNotMatch"), Cause::kDenied},
      {S3Refusal(403, "QuotaExceeded"), Cause::kLimit},
      {S3Refusal(404, "NoSuchBucket"), Cause::kNotFound},
      {S3Refusal(400, "InvalidArgument"), Cause::kInvalid},
  };
  for (const auto& [answer, cause] : table) {
    ScriptedS3 s3;
    s3.Then(answer);
    const Status listed = ListAll(s3);
    ASSERT_FALSE(listed.has_value());
    EXPECT_EQ(listed.error().cause, cause) << listed.error().message;
    EXPECT_EQ(s3.Requests(), 1U);
    EXPECT_TRUE(s3.waits.empty());
  }
}

TEST(S3Test, AsksThriceAtAConflict) {
  ScriptedS3 s3;
  for (int i = 0; i < 9; ++i) s3.Then(S3Refusal(409, "OperationAborted"));
  EXPECT_EQ(s3->CreateBucket("bucket").error().cause, Cause::kConflict);
  EXPECT_EQ(s3.Requests(), 3U);
}

TEST(S3Test, ReadsRotatedKeysOnceAndGoesOn) {
  const TempDir dir;
  S3Connection connection = ScriptedS3::DefaultConnection();
  connection.access_key_id = Secret::FromFile(dir.Write("id", "OLD"));
  ScriptedS3 s3(connection);
  s3.transport.AnswerWith([&](const HttpRequest& request) -> Result<HttpResponse> {
    if (request.headers.Get("authorization").find("Credential=NEW/") != std::string_view::npos) {
      return S3Answer(200, kEmptyList);
    }
    dir.Write("id", "NEW");
    return S3Refusal(400, "ExpiredToken");
  });
  EXPECT_TRUE(ListAll(s3).has_value());
  EXPECT_EQ(s3.Requests(), 2U);

  // The same keys again are not tried again.
  ScriptedS3 same;
  same.Then(S3Refusal(403, "InvalidAccessKeyId"));
  EXPECT_EQ(ListAll(same).error().cause, Cause::kDenied);
  EXPECT_EQ(same.Requests(), 1U);
}

TEST(S3Test, SignsWithTheServersClockOnceOursIsRefused) {
  ScriptedS3 s3;
  s3.Then(S3Refusal(403, "RequestTimeTooSkewed", "", {{"Date", "Thu, 01 Jan 2026 01:30:00 GMT"}}))
      .Then(S3Answer(200, kEmptyList))
      .Then(S3Answer(200, kEmptyList));
  ASSERT_TRUE(ListAll(s3).has_value());
  EXPECT_EQ(s3.transport.Sent().at(0).headers.Get("x-amz-date"), "20260101T000000Z");
  EXPECT_EQ(s3.transport.Sent().at(1).headers.Get("x-amz-date"), "20260101T013000Z");
  ASSERT_TRUE(ListAll(s3).has_value());
  EXPECT_EQ(s3.transport.Sent().at(2).headers.Get("x-amz-date"), "20260101T013000Z");
  EXPECT_EQ(s3.metrics.Gauge("fettle_s3_clock_skew_seconds", "", {{"connection", "main"}}).Value(),
            5'400);

  ScriptedS3 twice;
  for (int i = 0; i < 3; ++i) {
    twice.Then(
        S3Refusal(403, "RequestTimeTooSkewed", "", {{"Date", "Thu, 01 Jan 2026 01:30:00 GMT"}}));
  }
  EXPECT_FALSE(ListAll(twice).has_value());
  EXPECT_EQ(twice.Requests(), 2U);
}

TEST(S3Test, ReadsTheDateOfAnAnswer) {
  EXPECT_EQ(s3::ParseHttpDate("Fri, 24 May 2013 00:00:00 GMT"), TimeFromMillis(1'369'353'600'000));
  for (const std::string bad : {"", "Fri, 24 May 2013 00:00:00", "Fri, 24 Mai 2013 00:00:00 GMT",
                                "Fri, 99 May 2013 00:00:00 GMT", "Fri, 2x May 2013 00:00:00 GMT"}) {
    EXPECT_EQ(s3::ParseHttpDate(bad), std::nullopt) << bad;
  }
}

TEST(S3Test, SaysSoWithoutKeysAndAsksOnlyThoseWhoLendThem) {
  S3Connection connection;
  ScriptedS3 s3(connection);
  const Status listed = ListAll(s3);
  ASSERT_FALSE(listed.has_value());
  EXPECT_EQ(listed.error().cause, Cause::kDenied);
  ASSERT_EQ(s3.Requests(), 1U);
  EXPECT_EQ(s3.UrlOf(0), "http://169.254.169.254/latest/api/token");
}

// ---- lists -----------------------------------------------------------------------------------

TEST(S3Test, ListsPageByPage) {
  ScriptedS3 s3;
  s3.Then(S3Answer(200, ListXml({"a", "b"}, "t/1+", true)))
      .Then(S3Answer(200, ListXml({}, "t2", true)))
      .Then(S3Answer(200, ListXml({"b0", "c"}, "", false)));
  std::vector<std::string> keys;
  ASSERT_TRUE(ListAll(s3, &keys).has_value());
  EXPECT_EQ(keys, (std::vector<std::string>{"a", "b", "b0", "c"}));
  EXPECT_TRUE(s3.UrlOf(1).ends_with("&continuation-token=t%2F1%2B")) << s3.UrlOf(1);
}

TEST(S3Test, StopsListingWhenTheVisitorHasSeenEnough) {
  ScriptedS3 s3;
  s3.Then(S3Answer(200, ListXml({"a"}, "t1", true)));
  EXPECT_TRUE(s3->List("bucket", "", [](const std::vector<S3Object>&) { return false; }));
  EXPECT_EQ(s3.Requests(), 1U);
}

TEST(S3Test, AListThatDoesNotEndProperlyIsAnErrorNotAnEnd) {
  const std::vector<std::vector<std::string>> scripts = {
      // Truncated, but no token.
      {ListXml({"a"}, "", true)},
      // The same token again.
      {ListXml({"a"}, "t", true), ListXml({"b"}, "t", true)},
      // Keys that go back, stay, or come twice in one page.
      {ListXml({"b", "a"}, "", false)},
      {ListXml({"a", "a"}, "", false)},
      {ListXml({"a", "b"}, "t", true), ListXml({"b", "c"}, "", false)},
  };
  for (std::size_t i = 0; i < scripts.size(); ++i) {
    ScriptedS3 s3;
    for (const std::string& page : scripts[i]) s3.Then(S3Answer(200, page));
    EXPECT_FALSE(ListAll(s3).has_value()) << i;
    EXPECT_TRUE(s3.script.empty()) << i;
  }
  // Empty pages with ever new tokens.
  ScriptedS3 endless;
  int asked = 0;
  endless.transport.AnswerWith([&](const HttpRequest&) -> Result<HttpResponse> {
    return S3Answer(200, ListXml({}, "t" + std::to_string(++asked), true));
  });
  EXPECT_FALSE(ListAll(endless).has_value());
  EXPECT_LT(asked, 200);
  // No XML under a 200.
  ScriptedS3 html;
  html.Then(S3Answer(200, "<html><body>login</body></html>"));
  EXPECT_EQ(ListAll(html).error().cause, Cause::kInvalid);
}

TEST(S3Test, ListsUploadsByTwoMarkersAndGuardsAgainstLoops) {
  const auto page = [](const std::string& id, bool truncated) {
    return "<ListMultipartUploadsResult><IsTruncated>" + std::string(truncated ? "true" : "false") +
           "</IsTruncated><NextKeyMarker>k</NextKeyMarker><NextUploadIdMarker>" + id +
           "</NextUploadIdMarker><Upload><Key>k</Key><UploadId>" + id +
           "</UploadId></Upload></ListMultipartUploadsResult>";
  };
  ScriptedS3 s3;
  s3.Then(S3Answer(200, page("1", true))).Then(S3Answer(200, page("2", false)));
  EXPECT_EQ(s3->ListMultipartUploads("bucket", "p/")->size(), 2U);
  EXPECT_TRUE(s3.UrlOf(1).ends_with("&key-marker=k&upload-id-marker=1")) << s3.UrlOf(1);
  ScriptedS3 loop;
  loop.Then(S3Answer(200, page("1", true))).Then(S3Answer(200, page("1", true)));
  EXPECT_FALSE(loop->ListMultipartUploads("bucket", "p/").has_value());
}

// ---- objects ---------------------------------------------------------------------------------

TEST(S3Test, PutsWithChecksumsAndMetadata) {
  ScriptedS3 s3;
  s3.Then(S3Answer(200, "", {{"ETag", "\"" + Hex(Md5("body")) + "\""}}));
  const auto etag = s3->Put(
      "bucket", "key", "body",
      {.metadata = {{"run-id", "r1"}}, .content_type = "text/plain", .if_none_match = true});
  ASSERT_TRUE(etag.has_value()) << etag.error().message;
  EXPECT_EQ(*etag, Hex(Md5("body")));
  const HttpRequest sent = s3.transport.Sent().at(0);
  EXPECT_EQ(sent.body, "body");
  EXPECT_EQ(sent.headers.Get("Content-MD5"), Base64(Md5("body")));
  EXPECT_EQ(sent.headers.Get("x-amz-content-sha256"), Hex(Sha256("body")));
  EXPECT_EQ(sent.headers.Get("x-amz-meta-run-id"), "r1");
  EXPECT_EQ(sent.headers.Get("If-None-Match"), "*");
  EXPECT_EQ(sent.headers.Get("Content-Type"), "text/plain");
}

TEST(S3Test, SendsAgainWhatWasStoredWithAnotherChecksum) {
  ScriptedS3 s3;
  s3.Then(S3Answer(200, "", {{"ETag", "\"" + Hex(Md5("rotten")) + "\""}}))
      .Then(S3Answer(200, "", {{"ETag", "\"" + Hex(Md5("body")) + "\""}}));
  EXPECT_TRUE(s3->Put("bucket", "key", "body", {}).has_value());
  EXPECT_EQ(s3.Requests(), 2U);
  EXPECT_EQ(s3.transport.Sent().at(1).body, "body");
  // Encrypted objects have ETags of another kind.
  ScriptedS3 kms;
  kms.Then(S3Answer(
      200, "",
      {{"ETag", "\"" + Hex(Md5("cipher")) + "\""}, {"x-amz-server-side-encryption", "aws:kms"}}));
  EXPECT_TRUE(kms->Put("bucket", "key", "body", {}).has_value());
}

TEST(S3Test, ALostAnswerToAPutIsNotALostPut) {
  const Headers there{{"ETag", "\"" + Hex(Md5("body")) + "\""}, {"Content-Length", "4"}};
  ScriptedS3 s3;
  s3.Then(Fail(Cause::kTimeout, "the answer was lost"))
      .Then(S3Refusal(412, "PreconditionFailed"))
      .Then(S3Answer(200, "", there));
  EXPECT_TRUE(s3->Put("bucket", "key", "body", {.if_none_match = true}).has_value());
  // But an object of somebody else stays a conflict, at the first try as at the second.
  ScriptedS3 other;
  other.Then(Fail(Cause::kTimeout, "the answer was lost"))
      .Then(S3Refusal(412, "PreconditionFailed"))
      .Then(S3Answer(200, "", {{"ETag", "\"other\""}, {"Content-Length", "4"}}));
  EXPECT_EQ(other->Put("bucket", "key", "body", {.if_none_match = true}).error().cause,
            Cause::kConflict);
  ScriptedS3 first;
  first.Then(S3Refusal(412, "PreconditionFailed"));
  EXPECT_EQ(first->Put("bucket", "key", "body", {.if_none_match = true}).error().cause,
            Cause::kConflict);
  EXPECT_EQ(first.Requests(), 1U);
}

TEST(S3Test, LooksAtAnObject) {
  ScriptedS3 s3;
  s3.Then(S3Answer(200, "",
                   {{"Content-Length", "42"},
                    {"ETag", "\"abc-2\""},
                    {"X-Amz-Version-Id", "v1"},
                    {"X-Amz-Meta-Run-Id", "r1"}}));
  const auto head = s3->Head("bucket", "key");
  ASSERT_TRUE(head.has_value());
  EXPECT_EQ(head->size_bytes, 42);
  EXPECT_EQ(head->etag, "abc-2");
  EXPECT_EQ(head->version_id, "v1");
  EXPECT_EQ(head->metadata.at("run-id"), "r1");
  s3.Then(S3Answer(404));
  EXPECT_EQ(s3->Head("bucket", "key").error().message, "looking at s3://bucket/key: status 404");
  s3.Then(S3Answer(404));
  EXPECT_EQ(s3->Head("bucket", "key").error().cause, Cause::kNotFound);
}

// Answers a GET with pieces and breaks off after some of them.
class BrokenReads final : public HttpTransport {
 public:
  explicit BrokenReads(std::string content) : content_(std::move(content)) {}
  Result<HttpResponse> Send(const HttpRequest& request, const HttpOptions& options) override {
    ranges.emplace_back(request.headers.Get("Range"));
    std::size_t begin = 0;
    HttpResponse head;
    head.headers.Set("ETag", "\"e1\"");
    if (!ranges.back().empty() && honours_ranges) {
      begin = std::stoul(ranges.back().substr(6));
      head.status = 206;
      EXPECT_EQ(request.headers.Get("If-Match"), "\"e1\"");
    }
    options.on_head(head);
    const bool last = static_cast<int>(ranges.size()) > breaks;
    const std::string piece = content_.substr(begin, last ? std::string::npos : 10);
    if (!options.on_body(piece)) return Fail("the answer's body is not wanted any more");
    if (!last) return Fail(Cause::kUnavailable, "connection reset");
    return head;
  }
  int breaks = 3;
  bool honours_ranges = true;
  std::vector<std::string> ranges;

 private:
  const std::string content_;
};

struct Reading {
  explicit Reading(BrokenReads& transport)
      : s3({.transport = transport,
            .clock = clock,
            .random = random,
            .metrics = metrics,
            .log = log.For("s3"),
            .wait = [](Millis) { return true; }},
           "main", ScriptedS3::DefaultConnection()) {}
  Status Read() {
    return s3.Get("bucket", "key", [this](std::string_view piece) {
      got += piece;
      return true;
    });
  }
  ManualClock clock;
  SeededRandom random;
  Metrics metrics;
  RecordedLog log;
  S3 s3;
  std::string got;
};

TEST(S3Test, GoesOnReadingWhereItBrokeOff) {
  std::string content;
  for (int i = 0; i < 100; ++i) content += static_cast<char>('a' + i % 26);
  BrokenReads transport(content);
  Reading reading(transport);
  ASSERT_TRUE(reading.Read().has_value());
  EXPECT_EQ(reading.got, content);
  EXPECT_EQ(transport.ranges,
            (std::vector<std::string>{"", "bytes=10-", "bytes=20-", "bytes=30-"}));

  BrokenReads never(content);
  never.honours_ranges = false;
  Reading refused(never);
  const Status read = refused.Read();
  ASSERT_FALSE(read.has_value());
  EXPECT_EQ(refused.got, content.substr(0, 10));
  EXPECT_NE(read.error().message.find("does not go on in the middle"), std::string::npos);
}

TEST(S3Test, TheBodyOfARefusedReadIsNotTheObject) {
  ScriptedS3 s3;
  s3.Then(S3Refusal(404, "NoSuchKey"));
  std::string got;
  const Status read = s3->Get("bucket", "key", [&got](std::string_view piece) {
    got += piece;
    return true;
  });
  ASSERT_FALSE(read.has_value());
  EXPECT_EQ(read.error().cause, Cause::kNotFound);
  EXPECT_EQ(read.error().message, "reading s3://bucket/key: NoSuchKey (404): told so");
  EXPECT_EQ(got, "");
}

// ---- uploads ---------------------------------------------------------------------------------

const std::vector<S3Part> kTwoParts = {{1, Hex(Md5("one"))}, {2, Hex(Md5("two"))}};
const std::string kWholeEtag = Hex(Md5(Md5("one") + Md5("two"))) + "-2";

HttpResponse Completed(const std::string& etag) {
  return S3Answer(200, "<CompleteMultipartUploadResult><ETag>\"" + etag +
                           "\"</ETag></CompleteMultipartUploadResult>");
}

TEST(S3Test, UploadsInParts) {
  ScriptedS3 s3;
  s3.Then(S3Answer(200,
                   "<InitiateMultipartUploadResult><UploadId>u/1+</UploadId>"
                   "</InitiateMultipartUploadResult>"))
      .Then(S3Answer(200, "", {{"ETag", "\"" + Hex(Md5("one")) + "\""}}))
      .Then(Completed(kWholeEtag));
  const auto id = s3->CreateMultipartUpload("bucket", "key", {.metadata = {{"run-id", "r"}}});
  ASSERT_TRUE(id.has_value());
  EXPECT_EQ(*id, "u/1+");
  const auto part = s3->UploadPart("bucket", "key", *id, 1, "one");
  ASSERT_TRUE(part.has_value());
  EXPECT_EQ(part->etag, Hex(Md5("one")));
  EXPECT_EQ(*s3->CompleteMultipartUpload("bucket", "key", *id, kTwoParts), kWholeEtag);
  EXPECT_EQ(s3.UrlOf(0), "http://minio:9000/bucket/key?uploads=");
  EXPECT_EQ(s3.transport.Sent().at(0).headers.Get("x-amz-meta-run-id"), "r");
  EXPECT_EQ(s3.UrlOf(1), "http://minio:9000/bucket/key?partNumber=1&uploadId=u%2F1%2B");
  EXPECT_EQ(s3.UrlOf(2), "http://minio:9000/bucket/key?uploadId=u%2F1%2B");
  EXPECT_EQ(s3->UploadPart("bucket", "key", *id, 10'001, "x").error().cause, Cause::kLimit);
  EXPECT_EQ(s3->UploadPart("bucket", "key", *id, 0, "x").error().cause, Cause::kLimit);
}

TEST(S3Test, AnErrorUnderA200IsAnError) {
  ScriptedS3 s3;
  s3.Then(S3Answer(200, "  <?xml version=\"1.0\"?><Error><Code>InternalError</Code></Error>"))
      .Then(S3Answer(200, "   "))
      .Then(Completed(kWholeEtag));
  // White space before the declaration is what a slow completion looks like.
  const auto done = s3->CompleteMultipartUpload("bucket", "key", "u", kTwoParts);
  ASSERT_TRUE(done.has_value()) << done.error().message;
  EXPECT_EQ(s3.Requests(), 3U);

  ScriptedS3 denied;
  denied.Then(S3Answer(200, "<Error><Code>AccessDenied</Code></Error>"));
  EXPECT_FALSE(denied->CompleteMultipartUpload("bucket", "key", "u", kTwoParts).has_value());
  EXPECT_EQ(denied.Requests(), 1U);
}

TEST(S3Test, ALostAnswerToACompletionIsNotALostUpload) {
  const Headers there{{"ETag", "\"" + kWholeEtag + "\""}, {"Content-Length", "6"}};
  ScriptedS3 s3;
  s3.Then(Fail(Cause::kUnavailable, "connection reset"))
      .Then(S3Refusal(404, "NoSuchUpload"))
      .Then(S3Answer(200, "", there));
  EXPECT_EQ(*s3->CompleteMultipartUpload("bucket", "key", "u", kTwoParts), kWholeEtag);
  // Something else under the key does not count.
  ScriptedS3 other;
  other.Then(Fail(Cause::kUnavailable, "connection reset"))
      .Then(S3Refusal(404, "NoSuchUpload"))
      .Then(S3Answer(200, "", {{"ETag", "\"x\""}, {"Content-Length", "6"}}));
  EXPECT_EQ(other->CompleteMultipartUpload("bucket", "key", "u", kTwoParts).error().cause,
            Cause::kNotFound);
}

TEST(S3Test, AWholeWithAnotherChecksumIsAFailure) {
  ScriptedS3 s3;
  s3.Then(Completed(Hex(Md5("x")) + "-2"));
  EXPECT_FALSE(s3->CompleteMultipartUpload("bucket", "key", "u", kTwoParts).has_value());
  // Servers with checksums of their own kind are believed.
  ScriptedS3 opaque;
  opaque.Then(Completed("opaque"));
  EXPECT_TRUE(
      opaque->CompleteMultipartUpload("bucket", "key", "u", {{1, "opaque-part"}}).has_value());
}

TEST(S3Test, AnUploadThatIsGoneIsAborted) {
  for (const std::string code : {"NoSuchUpload", "NoSuchKey"}) {
    ScriptedS3 s3;
    s3.Then(S3Refusal(404, code));
    EXPECT_TRUE(s3->AbortMultipartUpload("bucket", "key", "u").has_value());
  }
  ScriptedS3 denied;
  denied.Then(S3Refusal(403, "AccessDenied"));
  EXPECT_FALSE(denied->AbortMultipartUpload("bucket", "key", "u").has_value());
}

TEST(S3Test, CountsBytesBothWays) {
  ScriptedS3 s3;
  s3.Then(S3Answer(200)).Then(S3Answer(200, std::string(kEmptyList)));
  ASSERT_TRUE(s3->Put("bucket", "key", "12345", {}).has_value());
  ASSERT_TRUE(ListAll(s3).has_value());
  EXPECT_EQ(s3.Count("fettle_s3_bytes_sent_total", {}), 5);
  EXPECT_EQ(s3.Count("fettle_s3_bytes_received_total", {}),
            static_cast<double>(std::string(kEmptyList).size()));
}

TEST(S3Test, NamesTheRegionOfANewBucketOnAmazonOnly) {
  ScriptedS3 aws(Aws());
  aws.Then(S3Answer(200));
  ASSERT_TRUE(aws->CreateBucket("bucket").has_value());
  EXPECT_NE(aws.transport.Sent().at(0).body.find("<LocationConstraint>eu-central-1<"),
            std::string::npos);
  ScriptedS3 minio;
  minio.Then(S3Answer(200));
  ASSERT_TRUE(minio->CreateBucket("bucket").has_value());
  EXPECT_EQ(minio.transport.Sent().at(0).body, "");
}

}  // namespace
}  // namespace fettle
