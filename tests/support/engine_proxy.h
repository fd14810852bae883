// Stands between fettle and a real engine, and tells the test what passes: so that fettle can be
// killed exactly before a call reaches the engine, after it did, or before its answer comes back.
//
// The hook runs on the connection's thread and holds that connection (not others) while it runs.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "common/dial.h"

namespace fettle {

class EngineProxy {
 public:
  enum class Point { kBeforeRequest, kAfterRequest, kBeforeAnswer };
  // `line` is the request's first line: "POST /v1.41/containers/ab12/restart?t=1 HTTP/1.1".
  using Hook = std::function<void(Point point, const std::string& line)>;

  EngineProxy(std::string engine_socket, Hook hook);
  ~EngineProxy();
  EngineProxy(const EngineProxy&) = delete;
  EngineProxy& operator=(const EngineProxy&) = delete;

  // tcp://127.0.0.1:port, for connections.docker.
  std::string endpoint() const;

 private:
  void Accept();
  void Pass(UniqueFd client);

  const std::string engine_socket_;
  const Hook hook_;
  UniqueFd listener_;
  int port_ = 0;
  std::atomic<bool> ending_ = false;
  std::mutex mutex_;
  std::vector<std::jthread> threads_;
  std::jthread acceptor_;
};

}  // namespace fettle
