// An Alertmanager binary and fettle's drop-in for it, started the same way: the kernel chooses the
// ports and the log says which.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "common/http.h"
#include "common/json.h"
#include "tests/support/child.h"
#include "tests/support/temp_dir.h"

namespace fettle {

class DropIn {
 public:
  enum class Kind { kAlertmanager, kFettle };
  // `config` is alertmanager.yml. Fails the test program if it does not come up.
  DropIn(Kind kind, const std::string& config, std::vector<std::string> arguments = {});

  // True if the Alertmanager here is the one whose behaviour is claimed, 0.33.
  static bool IsNewAlertmanager();
  // Starts it again, over the same storage.
  void Start();
  // SIGKILL, and until it is gone.
  void Kill();
  // SIGTERM; the exit code.
  int Stop();
  // Writes another configuration and sends SIGHUP.
  void Reload(const std::string& config);

  std::string url() const { return "http://" + address_; }
  const std::string& address() const { return address_; }
  std::string Log() const { return child_->Log(); }
  const TempDir& dir() const { return dir_; }

  HttpResponse Send(HttpRequest request) const;  // `url` is only the path
  HttpResponse Get(const std::string& path) const { return Send({.url = path}); }
  HttpResponse Post(const std::string& path, const std::string& body) const;
  Json GetJson(const std::string& path) const;
  // What amtool prints, stdout and stderr, without the times and ids that differ each time.
  std::string Amtool(const std::string& program, std::vector<std::string> arguments) const;

 private:
  const Kind kind_;
  const std::vector<std::string> arguments_;
  TempDir dir_;
  std::string address_;
  std::unique_ptr<Child> child_;
};

}  // namespace fettle
