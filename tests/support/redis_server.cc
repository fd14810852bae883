#include "tests/support/redis_server.h"

#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>

#include "tests/support/wait.h"

namespace fettle {

RedisServer& RedisServer::Shared() {
  static const std::unique_ptr<RedisServer> server = Start();
  return *server;
}

std::unique_ptr<RedisServer> RedisServer::Start(Options options) {
  std::unique_ptr<RedisServer> server(new RedisServer);
  server->options_ = options;
  server->port_ = FreePort();
  std::vector<std::string> argv = {
      "redis-server",      "--bind",       "127.0.0.1",     "--save", "", "--dir",
      server->dir_.path(), "--unixsocket", server->socket()};
  if (!options.password.empty()) argv.insert(argv.end(), {"--requirepass", options.password});
  const std::string port = std::to_string(server->port_);
  if (options.tls) {
    const int made =
        Child::Run({.argv = {"openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                             "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-keyout",
                             server->dir_ / "key.pem", "-out", server->ca_file(), "-subj",
                             "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"}});
    if (made != 0) std::abort();
    argv.insert(argv.end(), {"--port", "0", "--tls-port", port, "--tls-cert-file",
                             server->ca_file(), "--tls-key-file", server->dir_ / "key.pem",
                             "--tls-ca-cert-file", server->ca_file(), "--tls-auth-clients", "no"});
  } else {
    argv.insert(argv.end(), {"--port", port});
  }
  server->child_ = Child::Start({.argv = argv, .log_file = server->dir_ / "log"});
  if (!WaitUntil([&] { return Listens(server->port_) || !server->child_->Running(); }) ||
      !server->child_->Running()) {
    fmt::print(stderr, "test support: redis did not start: {}\n", server->child_->Log());
    std::abort();
  }
  return server;
}

RedisConnection RedisServer::Connection() const {
  RedisConnection connection;
  connection.address = address();
  if (!options_.password.empty()) connection.password = Secret::FromText(options_.password);
  if (options_.tls) {
    connection.address = "localhost:" + std::to_string(port_);
    connection.tls = true;
    connection.ca_file = ca_file();
  }
  return connection;
}

}  // namespace fettle
