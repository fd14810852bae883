// Probes against servers that are really there, and really not.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "exporter/collectors/probe_kinds.h"
#include "tests/support/postgres_server.h"
#include "tests/support/redis_server.h"

namespace fettle::exporter {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

TEST(PostgresProbeRealTest, AsksItsQuery) {
  const Secret dsn = Secret::FromText(PostgresServer::Shared().Dsn());
  EXPECT_TRUE(MakePostgresProbe({.connection = {dsn}})->Try(10s).health);
  const ProbeAnswer answer =
      MakePostgresProbe({.connection = {dsn}, .query = "select * from nothing"})->Try(10s);
  ASSERT_FALSE(answer.health);
  EXPECT_THAT(answer.health.error().message, HasSubstr("nothing"));
}

TEST(PostgresProbeRealTest, AFrozenServerIsATimeout) {
  const auto server = PostgresServer::Start();
  const Secret dsn = Secret::FromText(server->Dsn());
  server->Freeze();
  EXPECT_FALSE(MakePostgresProbe({.connection = {dsn}})->Try(1s).health);
  server->Thaw();
  EXPECT_TRUE(MakePostgresProbe({.connection = {dsn}})->Try(10s).health);
}

TEST(RedisProbeRealTest, Pings) {
  EXPECT_TRUE(MakeRedisProbe(RedisServer::Shared().Connection())->Try(10s).health);
  const auto locked = RedisServer::Start({.password = "sesame"});
  EXPECT_TRUE(MakeRedisProbe(locked->Connection())->Try(10s).health);
  RedisConnection anonymous = locked->Connection();
  anonymous.password = {};
  const ProbeAnswer answer = MakeRedisProbe(anonymous)->Try(10s);
  ASSERT_FALSE(answer.health);
  EXPECT_THAT(answer.health.error().message, HasSubstr("NOAUTH"));
}

TEST(TlsProbeRealTest, ShowsWhenTheCertificateEndsEvenIfItIsNotTrusted) {
  const SystemClock clock;
  const auto server = RedisServer::Start({.tls = true});
  TlsProbeConfig config{.name = "queue",
                        .address = server->address(),
                        .server_name = "localhost",
                        .ca_file = server->ca_file()};
  ProbeAnswer answer = MakeTlsProbe(config, clock)->Try(10s);
  EXPECT_TRUE(answer.health) << answer.health.error().message;
  ASSERT_EQ(answer.shown.size(), 1U);
  EXPECT_EQ(answer.shown[0].name, "fettle_tls_cert_not_after_timestamp_seconds");
  EXPECT_GT(answer.shown[0].points[0].value, ToSeconds(clock.Now().wall));

  config.ca_file.clear();
  answer = MakeTlsProbe(config, clock)->Try(10s);
  ASSERT_FALSE(answer.health);
  EXPECT_THAT(answer.health.error().message, HasSubstr("its certificate: "));
  EXPECT_EQ(answer.shown.size(), 1U);

  config.insecure_skip_verify = true;
  EXPECT_TRUE(MakeTlsProbe(config, clock)->Try(10s).health);

  config.insecure_skip_verify = false;
  config.ca_file = server->ca_file();
  config.server_name = "elsewhere.example";
  answer = MakeTlsProbe(config, clock)->Try(10s);
  ASSERT_FALSE(answer.health);
  EXPECT_THAT(answer.health.error().message, HasSubstr("ostname mismatch"));
}

TEST(TlsProbeRealTest, APlainServerIsNoTls) {
  const SystemClock clock;
  const ProbeAnswer answer =
      MakeTlsProbe({.name = "x", .address = RedisServer::Shared().address()}, clock)->Try(5s);
  ASSERT_FALSE(answer.health);
  EXPECT_THAT(answer.health.error().message, HasSubstr("TLS hand-shake"));
}

}  // namespace
}  // namespace fettle::exporter
