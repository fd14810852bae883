#include "common/http_server_sockets.h"

#include <arpa/inet.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <charconv>
#include <filesystem>
#include <system_error>

namespace fettle {
namespace {

// The IPv4 side of a socket that `ask` (getsockname, getpeername) tells about.
template <typename Ask>
std::optional<Doors::Peer> Side(int fd, Ask ask) {
  sockaddr_in address{};
  socklen_t size = sizeof address;
  if (ask(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) return std::nullopt;
  if (address.sin_family != AF_INET) return std::nullopt;
  return Doors::Peer{ntohl(address.sin_addr.s_addr), ntohs(address.sin_port)};
}

template <typename Visit>
void ForEachDescriptor(Visit visit) {
  std::error_code error;
  for (std::filesystem::directory_iterator at("/proc/self/fd", error), end; !error && at != end;
       at.increment(error)) {
    const std::string name = at->path().filename().string();
    int fd = -1;
    std::from_chars(name.data(), name.data() + name.size(), fd);
    if (fd >= 0) visit(fd);
  }
}

}  // namespace

std::vector<AcceptedSocket> AcceptedSockets(std::uint16_t port) {
  std::vector<AcceptedSocket> out;
  ForEachDescriptor([&](int fd) {
    const auto own = Side(fd, ::getsockname);
    if (!own || own->port != port) return;
    if (const auto peer = PeerOf(fd)) out.push_back({*peer, fd});
  });
  return out;
}

int ListeningSocket(std::uint32_t address, std::uint16_t port) {
  int found = -1;
  ForEachDescriptor([&](int fd) {
    int listening = 0;
    socklen_t size = sizeof listening;
    if (::getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) != 0) return;
    const auto own = Side(fd, ::getsockname);
    if (listening != 0 && own == Doors::Peer{address, port}) found = fd;
  });
  return found;
}

std::optional<Doors::Peer> PeerOf(int fd) { return Side(fd, ::getpeername); }

std::optional<Doors::Peer> ParsePeer(const std::string& address, int port) {
  in_addr parsed{};
  if (::inet_pton(AF_INET, address.c_str(), &parsed) != 1) return std::nullopt;
  return Doors::Peer{ntohl(parsed.s_addr), static_cast<std::uint16_t>(port)};
}

std::uint64_t BytesTaken(int fd) {
  tcp_info info{};
  socklen_t size = sizeof info;
  if (::getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) != 0) return 0;
  int waiting = 0;
  if (::ioctl(fd, FIONREAD, &waiting) != 0) return 0;
  const auto unread = static_cast<std::uint64_t>(waiting);
  return info.tcpi_bytes_received > unread ? info.tcpi_bytes_received - unread : 0;
}

}  // namespace fettle
