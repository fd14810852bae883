// A real MariaDB, made for the tests: a scratch server in a directory of its own, on a Unix socket
// and a port the kernel chose.
#pragma once

#include <memory>
#include <string>

#include "tests/support/child.h"
#include "tests/support/temp_dir.h"

namespace fettle {

class MariadbServer {
 public:
  static constexpr const char* kPassword = "s3cr:t of tests";
  static MariadbServer& Shared();
  static std::unique_ptr<MariadbServer> Start();

  std::string socket() const { return dir_ / "socket"; }
  int port() const { return port_; }
  // The user "app" with kPassword comes by TCP, root by the socket without one.
  // Ends the test program if the statements fail.
  void Execute(const std::string& sql) const;
  std::string Value(const std::string& sql) const;
  Child& child() { return *child_; }

 private:
  MariadbServer() = default;
  TempDir dir_;
  int port_ = 0;
  std::unique_ptr<Child> child_;
};

}  // namespace fettle
