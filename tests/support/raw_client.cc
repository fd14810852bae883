#include "tests/support/raw_client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <utility>

#include "common/check.h"

namespace fettle {
namespace {

constexpr int kWaitMillisMax = 20'000;

// The length of a whole answer at the beginning of `text`, or npos.
std::size_t AnswerSize(const std::string& text, bool has_body) {
  const std::size_t head = text.find("\r\n\r\n");
  if (head == std::string::npos) return head;
  const std::size_t body = head + 4;
  if (!has_body) return body;
  const std::size_t length = text.find("Content-Length: ");
  if (length < head) {
    const std::size_t size = body + std::strtoull(text.c_str() + length + 16, nullptr, 10);
    return text.size() >= size ? size : std::string::npos;
  }
  if (text.find("Transfer-Encoding: chunked") < head) {
    const std::size_t end = text.find("\r\n0\r\n\r\n", head);
    return end == std::string::npos ? end : end + 7;
  }
  return body;
}

}  // namespace

RawClient::RawClient(const std::string& address, int receive_buffer) {
  const std::size_t colon = address.rfind(':');
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(static_cast<std::uint16_t>(std::stoi(address.substr(colon + 1))));
  FETTLE_CHECK(::inet_pton(AF_INET, address.substr(0, colon).c_str(), &to.sin_addr) == 1);
  fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (receive_buffer > 0) {
    ::setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
  }
  FETTLE_CHECK(::connect(fd_, reinterpret_cast<sockaddr*>(&to), sizeof to) == 0);
}

RawClient::~RawClient() { ::close(fd_); }

bool RawClient::Send(std::string_view bytes) const {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
  return true;
}

void RawClient::EndSending() const { ::shutdown(fd_, SHUT_WR); }

std::string RawClient::ReadAnswer(bool has_body) {
  std::array<char, 64 * 1024> buffer;
  for (;;) {
    const std::size_t size = AnswerSize(ahead_, has_body);
    if (size != std::string::npos) {
      std::string answer = ahead_.substr(0, size);
      ahead_.erase(0, size);
      return answer;
    }
    pollfd ready{fd_, POLLIN, 0};
    if (::poll(&ready, 1, kWaitMillisMax) != 1) return std::exchange(ahead_, {});
    const ssize_t got = ::recv(fd_, buffer.data(), buffer.size(), 0);
    if (got <= 0) return std::exchange(ahead_, {});
    ahead_.append(buffer.data(), static_cast<std::size_t>(got));
  }
}

std::string RawClient::Ask(std::string_view bytes) {
  Send(bytes);
  return ReadAnswer();
}

bool RawClient::WaitForClose(std::chrono::milliseconds within) const {
  std::array<char, 64 * 1024> buffer;
  const auto deadline = std::chrono::steady_clock::now() + within;
  for (;;) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
        deadline - std::chrono::steady_clock::now());
    pollfd ready{fd_, POLLIN, 0};
    if (left.count() <= 0 || ::poll(&ready, 1, static_cast<int>(left.count())) != 1) return false;
    if (::recv(fd_, buffer.data(), buffer.size(), 0) <= 0) return true;
  }
}

}  // namespace fettle
