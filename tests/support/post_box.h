// People who are told: a real HTTP server on loopback that keeps what is posted to /team, /slack and
// /oncall.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "common/http_server.h"
#include "common/json.h"
#include "tests/support/recorded_log.h"

namespace fettle {

class PostBox {
 public:
  PostBox();
  std::string url() const { return server_->url(); }
  // The bodies posted to a path, in order.
  std::vector<std::string> At(const std::string& path) const;
  std::size_t CountAt(const std::string& path) const { return At(path).size(); }

 private:
  SystemClock clock_;
  Metrics metrics_;
  RecordedLog log_;
  mutable std::mutex mutex_;
  std::vector<std::pair<std::string, std::string>> posts_;
  std::unique_ptr<HttpServer> server_;
};

}  // namespace fettle
