// A real Alertmanager, made for the tests: the program that peer.h names.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "tests/support/child.h"
#include "tests/support/temp_dir.h"

namespace fettle {

class AlertmanagerServer {
 public:
  // `config` is alertmanager.yml.
  static std::unique_ptr<AlertmanagerServer> Start(const std::string& config);

  std::string url() const { return "http://127.0.0.1:" + std::to_string(port_); }
  // SIGKILL, and until it is gone; then once more at the same address, with nothing in mind.
  void Kill();
  void StartAgain();

  // The body of POST /api/v2/alerts; ends the test program unless it is accepted.
  void Post(const std::string& alerts) const;
  Child& child() { return *child_; }

 private:
  AlertmanagerServer() = default;
  TempDir dir_;
  std::vector<std::string> argv_;
  int port_ = 0;
  std::unique_ptr<Child> child_;
};

}  // namespace fettle
