// What the kernel knows of a server's sockets and civetweb does not tell: which connection has
// which descriptor. Linux only. Functions; safe from any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/doors.h"

namespace fettle {

struct AcceptedSocket {
  Doors::Peer peer;
  int fd = -1;
};
// Every connection of this process whose own side is that port. About half a microsecond for each
// open descriptor.
std::vector<AcceptedSocket> AcceptedSockets(std::uint16_t port);
// The listening socket of that address and port; -1 if there is none.
int ListeningSocket(std::uint32_t address, std::uint16_t port);

std::optional<Doors::Peer> PeerOf(int fd);
// From civetweb's "10.0.0.7" and 41234.
std::optional<Doors::Peer> ParsePeer(const std::string& address, int port);
// Bytes that were received and read from a connection since its beginning.
std::uint64_t BytesTaken(int fd);

}  // namespace fettle
