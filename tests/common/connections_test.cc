#include "common/connections.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace fettle {
namespace {

struct Read {
  Connections connections;
  std::string complaints;
};
Read ReadText(std::string_view text) {
  yaml::Complaints complaints;
  const std::optional<yaml::Node> node = yaml::Load(text, "f.yml", complaints);
  Read out;
  if (node) out.connections = ReadConnections(&*node, complaints);
  out.complaints = complaints.ToString();
  return out;
}

TEST(ConnectionsTest, NoSectionIsNoConnections) {
  yaml::Complaints complaints;
  const Connections connections = ReadConnections(nullptr, complaints);
  EXPECT_TRUE(connections.docker.empty() && connections.postgres.empty() &&
              connections.redis.empty() && connections.s3.empty());
  EXPECT_TRUE(complaints.empty());
  EXPECT_EQ(ReadText("").complaints, "");
}

TEST(ConnectionsTest, ReadsEveryKindOfServer) {
  const Read read = ReadText(R"(
docker:
  local: {endpoint: "unix:///var/run/docker.sock"}
  proxy: {endpoint: "tcp://proxy:2375"}
postgres: {leads: {dsn_file: /run/secrets/leads_dsn}}
redis:
  queue: {address: "redis:6379", username: u, password_file: /run/redis, tls: true, ca_file: /ca}
  six: {address: "[::1]:6379"}
s3:
  aws: {region: eu-central-1}
  minio:
    endpoint: http://minio:9000
    access_key_id: AKIA
    secret_access_key_file: /run/key
    session_token: t
    addressing: path
    tls: {ca_file: /ca, cert_file: /c, key_file: /k, server_name: m, insecure_skip_verify: true}
)");
  EXPECT_EQ(read.complaints, "");
  const Connections& c = read.connections;
  EXPECT_EQ(c.docker.at("local").endpoint, "unix:///var/run/docker.sock");
  EXPECT_EQ(c.docker.at("proxy").endpoint, "tcp://proxy:2375");
  EXPECT_EQ(c.postgres.at("leads").dsn, Secret::FromFile("/run/secrets/leads_dsn"));
  const RedisConnection& redis = c.redis.at("queue");
  EXPECT_EQ(redis.address, "redis:6379");
  EXPECT_EQ(redis.username, "u");
  EXPECT_EQ(redis.password, Secret::FromFile("/run/redis"));
  EXPECT_TRUE(redis.tls);
  EXPECT_EQ(redis.ca_file, "/ca");
  EXPECT_EQ(c.redis.at("six").address, "[::1]:6379");
  EXPECT_EQ(c.s3.at("aws").region, "eu-central-1");
  EXPECT_EQ(c.s3.at("aws").endpoint, "");
  EXPECT_EQ(c.s3.at("aws").addressing, S3Connection::Addressing::kAuto);
  const S3Connection& minio = c.s3.at("minio");
  EXPECT_EQ(minio.endpoint, "http://minio:9000");
  EXPECT_EQ(minio.region, "us-east-1");
  EXPECT_EQ(minio.access_key_id, Secret::FromText("AKIA"));
  EXPECT_EQ(minio.secret_access_key, Secret::FromFile("/run/key"));
  EXPECT_EQ(minio.session_token, Secret::FromText("t"));
  EXPECT_EQ(minio.addressing, S3Connection::Addressing::kPath);
  EXPECT_EQ(minio.tls.ca_file, "/ca");
  EXPECT_EQ(minio.tls.cert_file, "/c");
  EXPECT_EQ(minio.tls.key_file, "/k");
  EXPECT_EQ(minio.tls.server_name, "m");
  EXPECT_TRUE(minio.tls.insecure_skip_verify);
}

TEST(ConnectionsTest, NamesEveryMistakeWithItsPlace) {
  EXPECT_EQ(ReadText(R"(docker:
  a: {endpoint: /var/run/docker.sock}
  b: {}
  "": {endpoint: "unix:///x"}
postgres:
  c: {dns: x}
  d: {dsn: x, dsn_file: /x}
redis:
  e: {address: redis}
  f: {address: "redis:0"}
  g: {tls: maybe, address: "::1:6379"}
s3:
  h: {endpoint: "minio:9000", adressing: path}
  i: {access_key_id: x}
  j: {tls: {cert_file: /c}, addressing: virtual}
  k: [1]
sqs: {}
)")
                .complaints,
            "f.yml:2:17: connections.docker.a: endpoint must begin with unix:///, tcp://, http:// "
            "or https://, not be \"/var/run/docker.sock\"\n"
            "f.yml:3:6: connections.docker.b: \"endpoint\" is missing\n"
            "f.yml:4:3: connections: docker has a connection without a name\n"
            "f.yml:6:6: connections.postgres.c: one of dsn & dsn_file must be configured\n"
            "f.yml:6:7: connections.postgres.c: unknown key \"dns\", did you mean \"dsn\"?\n"
            "f.yml:7:25: connections.postgres.d: at most one of dsn & dsn_file must be configured\n"
            "f.yml:9:16: connections.redis.e: address must be host:port, not \"redis\"\n"
            "f.yml:10:16: connections.redis.f: address must be host:port, not \"redis:0\"\n"
            "f.yml:11:12: connections.redis.g: tls must be true or false, not \"maybe\"\n"
            "f.yml:11:28: connections.redis.g: address must be host:port, not \"::1:6379\"\n"
            "f.yml:13:17: connections.s3.h: endpoint must begin with http:// or https://, not be "
            "\"minio:9000\"\n"
            "f.yml:13:31: connections.s3.h: unknown key \"adressing\", did you mean "
            "\"addressing\"?\n"
            "f.yml:14:6: connections.s3.i: access_key_id and secret_access_key belong together; "
            "configure both or none\n"
            "f.yml:15:12: connections.s3.j.tls: cert_file and key_file belong together; configure "
            "both or none\n"
            "f.yml:15:41: connections.s3.j: addressing must be auto, path or virtual_host, not "
            "\"virtual\"\n"
            "f.yml:16:6: connections.s3.k: must be a mapping, not a list\n"
            "f.yml:17:1: connections: unknown key \"sqs\"");
}

}  // namespace
}  // namespace fettle
