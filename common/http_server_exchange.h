// One request and its answer on one connection of the HTTP server: the head is checked, the caller
// is asked who they are, the body is read, the handler runs, the answer is written. Internal to
// http_server.cc.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/auth.h"
#include "common/doors.h"
#include "common/http_server.h"

struct mg_connection;
struct mg_request_info;

namespace fettle {

// The server's counters. Safe from any thread.
class ServerStats {
 public:
  ServerStats(Metrics& metrics, const Router& router);
  // `route` is nullptr for what has none.
  // Where the duration is counted: name and labels of a bucket.
  struct Counted {
    std::string family;
    Labels bucket;
  };
  Counted Served(const Router::Route* route, int status, Micros took);
  // One of a few fixed words; an unknown one is a broken promise.
  void Refused(std::string_view reason);
  void Open(int connections) { open_.Set(connections); }

 private:
  struct PerRoute {
    std::string path;
    prometheus::Histogram* seconds = nullptr;
    std::map<int, prometheus::Counter*> by_code;  // guarded by mutex_
  };
  Metrics& metrics_;
  prometheus::Gauge& open_;
  std::map<std::string, prometheus::Counter*, std::less<>> refused_;
  std::mutex mutex_;
  std::map<std::string, PerRoute, std::less<>> routes_;  // by path; "other" for none
};

// What all exchanges of one server share.
struct ServerShared {
  ServerShared(HttpServer::Deps deps, HttpServer::Options options, WebConfig web_config,
               Router router);

  const HttpServer::Deps deps;
  const HttpServer::Options options;
  const WebConfig config;
  const Router router;
  Authenticator auth;
  ServerStats stats;
  std::atomic<std::size_t> body_bytes = 0;  // of all requests that are being served
  std::atomic<int> streams = 0;
  std::atomic<bool> stopping = false;
  std::mutex doors_mutex;
  Doors doors;  // guarded by doors_mutex
};

class Exchange {
 public:
  Exchange(ServerShared& shared, mg_connection* connection);
  ~Exchange();
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;

  // Serves it; says the status that was answered.
  int Serve();
  // Answers what civetweb itself refused, before there was a request.
  void ServeError(int status, std::string_view reason, std::string_view text);

 private:
  void ReadHead();
  HttpResponse Respond();
  std::optional<HttpResponse> CheckHead();
  std::optional<HttpResponse> FindRoute();
  std::optional<HttpResponse> ReadBody();
  HttpResponse Handle();
  HttpResponse Refuse(std::string_view reason, HttpResponse response);
  // Takes what the client still sends, so that it gets to reading the answer.
  void Drain();
  bool Grow(std::string_view piece);
  void Write(HttpResponse& response);
  std::string Head(const HttpResponse& response) const;
  void Stream(const HttpResponse& response);
  // Counts it, and notes whose trace it was part of.
  void Count(int status, Micros took);
  bool Send(std::string_view bytes);
  bool Overdue();
  template <typename Do>
  auto WithDoors(Do act) {
    const std::lock_guard lock(shared_.doors_mutex);
    return act(shared_.doors);
  }

  ServerShared& shared_;
  mg_connection* const connection_;
  const mg_request_info& info_;
  const std::optional<Doors::Peer> peer_;
  HttpRequest request_;
  const Router::Route* route_ = nullptr;
  Authenticator::Verdict verdict_;
  std::size_t counted_body_bytes_ = 0;
  bool streams_ = false;
  bool only_kept_ = false;
  bool has_body_ = false;
  bool body_read_ = false;
  bool close_ = false;
};

}  // namespace fettle
