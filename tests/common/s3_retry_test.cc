// The classes of S3's failures, as a table. Goal: what waiting helps is waited for, what a second
// look helps gets one, and nothing permanent is ever repeated.
#include "common/s3_retry.h"

#include <gtest/gtest.h>

namespace fettle::s3 {
namespace {

struct Case {
  int status;
  std::string code;
  Verdict verdict;
  Cause cause;
};

HttpResponse Answer(int status) {
  HttpResponse response;
  response.status = status;
  return response;
}

ErrorBody Body(const std::string& code, const std::string& region = "") {
  return {.code = code, .message = "", .region = region};
}

TEST(S3RetryTest, SortsAnswersIntoClasses) {
  const std::vector<Case> table = {
      {503, "SlowDown", Verdict::kThrottle, Cause::kUnavailable},
      {503, "ServiceUnavailable", Verdict::kThrottle, Cause::kUnavailable},
      {503, "", Verdict::kThrottle, Cause::kUnavailable},
      {429, "", Verdict::kThrottle, Cause::kUnavailable},
      {400, "RequestLimitExceeded", Verdict::kThrottle, Cause::kInvalid},
      {500, "InternalError", Verdict::kTransient, Cause::kUnavailable},
      {500, "", Verdict::kTransient, Cause::kUnavailable},
      {502, "", Verdict::kTransient, Cause::kUnavailable},
      {504, "", Verdict::kTransient, Cause::kTimeout},
      {408, "", Verdict::kTransient, Cause::kTimeout},
      {400, "RequestTimeout", Verdict::kTransient, Cause::kInvalid},
      {400, "BadDigest", Verdict::kTransient, Cause::kInvalid},
      {400, "XAmzContentSHA256Mismatch", Verdict::kTransient, Cause::kInvalid},
      {400, "IncompleteBody", Verdict::kTransient, Cause::kInvalid},
      {200, "InternalError", Verdict::kTransient, Cause::kFailed},
      {200, "SlowDown", Verdict::kThrottle, Cause::kFailed},
      {400, "ExpiredToken", Verdict::kCredentials, Cause::kDenied},
      {403, "InvalidAccessKeyId", Verdict::kCredentials, Cause::kDenied},
      {403, "InvalidToken", Verdict::kCredentials, Cause::kDenied},
      {403, "RequestTimeTooSkewed", Verdict::kClock, Cause::kDenied},
      {409, "OperationAborted", Verdict::kConflict, Cause::kConflict},
      {409, "ConditionalRequestConflict", Verdict::kConflict, Cause::kConflict},
      {409, "BucketAlreadyExists", Verdict::kPermanent, Cause::kConflict},
      {412, "PreconditionFailed", Verdict::kPermanent, Cause::kConflict},
      {403, "AccessDenied", Verdict::kPermanent, Cause::kDenied},
      {403, "SignatureDoesNotMatch", Verdict::kPermanent, Cause::kDenied},
      {403, "QuotaExceeded", Verdict::kPermanent, Cause::kLimit},
      {403, "", Verdict::kPermanent, Cause::kDenied},
      {404, "NoSuchBucket", Verdict::kPermanent, Cause::kNotFound},
      {404, "NoSuchUpload", Verdict::kPermanent, Cause::kNotFound},
      {404, "", Verdict::kPermanent, Cause::kNotFound},
      {400, "EntityTooSmall", Verdict::kPermanent, Cause::kInvalid},
      {400, "", Verdict::kPermanent, Cause::kInvalid},
      {301, "PermanentRedirect", Verdict::kPermanent, Cause::kFailed},  // and no region is told
      {501, "NotImplemented", Verdict::kPermanent, Cause::kInvalid},
  };
  for (const Case& c : table) {
    EXPECT_EQ(Classify(Answer(c.status), Body(c.code)), c.verdict) << c.status << " " << c.code;
    EXPECT_EQ(ToError(Answer(c.status), Body(c.code)).cause, c.cause) << c.status << " " << c.code;
  }
  for (const int status : {200, 204, 206}) {
    EXPECT_EQ(Classify(Answer(status), {}), Verdict::kOk);
  }
  EXPECT_EQ(Classify(Error{"reset", Cause::kUnavailable}), Verdict::kTransient);
  EXPECT_EQ(Classify(Error{"slow", Cause::kTimeout}), Verdict::kTransient);
  EXPECT_EQ(Classify(Error{"no URL", Cause::kInvalid}), Verdict::kPermanent);
  EXPECT_EQ(Classify(Error{"cancelled", Cause::kFailed}), Verdict::kPermanent);
}

TEST(S3RetryTest, FollowsARegionOnlyByItsName) {
  HttpResponse by_header = Answer(301);
  by_header.headers.Set("x-amz-bucket-region", "eu-west-1");
  EXPECT_EQ(Classify(by_header, {}), Verdict::kRegion);
  EXPECT_EQ(RegionOf(by_header, {}), "eu-west-1");
  EXPECT_EQ(Classify(Answer(400), Body("AuthorizationHeaderMalformed", "ap-south-1")),
            Verdict::kRegion);
  by_header.status = 400;  // what HEAD is told
  EXPECT_EQ(Classify(by_header, {}), Verdict::kRegion);
  by_header.status = 403;
  EXPECT_EQ(Classify(by_header, Body("AccessDenied")), Verdict::kPermanent);
  for (const std::string evil : {"eu-west-1.evil.example", "a/b", "EU", "", "a@b",
                                 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"}) {
    EXPECT_EQ(RegionOf(Answer(301), Body("PermanentRedirect", evil)), "") << evil;
    EXPECT_EQ(Classify(Answer(301), Body("PermanentRedirect", evil)), Verdict::kPermanent) << evil;
  }
}

TEST(S3RetryTest, WaitsWithFullJitterUpToTheCap) {
  const HttpResponse plain;
  const double most = 0.9999999;
  EXPECT_EQ(Backoff(Verdict::kTransient, 1, 0, plain), Millis(0));
  EXPECT_EQ(Backoff(Verdict::kTransient, 1, 0.5, plain), Millis(100));
  EXPECT_EQ(Backoff(Verdict::kTransient, 2, 0.5, plain), Millis(200));
  EXPECT_EQ(Backoff(Verdict::kTransient, 3, 0.5, plain), Millis(400));
  EXPECT_EQ(Backoff(Verdict::kTransient, 60, most, plain), Millis(19'999));
  EXPECT_EQ(Backoff(Verdict::kThrottle, 1, 0.5, plain), Millis(500));
  EXPECT_EQ(Backoff(Verdict::kThrottle, 5, 0.5, plain), Millis(8'000));
  EXPECT_EQ(Backoff(Verdict::kThrottle, 60, most, plain), Millis(59'999));
}

TEST(S3RetryTest, HonoursRetryAfterInSeconds) {
  const auto wait = [](const std::string& text) {
    HttpResponse response;
    response.headers.Set("Retry-After", text);
    return Backoff(Verdict::kThrottle, 1, 0.001, response);
  };
  EXPECT_EQ(wait("7"), Millis(7'000));
  EXPECT_EQ(wait("86400"), Millis(60'000));
  EXPECT_EQ(wait("-3"), Millis(1));
  EXPECT_EQ(wait("Fri, 24 May 2013 00:00:00 GMT"), Millis(1));
}

TEST(S3RetryTest, TellsTheServersWordsInOneLine) {
  EXPECT_EQ(
      ToError(Answer(403), {.code = "AccessDenied", .message = "no\nluck", .region = ""}).message,
      "AccessDenied (403): no luck");
  EXPECT_EQ(ToError(Answer(502), {}).message, "status 502");
  EXPECT_LT(ToError(Answer(403), {.code = "X", .message = std::string(9'000, 'm'), .region = ""})
                .message.size(),
            400U);
}

}  // namespace
}  // namespace fettle::s3
