// Connects a stream socket within a deadline: TCP by name or address, or a Unix socket by path.
//
// The resolver has no deadline of its own, so a lookup runs on a thread of its own and is left
// behind when it takes too long. Blocks; safe from any thread.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "common/clock.h"
#include "common/result.h"

namespace fettle {

// Closes what it owns.
class UniqueFd {
 public:
  UniqueFd() = default;
  explicit UniqueFd(int fd) : fd_(fd) {}
  UniqueFd(UniqueFd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~UniqueFd();
  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }

 private:
  int fd_ = -1;
};

// Lookups left behind at one time; more are refused (kUnavailable) until some come back.
inline constexpr int kLookupsMax = 64;

// "10.0.0.7" or "fe80::1", as getaddrinfo orders them. kNotFound if the name is not known,
// kTimeout, kUnavailable if the resolver cannot be asked.
Result<std::vector<std::string>> ResolveHost(const std::string& host, Millis timeout);

struct HostPort {
  std::string host;
  std::string port;
};
// "db:5432", "[::1]:5432"; both parts must be there.
Result<HostPort> ParseHostPort(const std::string& address);

// A connected, non-blocking, close-on-exec socket. `address` is host:port, or a path that begins
// with '/'. Tries every address of a name. kUnavailable if nobody listens, kTimeout, kInvalid.
Result<UniqueFd> Dial(const std::string& address, Millis timeout);

}  // namespace fettle
