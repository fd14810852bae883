// The S3 collector against radosgw. Goal: what it shows is what is there.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/http_client.h"
#include "exporter/collectors/s3.h"
#include "tests/support/families.h"
#include "tests/support/radosgw.h"
#include "tests/support/recorded_log.h"
#include "tests/support/seeded_random.h"

namespace fettle::exporter {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::EndsWith;
using testing::StartsWith;

TEST(S3CollectorRealTest, ShowsWhatIsInTheBucket) {
  Radosgw& server = Radosgw::Shared();
  const SystemClock clock;
  SystemRandom random;
  Metrics metrics;
  RecordedLog log;
  HttpClient transport;
  S3 s3({.transport = transport,
         .clock = clock,
         .random = random,
         .metrics = metrics,
         .log = log.For("s3")},
        "main", server.Connection());
  S3CollectorConfig config;
  config.name = "main";
  config.connection = server.Connection();
  config.bucket = server.CreateBucket();
  config.groups = {{"pg", "pg/"}};
  config.posture = true;
  ASSERT_TRUE(s3.SetVersioning(config.bucket, true).has_value());
  ASSERT_TRUE(s3.Put(config.bucket, "pg/a", std::string(1'000, 'x'), {}).has_value());
  ASSERT_TRUE(s3.Put(config.bucket, "pg/b", std::string(500, 'x'), {}).has_value());
  ASSERT_TRUE(s3.Put(config.bucket, "raw/c", std::string(7, 'x'), {}).has_value());
  ASSERT_TRUE(s3.CreateMultipartUpload(config.bucket, "pg/unfinished", {}).has_value());

  S3Collector collector({.transport = transport,
                         .clock = clock,
                         .random = random,
                         .metrics = metrics,
                         .log = log.For("s3")},
                        config);
  const auto families = collector.Collect({clock.Now(), clock.Now().boot + Millis(10'000)});
  ASSERT_TRUE(families.has_value()) << families.error().message;
  EXPECT_THAT(LinesOf(*families, "fettle_s3_bytes"),
              ElementsAre(EndsWith(" 7"), EndsWith(" 1500")));
  EXPECT_THAT(LinesOf(*families, "fettle_s3_objects"), ElementsAre(EndsWith(" 1"), EndsWith(" 2")));
  EXPECT_THAT(LinesOf(*families, "fettle_s3_up"), ElementsAre(EndsWith(" 1")));
  EXPECT_THAT(LinesOf(*families, "fettle_s3_bucket_posture"), ElementsAre(EndsWith(" 1")));
  EXPECT_THAT(LinesOf(*families, "fettle_s3_incomplete_uploads"), ElementsAre(EndsWith(" 1")));
  EXPECT_THAT(LinesOf(*families),
              Contains(StartsWith("fettle_s3_newest_object_timestamp_seconds")));
  EXPECT_TRUE(log.Lines().empty());
}

}  // namespace
}  // namespace fettle::exporter
