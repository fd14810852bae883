// A real Prometheus, made for the tests: the program that peer.h names.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "tests/support/child.h"
#include "tests/support/temp_dir.h"

namespace fettle {

class PrometheusServer {
 public:
  // `config` is prometheus.yml, which may name `rules` as rules.yml.
  static std::unique_ptr<PrometheusServer> Start(const std::string& config,
                                                 const std::string& rules = "",
                                                 std::vector<std::string> arguments = {});
  // SIGKILL, and until it is gone.
  void Kill();
  // Once more at the same address, with what it has stored.
  void StartAgain();

  std::string url() const { return "http://127.0.0.1:" + std::to_string(port_); }
  // Of /api/v1/query: the value of the first element, or -1 if the answer is empty.
  double Query(const std::string& expression) const;
  // The body of any GET.
  std::string Get(const std::string& path) const;
  Child& child() { return *child_; }

 private:
  PrometheusServer() = default;
  TempDir dir_;
  std::vector<std::string> argv_;
  int port_ = 0;
  std::unique_ptr<Child> child_;
};

}  // namespace fettle
