// A real Redis, made for the tests, on a port the kernel chose and on a Unix socket.
#pragma once

#include <memory>
#include <string>

#include "common/connections.h"
#include "tests/support/child.h"
#include "tests/support/temp_dir.h"

namespace fettle {

class RedisServer {
 public:
  struct Options {
    std::string password = {};
    bool tls =
        false;  // then only TLS, with a certificate for "localhost" by an authority of its own
  };
  static RedisServer& Shared();
  static std::unique_ptr<RedisServer> Start(Options options);
  static std::unique_ptr<RedisServer> Start() { return Start(Options{}); }

  std::string address() const { return "127.0.0.1:" + std::to_string(port_); }
  std::string socket() const { return dir_ / "redis.sock"; }
  std::string ca_file() const { return dir_ / "cert.pem"; }
  int port() const { return port_; }
  // How a configuration would name it.
  RedisConnection Connection() const;
  Child& child() { return *child_; }

 private:
  RedisServer() = default;
  TempDir dir_;
  Options options_;
  int port_ = 0;
  std::unique_ptr<Child> child_;
};

}  // namespace fettle
