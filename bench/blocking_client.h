// An HTTP client that costs next to nothing, so that what is measured is the server: one
// connection, one request at a time, whole answers, no TLS. Ends the program on a broken answer.
#pragma once

#include <string>
#include <string_view>

namespace fettle::bench {

class BlockingClient {
 public:
  struct Answer {
    int status = 0;
    std::string body;
  };
  // http://HOST:PORT, HOST an IPv4 address.
  explicit BlockingClient(const std::string& url);
  ~BlockingClient();
  BlockingClient(const BlockingClient&) = delete;
  BlockingClient& operator=(const BlockingClient&) = delete;

  // Connects anew if the server has closed the connection: not to be timed.
  void Prepare();
  // `headers` are whole lines.
  Answer Post(std::string_view target, std::string_view body, std::string_view headers);

 private:
  void Connect();
  void Send(std::string_view bytes);
  // Appends what has come to the buffer.
  void Receive();
  std::string ReadChunked(std::size_t at);

  std::string host_;
  int port_ = 0;
  int socket_ = -1;
  std::string buffer_;
};

}  // namespace fettle::bench
