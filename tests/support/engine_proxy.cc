#include "tests/support/engine_proxy.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <optional>
#include <utility>

#include "common/check.h"

namespace fettle {
namespace {

// What is there now; nullopt once the peer has closed.
std::optional<std::string> ReadSome(int fd) {
  std::array<char, 65536> buffer;
  const ssize_t got = recv(fd, buffer.data(), buffer.size(), MSG_DONTWAIT);
  if (got > 0) return std::string(buffer.data(), static_cast<std::size_t>(got));
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return std::string();
  return std::nullopt;
}

bool WriteAll(int fd, const std::string& bytes) {
  std::size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t wrote = send(fd, bytes.data() + done, bytes.size() - done, MSG_NOSIGNAL);
    if (wrote > 0) {
      done += static_cast<std::size_t>(wrote);
    } else if (errno == EAGAIN) {
      pollfd waiting{fd, POLLOUT, 0};
      poll(&waiting, 1, 1'000);
    } else if (errno != EINTR) {
      return false;
    }
  }
  return true;
}

// The request line that these bytes begin with, or "": our client sends a head in one piece.
std::string RequestLine(const std::string& bytes) {
  const std::string line = bytes.substr(0, bytes.find("\r\n"));
  return line.ends_with("HTTP/1.1") ? line : "";
}

}  // namespace

EngineProxy::EngineProxy(std::string engine_socket, Hook hook)
    : engine_socket_(std::move(engine_socket)), hook_(std::move(hook)) {
  listener_ = UniqueFd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  FETTLE_CHECK(bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), size) == 0);
  FETTLE_CHECK(listen(listener_.get(), 64) == 0);
  getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&address), &size);
  port_ = ntohs(address.sin_port);
  acceptor_ = std::jthread([this] { Accept(); });
}

EngineProxy::~EngineProxy() {
  ending_ = true;
  shutdown(listener_.get(), SHUT_RDWR);
  acceptor_.join();
  threads_.clear();
}

std::string EngineProxy::endpoint() const { return "tcp://127.0.0.1:" + std::to_string(port_); }

void EngineProxy::Accept() {
  while (!ending_) {
    UniqueFd client(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!client) return;
    const std::lock_guard lock(mutex_);
    threads_.emplace_back([this, shared = std::make_shared<UniqueFd>(std::move(client))]() mutable {
      Pass(std::move(*shared));
    });
  }
}

void EngineProxy::Pass(UniqueFd client) {
  const Result<UniqueFd> engine = Dial(engine_socket_, Millis(5'000));
  if (!engine) return;
  std::string line;  // of the request that is not answered yet
  while (!ending_) {
    std::array<pollfd, 2> waiting = {pollfd{client.get(), POLLIN, 0},
                                     pollfd{engine->get(), POLLIN, 0}};
    poll(waiting.data(), waiting.size(), 50);
    const std::optional<std::string> asked = ReadSome(client.get());
    if (!asked) return;
    if (!asked->empty()) {
      line = RequestLine(*asked);
      if (!line.empty()) hook_(Point::kBeforeRequest, line);
      // Somebody who was killed in the hook has not sent this.
      pollfd gone{client.get(), POLLRDHUP, 0};
      if (poll(&gone, 1, 0) > 0 && (gone.revents & (POLLRDHUP | POLLHUP)) != 0) return;
      if (!WriteAll(engine->get(), *asked)) return;
      if (!line.empty()) hook_(Point::kAfterRequest, line);
    }
    const std::optional<std::string> answered = ReadSome(engine->get());
    if (!answered) return;
    if (!answered->empty()) {
      if (!line.empty()) hook_(Point::kBeforeAnswer, std::exchange(line, ""));
      if (!WriteAll(client.get(), *answered)) return;
    }
  }
}

}  // namespace fettle
