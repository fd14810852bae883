// The S3 client against Ceph's radosgw, over real HTTP. Goal: every operation works on a server
// that was not written by us, any key survives the way there and back, and a server that dies or
// hangs costs a retry or a clear failure.
#include <gtest/gtest.h>

#include <algorithm>
#include <thread>

#include "common/digest.h"
#include "common/http_client.h"
#include "common/s3.h"
#include "tests/support/manual_clock.h"
#include "tests/support/radosgw.h"
#include "tests/support/recorded_log.h"
#include "tests/support/seeded_random.h"

namespace fettle {
namespace {

struct Client {
  explicit Client(const S3Connection& connection, S3::Options options = {})
      : s3({.transport = transport,
            .clock = clock,
            .random = random,
            .metrics = metrics,
            .log = log.For("s3")},
           "main", connection, options) {}
  S3* operator->() { return &s3; }
  HttpClient transport;
  SystemClock clock;
  SystemRandom random;
  Metrics metrics;
  RecordedLog log;
  S3 s3;
};

std::vector<std::string> KeysIn(Client& client, const std::string& bucket,
                                const std::string& prefix = "") {
  std::vector<std::string> keys;
  const Status listed = client->List(bucket, prefix, [&keys](const std::vector<S3Object>& page) {
    for (const S3Object& object : page) keys.push_back(object.key);
    return true;
  });
  EXPECT_TRUE(listed.has_value()) << listed.error().message;
  return keys;
}

std::string ReadObject(Client& client, const std::string& bucket, const std::string& key) {
  std::string got;
  const Status read = client->Get(bucket, key, [&got](std::string_view piece) {
    got += piece;
    return true;
  });
  EXPECT_TRUE(read.has_value()) << read.error().message;
  return got;
}

TEST(S3RealTest, PutsLooksAtReadsAndDeletes) {
  Client client(Radosgw::Shared().Connection());
  const std::string bucket = Radosgw::Shared().CreateBucket();
  const std::string body(3'000'000, 'x');
  const auto etag = client->Put(bucket, "a/b", body, {.metadata = {{"run-id", "r1"}}});
  ASSERT_TRUE(etag.has_value()) << etag.error().message;
  EXPECT_EQ(*etag, Hex(Md5(body)));
  const auto head = client->Head(bucket, "a/b");
  ASSERT_TRUE(head.has_value()) << head.error().message;
  EXPECT_EQ(head->size_bytes, 3'000'000);
  EXPECT_EQ(head->etag, *etag);
  EXPECT_EQ(head->metadata.at("run-id"), "r1");
  EXPECT_EQ(ReadObject(client, bucket, "a/b"), body);
  EXPECT_EQ(client->Put(bucket, "a/b", "y", {.if_none_match = true}).error().cause,
            Cause::kConflict);
  ASSERT_TRUE(client->Delete(bucket, "a/b").has_value());
  ASSERT_TRUE(client->Delete(bucket, "a/b").has_value());
  EXPECT_EQ(client->Head(bucket, "a/b").error().cause, Cause::kNotFound);
  const Status gone = client->Get(bucket, "a/b", [](std::string_view) { return true; });
  EXPECT_EQ(gone.error().cause, Cause::kNotFound);
  EXPECT_TRUE(client->Put(bucket, "empty", "", {}).has_value());
  EXPECT_EQ(client->Head(bucket, "empty")->size_bytes, 0);
}

TEST(S3RealTest, CarriesAnyKeyThereAndBack) {
  Client client(Radosgw::Shared().Connection());
  const std::string bucket = Radosgw::Shared().CreateBucket();
  std::vector<std::string> keys = {"plain",          "with space",
                                   "plus+plus",      "per%cent",
                                   "a//b",           "a/./b",
                                   "a/../b",         "ümläut/日本",
                                   "q?x=1&y",        "hash#tag",
                                   "<xml>&\"'",      "tilde~()*!",
                                   "semi;colon:at@", "[brackets]{}|\\^`",
                                   "eq=ual$",        "emoji💾",
                                   "trailing/",      "%2F",
                                   "new+ line",      "comma,"};
  for (const std::string& key : keys) {
    const auto put = client->Put(bucket, key, key, {});
    ASSERT_TRUE(put.has_value()) << key << ": " << put.error().message;
  }
  std::sort(keys.begin(), keys.end());
  EXPECT_EQ(KeysIn(client, bucket), keys);
  for (const std::string& key : keys) EXPECT_EQ(ReadObject(client, bucket, key), key);
  EXPECT_EQ(KeysIn(client, bucket, "a/../"), (std::vector<std::string>{"a/../b"}));
  EXPECT_EQ(KeysIn(client, bucket, "plus+"), (std::vector<std::string>{"plus+plus"}));
}

TEST(S3RealTest, ListsEveryPage) {
  Client client(Radosgw::Shared().Connection());
  const std::string bucket = Radosgw::Shared().CreateBucket();
  std::vector<std::thread> writers;
  for (int w = 0; w < 8; ++w) {
    writers.emplace_back([&client, &bucket, w] {
      for (int i = w; i < 2'100; i += 8) {
        EXPECT_TRUE(client->Put(bucket, fmt::format("k{:05}", i), "x", {}).has_value());
      }
    });
  }
  for (std::thread& writer : writers) writer.join();
  const std::vector<std::string> keys = KeysIn(client, bucket);
  ASSERT_EQ(keys.size(), 2'100U);
  EXPECT_EQ(keys.front(), "k00000");
  EXPECT_EQ(keys.back(), "k02099");
  EXPECT_EQ(client.metrics
                .Counter("fettle_s3_requests_total", "", {{"op", "list"}, {"code_class", "2xx"}})
                .Value(),
            3);
}

TEST(S3RealTest, UploadsInPartsAndChecksTheWhole) {
  Client client(Radosgw::Shared().Connection());
  const std::string bucket = Radosgw::Shared().CreateBucket();
  const std::string one(S3::kPartBytesMin, '1');
  const std::string two(1'234, '2');
  const auto id = client->CreateMultipartUpload(bucket, "big", {.metadata = {{"run-id", "r"}}});
  ASSERT_TRUE(id.has_value()) << id.error().message;
  const auto uploads = client->ListMultipartUploads(bucket, "");
  ASSERT_TRUE(uploads.has_value()) << uploads.error().message;
  ASSERT_EQ(uploads->size(), 1U);
  EXPECT_EQ(uploads->front().key, "big");
  EXPECT_EQ(uploads->front().upload_id, *id);
  EXPECT_LT(std::chrono::abs(uploads->front().initiated - client.clock.Now().wall),
            std::chrono::minutes(1));
  const auto first = client->UploadPart(bucket, "big", *id, 1, one);
  const auto second = client->UploadPart(bucket, "big", *id, 2, two);
  ASSERT_TRUE(first && second);
  EXPECT_EQ(client->Head(bucket, "big").error().cause, Cause::kNotFound);  // not visible yet
  const auto etag = client->CompleteMultipartUpload(bucket, "big", *id, {*first, *second});
  ASSERT_TRUE(etag.has_value()) << etag.error().message;
  EXPECT_EQ(*etag, Hex(Md5(Md5(one) + Md5(two))) + "-2");
  EXPECT_EQ(client->Head(bucket, "big")->metadata.at("run-id"), "r");
  EXPECT_EQ(ReadObject(client, bucket, "big"), one + two);
  // A completion whose answer was lost is asked for again.
  EXPECT_EQ(*client->CompleteMultipartUpload(bucket, "big", *id, {*first, *second}), *etag);
}

TEST(S3RealTest, AbortsUploadsOnceAndAgain) {
  Client client(Radosgw::Shared().Connection());
  const std::string bucket = Radosgw::Shared().CreateBucket();
  const auto id = client->CreateMultipartUpload(bucket, "big", {});
  ASSERT_TRUE(id.has_value());
  ASSERT_TRUE(client->UploadPart(bucket, "big", *id, 1, "x").has_value());
  EXPECT_TRUE(client->AbortMultipartUpload(bucket, "big", *id).has_value());
  EXPECT_TRUE(client->AbortMultipartUpload(bucket, "big", *id).has_value());
  EXPECT_TRUE(client->ListMultipartUploads(bucket, "")->empty());
  EXPECT_EQ(client->UploadPart(bucket, "big", *id, 2, "x").error().cause, Cause::kNotFound);
}

TEST(S3RealTest, KnowsVersioning) {
  Client client(Radosgw::Shared().Connection());
  const std::string bucket = Radosgw::Shared().CreateBucket();
  EXPECT_EQ(*client->Versioning(bucket), S3Versioning::kNever);
  ASSERT_TRUE(client->SetVersioning(bucket, true).has_value());
  EXPECT_EQ(*client->Versioning(bucket), S3Versioning::kEnabled);
  ASSERT_TRUE(client->SetVersioning(bucket, false).has_value());
  EXPECT_EQ(*client->Versioning(bucket), S3Versioning::kSuspended);
}

TEST(S3RealTest, NamesTheCauseOfARefusal) {
  S3Connection wrong = Radosgw::Shared().Connection();
  wrong.secret_access_key = Secret::FromText("wrong");
  Client stranger(wrong);
  const auto denied = stranger->Head("bucket-1", "x");
  EXPECT_EQ(denied.error().cause, Cause::kDenied);
  const Status listed = stranger->List("bucket-1", "", [](const auto&) { return true; });
  ASSERT_FALSE(listed.has_value());
  EXPECT_NE(listed.error().message.find("SignatureDoesNotMatch (403)"), std::string::npos)
      << listed.error().message;

  Client client(Radosgw::Shared().Connection());
  EXPECT_EQ(client->List("no-such-bucket", "", [](const auto&) { return true; }).error().cause,
            Cause::kNotFound);

  S3Connection nobody = Radosgw::Shared().Connection();
  nobody.endpoint = "http://127.0.0.1:" + std::to_string(FreePort());
  Client unheard(nobody, {.tries_max = 2});
  EXPECT_EQ(unheard->Versioning("b").error().cause, Cause::kUnavailable);
}

TEST(S3RealTest, SurvivesAGatewayThatDiesAndComesBack) {
  const auto server = Radosgw::Start();
  const std::string bucket = server->CreateBucket();
  Client client(server->Connection());
  const auto id = client->CreateMultipartUpload(bucket, "big", {});
  ASSERT_TRUE(id.has_value());
  const std::string body(S3::kPartBytesMin, 'x');
  const auto first = client->UploadPart(bucket, "big", *id, 1, body);
  ASSERT_TRUE(first.has_value());
  server->KillGateway();
  std::jthread nurse([&server] { server->RestartGateway(); });
  const auto second = client->UploadPart(bucket, "big", *id, 2, body);
  ASSERT_TRUE(second.has_value()) << second.error().message;
  ASSERT_TRUE(client->CompleteMultipartUpload(bucket, "big", *id, {*first, *second}).has_value());
  EXPECT_EQ(client->Head(bucket, "big")->size_bytes,
            2 * static_cast<std::int64_t>(S3::kPartBytesMin));
}

TEST(S3RealTest, DoesNotWaitForEverForAStorageThatHangs) {
  const auto server = Radosgw::Start();
  const std::string bucket = server->CreateBucket();
  Client client(server->Connection(), {.tries_max = 2, .timeout = Millis(300)});
  server->FreezeStorage();
  const auto put = client->Put(bucket, "key", "x", {});
  ASSERT_FALSE(put.has_value());
  EXPECT_EQ(put.error().cause, Cause::kTimeout);
  server->ThawStorage();
  Client patient(server->Connection());
  EXPECT_TRUE(patient->Put(bucket, "key", "y", {}).has_value());
}

TEST(S3RealTest, TellsAQuotaFromADenial) {
  const auto server = Radosgw::Start();
  const std::string bucket = server->CreateBucket();
  ASSERT_EQ(server->Admin({"quota", "set", "--quota-scope=user", "--uid=test", "--max-objects=1"}),
            0);
  ASSERT_EQ(server->Admin({"quota", "enable", "--quota-scope=user", "--uid=test"}), 0);
  server->KillGateway();
  server->RestartGateway();
  Client client(server->Connection());
  (void)client->Put(bucket, "one", "x", {});
  Result<std::string> put = client->Put(bucket, "two", "x", {});
  for (int i = 0; put.has_value() && i < 50; ++i) {
    put = client->Put(bucket, "more" + std::to_string(i), "x", {});
  }
  ASSERT_FALSE(put.has_value());
  EXPECT_EQ(put.error().cause, Cause::kLimit) << put.error().message;
}

}  // namespace
}  // namespace fettle
