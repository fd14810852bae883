// The S3 collector over a transport that plays a bucket. Goal: only whole inventories are shown, a
// large one goes on over many turns, looking is paid for as little as promised, and what may not be
// read is absent.
#include "exporter/collectors/s3.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/duration.h"
#include "tests/support/configuration.h"
#include "tests/support/families.h"
#include "tests/support/scripted_s3.h"

namespace fettle::exporter {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::StartsWith;

struct Object {
  std::int64_t bytes = 1;
  std::int64_t modified = 1'700'000'000;
  std::string storage_class = "STANDARD";
};

// A bucket: lists in pages, knows its versioning and its uploads.
class Bucket {
 public:
  Result<HttpResponse> Answer(const HttpRequest& request) {
    ++requests;
    if (before) before(request);
    if (failure) return *failure;
    if (request.method == "HEAD") return S3Answer(200);
    if (request.Query("versioning")) {
      return versioning_denied ? S3Refusal(403, "AccessDenied")
                               : S3Answer(200, "<VersioningConfiguration><Status>" + versioning +
                                                   "</Status></VersioningConfiguration>");
    }
    if (request.Query("uploads")) {
      return S3Answer(200,
                      "<ListMultipartUploadsResult>" + uploads + "</ListMultipartUploadsResult>");
    }
    ++lists;
    return S3Answer(200, Page(request));
  }
  std::string Page(const HttpRequest& request) const {
    const std::string after =
        request.Query("continuation-token").value_or(request.Query("start-after").value_or(""));
    const std::string prefix = request.Query("prefix").value_or("");
    std::string xml;
    std::string last;
    std::size_t count = 0;
    auto at = objects.upper_bound(after);
    for (; at != objects.end() && count < page_size; ++at) {
      if (!at->first.starts_with(prefix)) continue;
      const Time modified = TimeFromMillis(at->second.modified * 1'000);
      xml += fmt::format(
          "<Contents><Key>{}</Key><Size>{}</Size><LastModified>{}</LastModified>"
          "<StorageClass>{}</StorageClass></Contents>",
          at->first, at->second.bytes, FormatRfc3339(modified), at->second.storage_class);
      last = at->first;
      ++count;
    }
    const bool more = at != objects.end();
    if (more) xml += "<NextContinuationToken>" + last + "</NextContinuationToken>";
    return "<ListBucketResult>" + xml + "<IsTruncated>" + (more ? "true" : "false") +
           "</IsTruncated></ListBucketResult>";
  }

  std::map<std::string, Object> objects;
  std::size_t page_size = 2;
  std::string versioning = "Enabled";
  bool versioning_denied = false;
  std::string uploads;
  std::optional<Result<HttpResponse>> failure;
  std::function<void(const HttpRequest&)> before;
  int requests = 0;
  int lists = 0;
};

struct Fixture {
  explicit Fixture(S3CollectorConfig config = {}) {
    config.name = "backups";
    config.bucket = "acme";
    config.connection = ScriptedS3::DefaultConnection();
    transport.AnswerWith([this](const HttpRequest& request) { return bucket.Answer(request); });
    collector =
        std::make_unique<S3Collector>(S3Collector::Deps{.transport = transport,
                                                        .clock = clock,
                                                        .random = random,
                                                        .metrics = metrics,
                                                        .log = log.For("s3"),
                                                        .wait = [](Millis) { return true; }},
                                      std::move(config));
  }
  Result<std::vector<MetricFamily>> Collect() {
    const Moment now = clock.Now();
    return collector->Collect({now, now.boot + Millis(10'000)});
  }
  std::vector<std::string> Lines(const std::string& prefix = "") {
    const auto families = Collect();
    EXPECT_TRUE(families.has_value()) << families.error().message;
    return families ? LinesOf(*families, prefix) : std::vector<std::string>{};
  }
  Bucket bucket;
  FakeTransport transport;
  ManualClock clock;
  SeededRandom random;
  Metrics metrics;
  RecordedLog log;
  std::unique_ptr<S3Collector> collector;
};

TEST(S3CollectorTest, CountsByGroupAndStorageClass) {
  S3CollectorConfig config;
  config.groups = {{"pg", "pg/"}, {"html", "raw/html/"}, {"leads", "pg/leads/"}, {"none", "x/"}};
  Fixture f(config);
  f.bucket.objects = {{"pg/a", {10, 100, "STANDARD"}},
                      {"pg/leads/b", {20, 300, "GLACIER"}},
                      {"pg/leads/c", {30, 200, "STANDARD"}},
                      {"raw/html/d", {40, 50, "STANDARD"}},
                      {"zzz", {50, 60, "STANDARD"}}};
  const auto lines = f.Lines();
  const std::string where = "{bucket=\"acme\", kind=\"current\", prefix_group=\"";
  EXPECT_THAT(
      LinesOf(*f.Collect(), "fettle_s3_bytes"),
      ElementsAre(
          "fettle_s3_bytes" + where + "html\", storage_class=\"STANDARD\", target=\"backups\"} 40",
          "fettle_s3_bytes" + where + "leads\", storage_class=\"GLACIER\", target=\"backups\"} 20",
          "fettle_s3_bytes" + where + "leads\", storage_class=\"STANDARD\", target=\"backups\"} 30",
          "fettle_s3_bytes" + where + "none\", storage_class=\"STANDARD\", target=\"backups\"} 0",
          "fettle_s3_bytes" + where + "other\", storage_class=\"STANDARD\", target=\"backups\"} 50",
          "fettle_s3_bytes" + where + "pg\", storage_class=\"STANDARD\", target=\"backups\"} 10"));
  EXPECT_THAT(lines, Contains("fettle_s3_newest_object_timestamp_seconds{bucket=\"acme\", "
                              "prefix_group=\"leads\", target=\"backups\"} 300"));
  // A group without objects has no newest one.
  EXPECT_THAT(lines, Not(Contains(HasSubstr("newest_object_timestamp_seconds{bucket=\"acme\", "
                                            "prefix_group=\"none\""))));
  EXPECT_THAT(lines, Contains("fettle_s3_up{bucket=\"acme\", target=\"backups\"} 1"));
  EXPECT_THAT(lines, Contains(StartsWith("fettle_s3_inventory_last_complete_timestamp_seconds")));
}

TEST(S3CollectorTest, WithoutGroupsEverythingIsAll) {
  Fixture f;
  f.bucket.objects = {{"a", {}}, {"b", {}}, {"c", {}}};
  EXPECT_THAT(
      f.Lines("fettle_s3_objects"),
      ElementsAre("fettle_s3_objects{bucket=\"acme\", kind=\"current\", "
                  "prefix_group=\"all\", storage_class=\"STANDARD\", target=\"backups\"} 3"));
  Fixture empty;
  EXPECT_THAT(empty.Lines("fettle_s3_objects"), ElementsAre(testing::EndsWith(" 0")));
}

TEST(S3CollectorTest, ALargeInventoryGoesOnOverManyTurnsAndIsShownWhole) {
  Fixture f;
  for (int i = 0; i < 100; ++i) f.bucket.objects[fmt::format("k{:03}", i)] = {};
  // Every list takes three seconds of a turn of ten.
  f.bucket.before = [&](const HttpRequest& request) {
    if (request.Query("list-type")) f.clock.Pass(Millis(3'000));
  };
  int turns = 0;
  std::vector<std::string> lines;
  for (; turns < 60 && lines.empty(); ++turns) {
    lines = f.Lines("fettle_s3_objects");
    f.clock.Pass(Millis(5'000));
  }
  EXPECT_THAT(lines, ElementsAre(testing::EndsWith(" 100")));
  EXPECT_GT(turns, 10);
  EXPECT_LE(f.bucket.lists, 51 + turns);
  EXPECT_EQ(f.metrics
                .Counter("fettle_s3_inventory_pages_total", "",
                         {{"target", "backups"}, {"bucket", "acme"}})
                .Value(),
            f.bucket.lists);
}

TEST(S3CollectorTest, KeepsShowingTheLastWholeOneWhileTheNextIsMade) {
  S3CollectorConfig config;
  config.inventory_every = std::chrono::minutes(10);
  Fixture f(config);
  for (int i = 0; i < 10; ++i) f.bucket.objects[fmt::format("k{:03}", i)] = {};
  EXPECT_THAT(f.Lines("fettle_s3_objects"), ElementsAre(testing::EndsWith(" 10")));
  f.bucket.objects["k999"] = {};
  f.clock.Pass(Millis(11 * 60'000));
  f.bucket.before = [&](const HttpRequest& request) {
    if (request.Query("list-type")) f.clock.Pass(Millis(9'000));
  };
  EXPECT_THAT(f.Lines("fettle_s3_objects"), ElementsAre(testing::EndsWith(" 10")));
  for (int i = 0; i < 8; ++i) (void)f.Collect();
  EXPECT_THAT(f.Lines("fettle_s3_objects"), ElementsAre(testing::EndsWith(" 11")));
}

TEST(S3CollectorTest, PaysForLookingAsLittleAsPromised) {
  S3CollectorConfig config;
  config.posture = true;
  Fixture f(config);
  f.bucket.objects = {{"a", {}}, {"b", {}}, {"c", {}}};
  const auto pass_an_hour = [&f] {
    f.bucket.requests = f.bucket.lists = 0;
    for (int turn = 0; turn < 240; ++turn) {
      (void)f.Collect();
      f.clock.Pass(Millis(15'000));
    }
  };
  pass_an_hour();
  EXPECT_EQ(f.bucket.lists, 4 * 2);                      // small: every 15 minutes, two pages
  EXPECT_EQ(f.bucket.requests, 60 * 2 + 4 * 2 + 4 * 1);  // reach, versioning; lists; uploads
  for (int i = 0; i < 100; ++i) f.bucket.objects[fmt::format("k{:03}", i)] = {};
  pass_an_hour();
  pass_an_hour();
  EXPECT_EQ(f.bucket.lists, 0);  // large now: once a day
  for (int hour = 0; hour < 23; ++hour) pass_an_hour();
  pass_an_hour();
  EXPECT_LE(f.bucket.lists, 60);
}

TEST(S3CollectorTest, ShowsVersioningAsPosture) {
  S3CollectorConfig config;
  config.posture = true;
  Fixture f(config);
  EXPECT_THAT(f.Lines("fettle_s3_bucket_posture"),
              ElementsAre("fettle_s3_bucket_posture{bucket=\"acme\", check=\"versioning\", "
                          "target=\"backups\"} 1"));
  f.bucket.versioning = "Suspended";
  f.clock.Pass(Millis(61'000));
  EXPECT_THAT(f.Lines("fettle_s3_bucket_posture"), ElementsAre(testing::EndsWith(" 0")));
  // What we may not know is absent, and told once.
  f.bucket.versioning_denied = true;
  for (int i = 0; i < 3; ++i) {
    f.clock.Pass(Millis(61'000));
    EXPECT_THAT(f.Lines("fettle_s3_bucket_posture"), IsEmpty());
  }
  EXPECT_EQ(f.log.Lines().size(), 1U);
  EXPECT_THAT(f.log.Lines()[0], HasSubstr("AccessDenied"));
}

TEST(S3CollectorTest, ShowsUploadsNobodyFinished) {
  Fixture f;
  f.bucket.uploads =
      "<Upload><Key>a</Key><UploadId>1</UploadId><Initiated>2026-01-02T00:00:00.000Z</Initiated>"
      "</Upload><Upload><Key>b</Key><UploadId>2</UploadId>"
      "<Initiated>2025-12-31T00:00:00.000Z</Initiated></Upload>";
  const auto lines = f.Lines();
  EXPECT_THAT(lines,
              Contains("fettle_s3_incomplete_uploads{bucket=\"acme\", target=\"backups\"} 2"));
  EXPECT_THAT(lines,
              Contains("fettle_s3_oldest_incomplete_upload_timestamp_seconds{bucket=\"acme\","
                       " target=\"backups\"} 1767139200"));
}

TEST(S3CollectorTest, ADeadS3IsUpZeroAndItComesBack) {
  Fixture f;
  f.bucket.objects = {{"a", {}}};
  EXPECT_FALSE(f.Lines("fettle_s3_objects").empty());
  f.bucket.failure = Fail(Cause::kUnavailable, "connection refused");
  f.clock.Pass(Millis(61'000));
  EXPECT_FALSE(f.Collect().has_value());
  EXPECT_THAT(LinesOf(f.collector->WhenDown()),
              ElementsAre("fettle_s3_up{bucket=\"acme\", target=\"backups\"} 0"));
  // Asked again at the next turn, not a minute later.
  f.bucket.failure.reset();
  EXPECT_THAT(f.Lines("fettle_s3_up"), ElementsAre(testing::EndsWith(" 1")));
}

TEST(S3CollectorTest, AnInventoryThatBreaksOffIsNotShownAndGoesOnLater) {
  Fixture f;
  for (int i = 0; i < 20; ++i) f.bucket.objects[fmt::format("k{:03}", i)] = {};
  int lists = 0;
  f.bucket.before = [&](const HttpRequest& request) {
    const bool breaks = request.Query("list-type") && ++lists >= 5;
    f.bucket.failure.reset();
    if (breaks) f.bucket.failure = S3Refusal(500, "InternalError");
  };
  EXPECT_FALSE(f.Collect().has_value());
  EXPECT_EQ(f.collector->Usage(), std::nullopt);
  f.bucket.before = nullptr;
  f.bucket.failure.reset();
  f.bucket.lists = 0;
  EXPECT_THAT(f.Lines("fettle_s3_objects"), ElementsAre(testing::EndsWith(" 20")));
  EXPECT_EQ(f.bucket.lists, 6);  // the four pages before were not asked for again
}

TEST(S3CollectorTest, TellsTheCostModelWhatItFound) {
  Fixture f;
  EXPECT_FALSE(f.collector->Usage().has_value());
  f.bucket.objects = {
      {"a", {10, 1, "STANDARD"}}, {"b", {5, 1, "GLACIER"}}, {"c", {7, 1, "STANDARD"}}};
  (void)f.Collect();
  const std::optional<S3Usage> usage = f.collector->Usage();
  ASSERT_TRUE(usage.has_value());
  EXPECT_EQ(usage->bucket, "acme");
  EXPECT_EQ(usage->bytes_by_class,
            (std::map<std::string, std::int64_t>{{"GLACIER", 5}, {"STANDARD", 17}}));
}

TEST(S3CollectorTest, AServerCannotInventLabels) {
  S3Inventory inventory({});
  std::vector<S3Object> page;
  for (int i = 0; i < 1'000; ++i) {
    page.push_back({.key = fmt::format("{:05}", i), .storage_class = "CLASS_" + std::to_string(i)});
  }
  page.push_back({.key = "1", .storage_class = "x\"y"});
  inventory.Add(page);
  EXPECT_LE(inventory.totals().size(), 70U);
}

TEST(S3CollectorTest, ReadsItsConfigurationAndComplains) {
  Connections known;
  known.s3["aws"].region = "eu-central-1";
  const auto read = [&known](const std::string& text) {
    return ReadText(text, [&known](yaml::Mapping& exporter) {
      return ReadS3CollectorConfigs(exporter, known);
    });
  };
  const auto [configs, complaints] = read(
      "s3: [{name: backups, connection: aws, bucket: acme-backups, groups: {pg: pg/, html: "
      "raw/html/},"
      " posture: true, inventory_every: 24h}]");
  EXPECT_EQ(complaints, "");
  ASSERT_EQ(configs.size(), 1U);
  EXPECT_EQ(configs[0].connection.region, "eu-central-1");
  EXPECT_EQ(configs[0].groups.size(), 2U);
  EXPECT_TRUE(configs[0].posture);
  const std::string wrong = read(R"(
s3:
- {name: a, connection: aw, bucket: b}
- {name: a, connection: aws, bucket: b, inventory_every: 5s, groups: {other: x/, p: y/, q: y/, r: ""}}
- {connection: aws, bukket: b}
)")
                                .second;
  for (const std::string expected :
       {"there is no connection named \"aw\", did you mean \"aws\"?", "\"a\" is observed twice",
        "inventory_every must be at least 1m", "\"other\" is the name of what is in no group",
        "groups \"p\" and \"q\" have the same prefix", "a group's prefix must be a text",
        "unknown key \"bukket\"", "\"bucket\" is missing", "\"name\" is missing"}) {
    EXPECT_THAT(wrong, HasSubstr(expected));
  }
}

}  // namespace
}  // namespace fettle::exporter
