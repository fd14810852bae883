// Puts handlers on a port (civetweb stays inside http_server.cc): the doors.
//
// Doors are civetweb's threads. A handler parses, validates, and reads a snapshot or posts to the
// brain; it may run on many threads at once. What it throws becomes a 500. Limits are named in
// Options; every refusal is counted in fettle_http_refused_total.
//
// What civetweb 1.15 (Debian's) does not do: it listens on IPv4 only; it answers "OPTIONS *" and
// absolute-form targets by closing; it refuses chunk extensions (400).
#pragma once

#include <memory>
#include <string>

#include "common/exemplar_board.h"
#include "common/http.h"
#include "common/log.h"
#include "common/metrics.h"
#include "common/result.h"
#include "common/router.h"
#include "common/web_config.h"

namespace fettle {

class HttpServer {
 public:
  struct Options {
    std::string listen_address = "127.0.0.1:9911";  // port 0: the kernel chooses
    int threads = 64;
    int doors_kept = 4;  // for /webhook and /-/, even when all others are busy: others get 503
    int connections_per_address_max = 8;  // then an idle one of them is closed, or the new one
    int streams_max = 8;                  // live viewers; then 503
    Millis header_deadline{5'000};        // 408
    Millis keep_alive{2'000};
    Millis body_deadline{30'000};                     // 408
    Millis write_deadline{60'000};                    // for a client to take its answer
    std::size_t body_bytes_max = 8 * 1024 * 1024;     // 413
    std::size_t bodies_bytes_max = 64 * 1024 * 1024;  // of all requests at one time: 503
    std::size_t header_bytes_max = 16 * 1024;         // 431; more than 63 headers, too
    std::size_t url_bytes_max = 8 * 1024;             // 414
    std::size_t gzip_bytes_min = 1024;                // smaller answers are sent as they are
  };
  struct Deps {
    const Clock& clock;
    Metrics& metrics;
    Log log;
    ExemplarBoard* exemplars = nullptr;  // where requests that were part of a trace are noted
  };
  // Listens at once; the router and the web configuration must not change afterwards.
  // Refuses to serve TLS unless civetweb got its library (see tls_shim).
  static Result<std::unique_ptr<HttpServer>> Start(Deps deps, Options options, WebConfig web_config,
                                                   Router router);
  // Finishes requests that have begun, closes the others.
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  // "127.0.0.1:41234": what it really listens on.
  std::string address() const;
  // "http://127.0.0.1:41234", or https.
  std::string url() const;

 private:
  struct Impl;
  explicit HttpServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace fettle
