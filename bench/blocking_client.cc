#include "bench/blocking_client.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <utility>

namespace fettle::bench {
namespace {

constexpr std::size_t kPieceBytes = 256 * 1024;

void Check(bool holds, std::string_view what) {
  if (holds) return;
  fmt::print(stderr, "bench client: {}\n", what);
  std::exit(1);
}

}  // namespace

BlockingClient::BlockingClient(const std::string& url) {
  const std::size_t colon = url.rfind(':');
  Check(url.starts_with("http://") && colon > 7, "not a URL: " + url);
  host_ = url.substr(7, colon - 7);
  port_ = std::atoi(url.c_str() + colon + 1);
}

BlockingClient::~BlockingClient() {
  if (socket_ >= 0) ::close(socket_);
}

void BlockingClient::Connect() {
  if (socket_ >= 0) ::close(socket_);
  socket_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port_));
  Check(::inet_pton(AF_INET, host_.c_str(), &address.sin_addr) == 1, "no address: " + host_);
  const int on = 1;
  ::setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  void* const raw = &address;
  Check(::connect(socket_, static_cast<sockaddr*>(raw), sizeof(address)) == 0, "cannot connect");
}

void BlockingClient::Prepare() {
  if (socket_ >= 0) {
    pollfd waiting{.fd = socket_, .events = POLLIN, .revents = 0};
    if (::poll(&waiting, 1, 0) == 0) return;  // nothing to read: neither data nor an end
  }
  Connect();
}

void BlockingClient::Send(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    Check(sent > 0, "cannot send");
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
}

void BlockingClient::Receive() {
  const std::size_t had = buffer_.size();
  buffer_.resize(had + kPieceBytes);
  const ssize_t got = ::recv(socket_, buffer_.data() + had, kPieceBytes, 0);
  Check(got > 0, "the connection ended");
  buffer_.resize(had + static_cast<std::size_t>(got));
}

std::string BlockingClient::ReadChunked(std::size_t at) {
  std::string body;
  for (;;) {
    std::size_t end = 0;
    while ((end = buffer_.find("\r\n", at)) == std::string::npos) Receive();
    const std::size_t size = std::strtoull(buffer_.c_str() + at, nullptr, 16);
    at = end + 2;
    while (buffer_.size() < at + size + 2) Receive();
    if (size == 0) return body;
    body.append(buffer_, at, size);
    at += size + 2;
  }
}

BlockingClient::Answer BlockingClient::Post(std::string_view target, std::string_view body,
                                            std::string_view headers) {
  std::string request =
      fmt::format("POST {} HTTP/1.1\r\nHost: {}:{}\r\nContent-Length: {}\r\n{}\r\n", target, host_,
                  port_, body.size(), headers);
  request += body;
  Send(request);
  buffer_.clear();
  std::size_t end = 0;
  while ((end = buffer_.find("\r\n\r\n")) == std::string::npos) Receive();
  const std::string_view head = std::string_view(buffer_).substr(0, end + 2);
  Answer answer;
  answer.status = std::atoi(buffer_.c_str() + 9);
  if (head.find("chunked") != std::string_view::npos) {
    answer.body = ReadChunked(end + 4);
    return answer;
  }
  std::size_t length = 0;
  for (const std::string_view name : {"Content-Length: ", "content-length: "}) {
    const std::size_t found = head.find(name);
    if (found != std::string_view::npos) {
      length = std::strtoull(buffer_.c_str() + found + name.size(), nullptr, 10);
    }
  }
  while (buffer_.size() < end + 4 + length) Receive();
  answer.body = buffer_.substr(end + 4, length);
  return answer;
}

}  // namespace fettle::bench
