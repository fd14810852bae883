// A client on loopback whose every byte a test chooses, for servers that must survive anything.
#pragma once

#include <chrono>
#include <string>
#include <string_view>

namespace fettle {

class RawClient {
 public:
  // "127.0.0.1:41234". A small receive buffer makes a slow reader of it.
  explicit RawClient(const std::string& address, int receive_buffer = 0);
  ~RawClient();
  RawClient(const RawClient&) = delete;
  RawClient& operator=(const RawClient&) = delete;

  // False once the server has closed.
  bool Send(std::string_view bytes) const;
  // No more will be sent.
  void EndSending() const;
  // One answer, head and body by Content-Length or chunks; what there is if the server closes or
  // the time is over.
  std::string ReadAnswer(bool has_body = true);
  // Sends, then reads one answer.
  std::string Ask(std::string_view bytes);
  // True if the server closes within the time; what comes before is read away.
  bool WaitForClose(std::chrono::milliseconds within = std::chrono::seconds(20)) const;

 private:
  int fd_ = -1;
  std::string ahead_;
};

}  // namespace fettle
