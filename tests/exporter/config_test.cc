#include "exporter/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace fettle::exporter {
namespace {

using testing::HasSubstr;

ExporterConfig Read(std::string_view text, yaml::Complaints& complaints) {
  Connections connections;
  connections.docker["local"].endpoint = "unix:///run/docker.sock";
  connections.postgres["leads"].dsn = Secret::FromText("dbname=leads");
  connections.redis["queue"].address = "redis:6379";
  connections.s3["aws"].region = "eu-central-1";
  const auto node = yaml::Load(text, "fettle.yml", complaints);
  return ReadExporterConfig(&*node, connections, complaints);
}

TEST(ExporterConfigTest, ReadsEveryRoom) {
  yaml::Complaints complaints;
  const ExporterConfig config = Read(R"(
interval: 5s
docker: {connection: local}
host: {}
health: [{name: web, http: {url: "http://web/"}}]
postgres: [{connection: leads}]
redis: [{connection: queue, lists: [celery]}]
s3: [{name: backups, connection: aws, bucket: acme, groups: {pg: pg/}}]
watch: [{name: logs, files: {glob: "/backups/*.zst"}}]
cost: {s3_prices: {region: eu-central-1}}
)",
                                     complaints);
  EXPECT_EQ(complaints.ToString(), "");
  EXPECT_EQ(config.interval, Millis(5'000));
  EXPECT_EQ(config.docker, "local");
  EXPECT_EQ(config.health.at(0).interval, Millis(5'000));
  EXPECT_EQ(config.Kinds(), (std::set<std::string>{"cost", "docker", "health", "host", "postgres",
                                                   "redis", "s3", "watch"}));
}

TEST(ExporterConfigTest, NothingConfiguredIsNothingObserved) {
  yaml::Complaints complaints;
  const ExporterConfig config = ReadExporterConfig(nullptr, {}, complaints);
  EXPECT_TRUE(complaints.empty());
  EXPECT_TRUE(config.Kinds().empty());
}

TEST(ExporterConfigTest, ComplainsAboutEverythingAtOnce) {
  yaml::Complaints complaints;
  Read(R"(interval: 1ms
docker: {connection: locl}
hots: {}
json: []
)",
       complaints);
  const std::string all = complaints.ToString();
  EXPECT_THAT(all, HasSubstr("fettle.yml:1:11: exporter: interval must be at least 100ms, not 1ms"));
  EXPECT_THAT(all, HasSubstr("did you mean \"local\"?"));
  EXPECT_THAT(all, HasSubstr("did you mean \"host\"?"));
  EXPECT_THAT(all, HasSubstr("json is not supported by this version"));
}

}  // namespace
}  // namespace fettle::exporter
