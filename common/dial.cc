#include "common/dial.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <future>
#include <memory>
#include <system_error>
#include <thread>

#include "common/deadline.h"

namespace fettle {
namespace {

struct Address {
  sockaddr_storage storage{};
  socklen_t length = 0;
  int family = AF_UNSPEC;
};

std::string Reason(int error) { return std::generic_category().message(error); }

std::string Printed(const Address& address) {
  char text[NI_MAXHOST] = {};
  getnameinfo(reinterpret_cast<const sockaddr*>(&address.storage), address.length, text,
              sizeof text, nullptr, 0, NI_NUMERICHOST);
  return text;
}

Result<std::vector<Address>> LookUp(const std::string& host, const std::string& port) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_ADDRCONFIG;
  addrinfo* list = nullptr;
  const int code = getaddrinfo(host.c_str(), port.empty() ? nullptr : port.c_str(), &hints, &list);
  if (code == EAI_NONAME || code == EAI_NODATA) {
    return Fail(Cause::kNotFound, "no host is named {}", host);
  }
  if (code == EAI_SERVICE) return Fail(Cause::kInvalid, "no port is named {}", port);
  if (code != 0) {
    return Fail(Cause::kUnavailable, "looking up {}: {}", host, gai_strerror(code));
  }
  std::vector<Address> found;
  for (const addrinfo* info = list; info != nullptr; info = info->ai_next) {
    Address address;
    std::memcpy(&address.storage, info->ai_addr, info->ai_addrlen);
    address.length = info->ai_addrlen;
    address.family = info->ai_family;
    found.push_back(address);
  }
  freeaddrinfo(list);
  return found;
}

bool IsNumeric(const std::string& host) {
  in6_addr six{};
  in_addr four{};
  return inet_pton(AF_INET, host.c_str(), &four) == 1 ||
         inet_pton(AF_INET6, host.c_str(), &six) == 1;
}

std::atomic<int> lookups_under_way{0};

Result<std::vector<Address>> LookUpWithin(const std::string& host, const std::string& port,
                                          Millis timeout) {
  if (IsNumeric(host)) return LookUp(host, port);  // needs no resolver
  if (lookups_under_way.fetch_add(1) >= kLookupsMax) {
    lookups_under_way.fetch_sub(1);
    return Fail(Cause::kUnavailable, "looking up {}: {} lookups are hanging already", host,
                kLookupsMax);
  }
  auto promise = std::make_shared<std::promise<Result<std::vector<Address>>>>();
  auto answer = promise->get_future();
  try {
    std::thread([promise, host, port] {
      promise->set_value(LookUp(host, port));
      lookups_under_way.fetch_sub(1);
    }).detach();
  } catch (const std::system_error& error) {  // no thread to be had
    lookups_under_way.fetch_sub(1);
    return Fail(Cause::kUnavailable, "looking up {}: {}", host, error.what());
  }
  if (answer.wait_for(timeout) != std::future_status::ready) {
    return Fail(Cause::kTimeout, "looking up {}: no answer within {} ms", host, timeout.count());
  }
  return answer.get();
}

Result<UniqueFd> ConnectTo(const Address& address, const Deadline& deadline) {
  UniqueFd fd(socket(address.family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return Fail(Cause::kUnavailable, "{}", Reason(errno));
  if (connect(fd.get(), reinterpret_cast<const sockaddr*>(&address.storage), address.length) == 0) {
    return fd;
  }
  if (errno != EINPROGRESS) return Fail(Cause::kUnavailable, "{}", Reason(errno));
  pollfd wait{fd.get(), POLLOUT, 0};
  int ready = 0;
  do {
    ready = poll(&wait, 1, deadline.PollMillis());
  } while (ready < 0 && errno == EINTR);
  if (ready == 0) return Fail(Cause::kTimeout, "no answer in time");
  int error = 0;
  socklen_t size = sizeof error;
  getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &error, &size);
  if (error != 0) return Fail(Cause::kUnavailable, "{}", Reason(error));
  return fd;
}

Result<Address> UnixAddress(const std::string& path) {
  Address address;
  auto& un = reinterpret_cast<sockaddr_un&>(address.storage);
  if (path.size() >= sizeof un.sun_path) {
    return Fail(Cause::kInvalid, "{} is too long for a Unix socket's path", path);
  }
  un.sun_family = AF_UNIX;
  std::memcpy(un.sun_path, path.c_str(), path.size() + 1);
  address.length = sizeof un;
  address.family = AF_UNIX;
  return address;
}

}  // namespace

UniqueFd::~UniqueFd() {
  if (fd_ >= 0) close(fd_);
}

Result<std::vector<std::string>> ResolveHost(const std::string& host, Millis timeout) {
  Result<std::vector<Address>> found = LookUpWithin(host, "", timeout);
  if (!found) return tl::unexpected(found.error());
  std::vector<std::string> texts;
  for (const Address& address : *found) texts.push_back(Printed(address));
  return texts;
}

Result<HostPort> ParseHostPort(const std::string& address) {
  const std::size_t colon = address.rfind(':');
  if (colon == std::string::npos || colon + 1 == address.size() || colon == 0) {
    return Fail(Cause::kInvalid, "\"{}\" is not host:port", address);
  }
  HostPort out{address.substr(0, colon), address.substr(colon + 1)};
  if (out.host.front() == '[' && out.host.back() == ']') {
    out.host = out.host.substr(1, out.host.size() - 2);
  } else if (out.host.find(':') != std::string::npos) {
    return Fail(Cause::kInvalid, "\"{}\" is not host:port: write an IPv6 address in brackets",
                address);
  }
  const bool plain = std::all_of(out.port.begin(), out.port.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-';
  });
  const bool number = out.port.find_first_not_of("0123456789") == std::string::npos;
  const bool fits = !number || (out.port.size() <= 5 && std::stoi(out.port) <= 65'535);
  if (out.host.empty() || out.host.find('/') != std::string::npos || !plain || !fits) {
    return Fail(Cause::kInvalid, "\"{}\" is not host:port", address);
  }
  return out;
}

Result<UniqueFd> Dial(const std::string& address, Millis timeout) {
  const Deadline deadline(timeout);
  const std::string intention = "connecting to " + address;
  std::vector<Address> candidates;
  if (address.starts_with('/')) {
    Result<Address> path = UnixAddress(address);
    if (!path) return tl::unexpected(path.error());
    candidates.push_back(*path);
  } else {
    Result<HostPort> parsed = ParseHostPort(address);
    if (!parsed) return tl::unexpected(parsed.error());
    auto found = LookUpWithin(parsed->host, parsed->port, timeout);
    if (!found) return While(intention, found.error());
    candidates = *std::move(found);
  }
  Error last{"it has no address", Cause::kNotFound};
  for (const Address& candidate : candidates) {
    Result<UniqueFd> fd = ConnectTo(candidate, deadline);
    if (fd) return fd;
    last = fd.error();
    if (deadline.Passed()) break;
  }
  return While(intention, last);
}

}  // namespace fettle
