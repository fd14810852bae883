#include "tests/support/raw_server.h"

#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "common/check.h"

namespace fettle {

std::string RawServer::Connection::ReadRequest() {
  std::array<char, 64 * 1024> buffer;
  for (;;) {
    const std::size_t head = ahead_.find("\r\n\r\n");
    if (head != std::string::npos) {
      std::size_t length = head + 4;
      const std::size_t field = ahead_.find("Content-Length: ");
      if (field < head) length += std::strtoull(ahead_.c_str() + field + 16, nullptr, 10);
      if (ahead_.size() >= length) {
        std::string request = ahead_.substr(0, length);
        ahead_.erase(0, length);
        return request;
      }
    }
    const ssize_t got = ::recv(fd_, buffer.data(), buffer.size(), 0);
    if (got <= 0) return {};
    ahead_.append(buffer.data(), static_cast<std::size_t>(got));
  }
}

void RawServer::Connection::Write(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return;  // The client has seen enough.
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
}

void RawServer::Connection::WaitForClose() {
  std::array<char, 4096> buffer;
  while (::recv(fd_, buffer.data(), buffer.size(), 0) > 0) {
  }
}

void RawServer::Connection::Reset() {
  const linger at_once{1, 0};
  ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
}

RawServer::RawServer(Script script, std::string unix_path) : script_(std::move(script)) {
  if (unix_path.empty()) {
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    FETTLE_CHECK(::bind(listener_, reinterpret_cast<sockaddr*>(&address), size) == 0);
    FETTLE_CHECK(::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) == 0);
    port_ = ntohs(address.sin_port);
  } else {
    listener_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    FETTLE_CHECK(unix_path.size() < sizeof address.sun_path);
    std::memcpy(address.sun_path, unix_path.data(), unix_path.size());
    FETTLE_CHECK(::bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  }
  FETTLE_CHECK(::listen(listener_, 64) == 0);
  acceptor_ = std::thread([this] { Accept(); });
}

RawServer::~RawServer() {
  ::shutdown(listener_, SHUT_RDWR);
  acceptor_.join();
  {
    const std::lock_guard lock(mutex_);
    closing_ = true;
    for (const int fd : open_) ::shutdown(fd, SHUT_RDWR);
  }
  for (std::thread& script : scripts_) script.join();
  ::close(listener_);
}

void RawServer::Accept() {
  for (;;) {
    const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (fd < 0) return;
    const int number = ++connections_;
    const std::lock_guard lock(mutex_);
    open_.push_back(fd);
    scripts_.emplace_back([this, fd, number] {
      Connection connection(fd, number);
      script_(connection);
      const std::lock_guard relock(mutex_);
      std::erase(open_, fd);
      ::close(fd);
    });
  }
}

std::string RawServer::Url(std::string_view path) const {
  return fmt::format("http://127.0.0.1:{}{}", port_, path);
}

RawServer::Script RawServer::Always(std::string answer) {
  return [answer = std::move(answer)](Connection& connection) {
    while (!connection.ReadRequest().empty()) connection.Write(answer);
  };
}

void RawServer::Echo(Connection& connection) {
  for (;;) {
    const std::string request = connection.ReadRequest();
    if (request.empty()) return;
    connection.Write(Ok(request));
  }
}

std::string RawServer::Ok(std::string_view body) {
  return fmt::format("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{}", body.size(), body);
}

}  // namespace fettle
