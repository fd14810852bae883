// The kinds of probes. Each makes one try, within its time-out, and says what it found.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "common/connections.h"
#include "common/http.h"
#include "exporter/collectors/probe.h"

namespace fettle::exporter {

struct HttpProbeConfig {
  std::string url;
  std::string method = "GET";
  std::map<std::string, std::string> headers;
  std::string body;
  std::vector<int> expect_status;  // empty: any 2xx
  std::string expect_body;         // text that the body must contain
  bool follow_redirects = false;
  TlsOptions tls;
};
std::unique_ptr<Probe> MakeHttpProbe(HttpProbeConfig config, HttpTransport& transport);

// Connects; with `expect`, waits until the peer has said it.
struct TcpProbeConfig {
  std::string address;
  std::string send;
  std::string expect;
};
std::unique_ptr<Probe> MakeTcpProbe(TcpProbeConfig config, const Clock& clock);

// Shakes hands over TLS and shows fettle_tls_cert_not_after_timestamp_seconds{name,endpoint}: the
// earliest end of the certificates that the server sends, even where the hand-shake fails.
struct TlsProbeConfig {
  std::string name;
  std::string address;
  std::string server_name;  // "": the host of the address
  std::string ca_file;      // "": the system's
  bool insecure_skip_verify = false;
};
std::unique_ptr<Probe> MakeTlsProbe(TlsProbeConfig config, const Clock& clock);

// Exit code 0 is health. argv only, no shell; the environment is what is written here.
struct ExecProbeConfig {
  std::vector<std::string> command;
  std::map<std::string, std::string> environment;
};
std::unique_ptr<Probe> MakeExecProbe(ExecProbeConfig config);

struct PostgresProbeConfig {
  PostgresConnection connection;
  std::string query = "select 1";
};
std::unique_ptr<Probe> MakePostgresProbe(PostgresProbeConfig config);

std::unique_ptr<Probe> MakeRedisProbe(RedisConnection connection);

}  // namespace fettle::exporter
