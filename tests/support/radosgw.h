// A real S3, made for the tests: Ceph's radosgw by tests/support/radosgw-up, on ports the kernel
// chose.
#pragma once

#include <memory>
#include <string>

#include "common/connections.h"
#include "tests/support/child.h"
#include "tests/support/temp_dir.h"

namespace fettle {

class Radosgw {
 public:
  // The one that all tests of a program may share; started at the first call.
  static Radosgw& Shared();
  static std::unique_ptr<Radosgw> Start();

  std::string endpoint() const { return "http://127.0.0.1:" + std::to_string(port_); }
  // With the administrator's keys.
  S3Connection Connection() const;
  // A bucket of its own, made by somebody else's client.
  std::string CreateBucket();

  // The gateway dies on the spot (what it stored stays), and comes back.
  void KillGateway();
  void RestartGateway();
  // Requests hang without an answer, and go on.
  void FreezeStorage() { Signal("osd", SIGSTOP); }
  void ThawStorage() { Signal("osd", SIGCONT); }
  // radosgw-admin with these words; its exit code.
  int Admin(std::vector<std::string> words) const;

 private:
  static std::unique_ptr<Radosgw> Try();  // nullptr if it does not come up
  Radosgw() = default;
  void Signal(const std::string& server, int signal) const;

  TempDir dir_;
  int port_ = 0;
  int buckets_ = 0;
  std::unique_ptr<Child> script_;
  std::unique_ptr<Child> gateway_;  // after a restart
};

}  // namespace fettle
