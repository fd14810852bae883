// Puts handlers on a port (civetweb stays inside http_server.cc): the doors.
//
// Doors are civetweb's threads. A handler parses, validates, and reads a snapshot or posts to the
// brain; it may run on many threads at once. Limits are named in Options and counted when reached.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "common/http.h"
#include "common/log.h"
#include "common/metrics.h"
#include "common/result.h"
#include "common/web_config.h"

namespace fettle {

// The routes of one server, listed by hand where the program is built. Longest path wins; a path
// ending in "/" is a prefix. A known path with another method is 405.
class Router {
 public:
  void Add(std::string method, std::string path, Role role, HttpHandler handler);
  struct Route {
    std::string method;
    std::string path;
    Role role = Role::kRead;
    HttpHandler handler;
  };
  // nullptr and the allowed methods if there is none.
  const Route* Find(std::string_view method, std::string_view path) const;
  std::vector<std::string> MethodsAt(std::string_view path) const;
  const std::vector<Route>& routes() const { return routes_; }

 private:
  std::vector<Route> routes_;
};

class HttpServer {
 public:
  struct Options {
    std::string listen_address = "127.0.0.1:9911";  // port 0: the kernel chooses
    int threads = 64;
    int doors_kept = 4;                  // for /webhook and /-/, even when all others are busy
    int connections_per_address_max = 8;
    Millis header_deadline{5'000};
    Millis keep_alive{2'000};
    std::size_t body_bytes_max = 8 * 1024 * 1024;  // then 413
    std::size_t header_bytes_max = 16 * 1024;
  };
  struct Deps {
    const Clock& clock;
    Metrics& metrics;
    Log log;
  };
  // Listens at once; the router and the web configuration must not change afterwards.
  // Refuses to serve TLS unless civetweb got its library (see tls_shim).
  static Result<std::unique_ptr<HttpServer>> Start(Deps deps, Options options, WebConfig web_config,
                                                   Router router);
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  // "127.0.0.1:41234": what it really listens on.
  std::string address() const;

 private:
  struct Impl;
  explicit HttpServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace fettle
