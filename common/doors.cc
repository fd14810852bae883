#include "common/doors.h"

#include <algorithm>

namespace fettle {

int Doors::Open() const {
  return static_cast<int>(
      std::count_if(connections_.begin(), connections_.end(), [](const auto& entry) {
        return entry.second.state != State::kLeaving && !entry.second.shut;
      }));
}

std::optional<int> Doors::ShutOldestIdle(std::optional<std::uint32_t> address) {
  Connection* oldest = nullptr;
  for (auto& [peer, connection] : connections_) {
    if (connection.state != State::kIdle || connection.shut) continue;
    if (address && peer.address != *address) continue;
    if (oldest == nullptr || connection.since < oldest->since) oldest = &connection;
  }
  if (oldest == nullptr) return std::nullopt;
  oldest->shut = true;
  return oldest->fd;
}

Doors::Arrival Doors::Arrive(Peer peer, int fd, BootTime now) {
  const auto first = connections_.lower_bound(Peer{peer.address, 0});
  const auto of_address = std::count_if(first, connections_.end(), [&](const auto& entry) {
    return entry.first.address == peer.address && entry.second.state != State::kLeaving &&
           !entry.second.shut;
  });
  Arrival arrival;
  if (of_address >= limits_.per_address_max) {
    arrival.shut = ShutOldestIdle(peer.address);
    if (!arrival.shut) arrival.entry = Entry::kRefused;
  } else if (Open() >= limits_.threads - limits_.kept) {
    arrival.shut = ShutOldestIdle(std::nullopt);
    if (!arrival.shut) arrival.entry = Entry::kOnlyKept;
  }
  Connection connection;
  connection.fd = fd;
  connection.entry = arrival.entry;
  connection.since = now;
  connection.deadline =
      now + (arrival.entry == Entry::kOnlyKept ? std::min(limits_.crowded_head, limits_.head)
                                               : limits_.head);
  // The refused are shut by the server at once and count no more.
  connection.shut = arrival.entry == Entry::kRefused;
  if (connection.shut) connection.deadline.reset();
  connections_[peer] = connection;
  return arrival;
}

void Doors::Enter(Peer peer, State state, BootTime now, std::optional<Millis> allowed) {
  const auto found = connections_.find(peer);
  if (found == connections_.end()) return;
  Connection& connection = found->second;
  connection.state = state;
  connection.since = now;
  connection.deadline.reset();
  if (allowed) connection.deadline = now + *allowed;
}

Doors::Entry Doors::BeginRequest(Peer peer) {
  const auto found = connections_.find(peer);
  if (found == connections_.end()) return Entry::kWelcome;
  Connection& connection = found->second;
  connection.state = State::kHandler;
  connection.deadline.reset();
  // It may have waited for a thread since it came, and the crowd may be gone.
  if (connection.entry == Entry::kOnlyKept && Open() <= limits_.threads - limits_.kept) {
    connection.entry = Entry::kWelcome;
  }
  return connection.entry;
}

void Doors::BeginBody(Peer peer, BootTime now) { Enter(peer, State::kBody, now, limits_.body); }

void Doors::BeginHandler(Peer peer) { Enter(peer, State::kHandler, BootTime{}, std::nullopt); }

void Doors::BeginAnswer(Peer peer, BootTime now) {
  Enter(peer, State::kAnswer, now, limits_.writing);
}

void Doors::Rest(Peer peer, BootTime now) { Enter(peer, State::kIdle, now, std::nullopt); }

bool Doors::MayStay(Peer peer) const {
  const auto found = connections_.find(peer);
  return found == connections_.end() ||
         (!found->second.shut && Open() < limits_.threads - limits_.kept);
}

void Doors::Leave(Peer peer) {
  const auto found = connections_.find(peer);
  if (found == connections_.end()) return;
  found->second.state = State::kLeaving;
  found->second.fd = -1;
  found->second.deadline.reset();
}

void Doors::ForgetAllBut(const std::vector<Peer>& seen) {
  std::erase_if(connections_, [&](const auto& entry) {
    return std::find(seen.begin(), seen.end(), entry.first) == seen.end();
  });
}

int Doors::DescriptorOf(Peer peer) const {
  const auto found = connections_.find(peer);
  return found == connections_.end() ? -1 : found->second.fd;
}

std::vector<Doors::Overdue> Doors::TakeOverdue(BootTime now) {
  std::vector<Overdue> out;
  for (auto& [peer, connection] : connections_) {
    if (!connection.deadline || now < *connection.deadline) continue;
    connection.deadline.reset();
    connection.overdue = true;
    out.push_back({connection.fd, connection.state == State::kAnswer});
  }
  return out;
}

bool Doors::IsOverdue(Peer peer, BootTime now) const {
  const auto found = connections_.find(peer);
  if (found == connections_.end()) return false;
  const Connection& connection = found->second;
  return connection.overdue || (connection.deadline && now >= *connection.deadline);
}

std::optional<BootTime> Doors::NextDeadline() const {
  std::optional<BootTime> next;
  for (const auto& [peer, connection] : connections_) {
    if (!connection.deadline) continue;
    next = next ? std::min(*next, *connection.deadline) : *connection.deadline;
  }
  return next;
}

std::vector<int> Doors::Waiting() const {
  std::vector<int> out;
  for (const auto& [peer, connection] : connections_) {
    const bool waits = connection.state == State::kHead || connection.state == State::kIdle;
    if (waits && connection.fd >= 0) out.push_back(connection.fd);
  }
  return out;
}

}  // namespace fettle
