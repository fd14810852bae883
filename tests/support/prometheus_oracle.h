// A real Prometheus with what a test gives it by remote write: the oracle for queries.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "common/http_client.h"
#include "common/result.h"
#include "common/sample.h"
#include "tests/support/child.h"
#include "tests/support/temp_dir.h"

namespace fettle {

class PrometheusOracle {
 public:
  // The program that is asked (peer.h); "" if there is none.
  static std::string Program();
  // Keeps everything, however old. Ends the test program if it does not come up.
  static std::unique_ptr<PrometheusOracle> Start();

  std::string url() const { return "http://127.0.0.1:" + std::to_string(port_); }
  // "2.42.0+ds".
  std::string Version();
  // By remote write 1.0; samples of one series in order of time.
  Status Write(const std::vector<Sample>& samples);
  // A form POST to /api/v1/<endpoint>.
  Result<HttpResponse> Post(const std::string& endpoint,
                            const std::vector<std::pair<std::string, std::string>>& form);

 private:
  PrometheusOracle() = default;
  TempDir directory_;
  int port_ = 0;
  std::unique_ptr<Child> child_;
  HttpClient http_;
};

}  // namespace fettle
