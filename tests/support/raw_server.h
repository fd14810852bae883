// A server on loopback whose every byte a test chooses, for clients that must survive anything.
// The script runs on a thread of its own for each connection.
#pragma once

#include <atomic>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace fettle {

class RawServer {
 public:
  class Connection {
   public:
    Connection(int fd, int number) : fd_(fd), number_(number) {}
    // One request as sent, head and body (by Content-Length); "" once the client is gone.
    std::string ReadRequest();
    void Write(std::string_view bytes);
    // Until the client (or the test, by taking the server down) closes; reads whatever comes.
    void WaitForClose();
    // Closes with a reset instead of an end.
    void Reset();
    int number() const { return number_; }  // from 1

   private:
    int fd_;
    int number_;
    std::string ahead_;
  };
  using Script = std::function<void(Connection&)>;

  // Listens on a port of 127.0.0.1, or on a Unix socket if a path is given.
  explicit RawServer(Script script, std::string unix_path = "");
  ~RawServer();
  RawServer(const RawServer&) = delete;
  RawServer& operator=(const RawServer&) = delete;

  int port() const { return port_; }
  std::string Url(std::string_view path = "/") const;
  int connections() const { return connections_; }

  // A script that answers every request on every connection with these bytes.
  static Script Always(std::string answer);
  // A script that answers each request with the request, so that a test sees what was on the wire.
  static void Echo(Connection& connection);
  // "HTTP/1.1 200 OK", its length and the body.
  static std::string Ok(std::string_view body);

 private:
  void Accept();

  const Script script_;
  int listener_ = -1;
  int port_ = 0;
  std::atomic<int> connections_ = 0;
  std::mutex mutex_;
  bool closing_ = false;
  std::vector<int> open_;
  std::vector<std::thread> scripts_;
  std::thread acceptor_;
};

}  // namespace fettle
