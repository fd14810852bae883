// Who stands in which door: the ledger of a server's open connections. By it a crowd from one
// address, slow senders and slow readers are kept from taking every thread (civetweb gives a
// connection a thread from its first byte to its last, and knows no limits of its own).
//
// It knows no sockets: the server tells it what it sees, and shuts what it is told to shut. One
// owner, who guards it with a lock.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "common/clock.h"

namespace fettle {

class Doors {
 public:
  struct Limits {
    int threads = 64;
    int kept = 4;  // of the threads: only for kept paths when the others are taken
    int per_address_max = 8;
    Millis head{5'000};          // from the connection to the end of its first request's headers
    Millis crowded_head{1'000};  // the same for who enters by a kept door
    Millis body{30'000};
    Millis writing{60'000};
  };
  struct Peer {
    std::uint32_t address = 0;  // IPv4
    std::uint16_t port = 0;
    auto operator<=>(const Peer&) const = default;
  };
  enum class Entry {
    kWelcome,
    kOnlyKept,  // all other doors are taken
    kRefused,   // too many from this address
  };
  struct Arrival {
    Entry entry = Entry::kWelcome;
    std::optional<int> shut;  // an idle connection whose place is needed: stop reading from it
  };
  struct Overdue {
    int fd = -1;
    bool reader = false;  // it does not take its answer; else it does not send its request
  };

  explicit Doors(Limits limits) : limits_(limits) {}

  // A connection not known before. A place is made, if there is none, by the oldest idle one: of
  // the same address for its own limit, of any for the doors.
  Arrival Arrive(Peer peer, int fd, BootTime now);
  bool Knows(Peer peer) const { return connections_.contains(peer); }
  // What it may do now that its request's headers are here. kWelcome for who was never seen.
  Entry BeginRequest(Peer peer);
  // False if this request is its last: its place was given away, or somebody may wait for a thread.
  bool MayStay(Peer peer) const;
  void BeginBody(Peer peer, BootTime now);
  void BeginHandler(Peer peer);
  void BeginAnswer(Peer peer, BootTime now);
  void Rest(Peer peer, BootTime now);  // answered; waits for the next request
  // Answered for the last time, or about to be closed: its descriptor is no longer ours to touch,
  // and its place is free.
  void Leave(Peer peer);
  void Forget(Peer peer) { connections_.erase(peer); }
  int DescriptorOf(Peer peer) const;  // -1 if it is not known
  // Forgets whom the server does not see any more.
  void ForgetAllBut(const std::vector<Peer>& seen);

  // Who is past a deadline, each told once.
  std::vector<Overdue> TakeOverdue(BootTime now);
  bool IsOverdue(Peer peer, BootTime now) const;
  // When TakeOverdue() will next have something, or nullopt.
  std::optional<BootTime> NextDeadline() const;
  // Those that wait for a request: what shuts down first.
  std::vector<int> Waiting() const;
  int Open() const;

 private:
  enum class State { kHead, kBody, kHandler, kAnswer, kIdle, kLeaving };
  struct Connection {
    int fd = -1;
    State state = State::kHead;
    Entry entry = Entry::kWelcome;
    BootTime since{};
    std::optional<BootTime> deadline;
    bool overdue = false;
    bool shut = false;
  };
  void Enter(Peer peer, State state, BootTime now, std::optional<Millis> allowed);
  std::optional<int> ShutOldestIdle(std::optional<std::uint32_t> address);

  const Limits limits_;
  std::map<Peer, Connection> connections_;
};

}  // namespace fettle
