// The built program, run as an operator runs it: a configuration in a directory of its own, a port
// the kernel chose, ended by its pid.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "common/http.h"
#include "common/http_client.h"
#include "common/json.h"
#include "tests/support/child.h"
#include "tests/support/temp_dir.h"

namespace fettle {

class Program {
 public:
  // `arguments` come after the usual ones; ${NAME} in the configuration is `environment`'s.
  struct Options {
    std::string config;  // the text of fettle.yml
    std::vector<std::string> arguments = {};
    std::map<std::string, std::string> environment = {};
    std::string token = {};  // sent with every request of this fixture
    bool tls = false;        // the arguments make it serve TLS, by whatever certificate
  };
  explicit Program(Options options);

  // Starts it and waits until it is ready; fails the test if it does not come up.
  void Start();
  // SIGKILL, and until it is gone.
  void Kill();
  // SIGTERM; the exit code.
  int Stop();
  bool Running() { return child_ && child_->Running(); }
  pid_t pid() const { return child_->pid(); }

  std::string url() const {
    return (options_.tls ? "https://127.0.0.1:" : "http://127.0.0.1:") + std::to_string(port_);
  }
  int port() const { return port_; }
  std::string storage() const { return dir_ / "data"; }
  const TempDir& dir() const { return dir_; }
  std::string Log() const { return child_->Log(); }

  HttpResponse Get(const std::string& path);
  HttpResponse Post(const std::string& path, const std::string& body);
  // Any request; status 0 and the reason if there was no answer. `url` is only the path.
  HttpResponse Send(HttpRequest request);
  // Of GET /metrics: the value of a series as it is written there, or -1 if it is absent.
  double Metric(const std::string& series);
  // Of /api/v1/query: the value of the first element, or -1 if the answer is empty.
  double Query(const std::string& expression);
  // One incident's JSON of /api/fettle/v1/incidents after the other.
  std::vector<Json> Incidents();

 private:
  const Options options_;
  TempDir dir_;
  int port_ = 0;
  std::unique_ptr<Child> child_;
  HttpClient client_;
};

// What the program prints when it is run to its end, and how it ended.
struct Ran {
  int exit_code = 0;
  std::string output;  // stdout and stderr
};
Ran RunFettle(const std::vector<std::string>& arguments,
              const std::map<std::string, std::string>& environment = {});

}  // namespace fettle
