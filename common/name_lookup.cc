#include "common/name_lookup.h"

#include <arpa/inet.h>
#include <arpa/nameser.h>
#include <netdb.h>
#include <resolv.h>

#include <algorithm>
#include <array>
#include <memory>

namespace fettle {
namespace {

// One try of three seconds a server: whoever asks comes again.
constexpr int kTimeoutSeconds = 3;
constexpr int kTries = 2;
constexpr std::size_t kAnswerBytesMax = 64 * 1024;

ns_type TypeOf(NameLookup::Kind kind) {
  switch (kind) {
    case NameLookup::Kind::kSrv:
      return ns_t_srv;
    case NameLookup::Kind::kA:
      return ns_t_a;
    case NameLookup::Kind::kAaaa:
      return ns_t_aaaa;
    case NameLookup::Kind::kMx:
      return ns_t_mx;
    case NameLookup::Kind::kNs:
      return ns_t_ns;
  }
  return ns_t_a;
}

using State = struct __res_state;

struct CloseState {
  void operator()(State* state) const {
    res_nclose(state);
    delete state;
  }
};
using StatePtr = std::unique_ptr<State, CloseState>;

StatePtr MakeState(int port) {
  StatePtr state(new State{});
  if (res_ninit(state.get()) != 0) return nullptr;
  state->retrans = kTimeoutSeconds;
  state->retry = kTries;
  if (port != 0) {
    state->nscount = 1;
    state->nsaddr_list[0].sin_family = AF_INET;
    state->nsaddr_list[0].sin_port = htons(static_cast<std::uint16_t>(port));
    state->nsaddr_list[0].sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  }
  return state;
}

std::string NameAt(const ns_msg& message, const unsigned char* at) {
  std::array<char, NS_MAXDNAME> name{};
  const int length =
      dn_expand(ns_msg_base(message), ns_msg_end(message), at, name.data(), name.size());
  return length < 0 ? "" : name.data();
}

// The answer in a record; without a host if it is broken.
NameLookup::Answer Read(const ns_msg& message, const ns_rr& record, NameLookup::Kind kind) {
  const unsigned char* data = ns_rr_rdata(record);
  const std::size_t size = ns_rr_rdlen(record);
  const bool four = kind == NameLookup::Kind::kA;
  if (four || kind == NameLookup::Kind::kAaaa) {
    std::array<char, INET6_ADDRSTRLEN> text{};
    if (size != (four ? sizeof(in_addr) : sizeof(in6_addr))) return {};
    inet_ntop(four ? AF_INET : AF_INET6, data, text.data(), text.size());
    return {text.data(), 0};
  }
  constexpr std::size_t kSrvHead = 6;  // priority, weight, port
  constexpr std::size_t kMxHead = 2;   // preference
  if (kind == NameLookup::Kind::kSrv) {
    if (size <= kSrvHead) return {};
    return {NameAt(message, data + kSrvHead), static_cast<int>(ns_get16(data + 4))};
  }
  const std::size_t head = kind == NameLookup::Kind::kMx ? kMxHead : 0;
  if (size <= head) return {};
  return {NameAt(message, data + head), 0};
}

}  // namespace

Result<std::vector<NameLookup::Answer>> SystemNameLookup::Find(const std::string& name,
                                                               Kind kind) const {
  const StatePtr state = MakeState(port_);
  if (state == nullptr) return Fail(Cause::kUnavailable, "the resolver cannot be set up");
  std::vector<unsigned char> buffer(kAnswerBytesMax);
  const int length = res_nquery(state.get(), name.c_str(), ns_c_in, TypeOf(kind), buffer.data(),
                                static_cast<int>(buffer.size()));
  if (length < 0) {
    if (state->res_h_errno == HOST_NOT_FOUND) {
      return Fail(Cause::kNotFound, "no host is named {}", name);
    }
    if (state->res_h_errno == NO_DATA) return std::vector<Answer>{};
    return Fail(Cause::kUnavailable, "looking up {}: {}", name, hstrerror(state->res_h_errno));
  }
  ns_msg message{};
  if (ns_initparse(buffer.data(), length, &message) != 0) {
    return Fail(Cause::kUnavailable, "looking up {}: the answer is broken", name);
  }
  std::vector<Answer> answers;
  for (int i = 0; i < ns_msg_count(message, ns_s_an) && answers.size() < kAnswersMax; ++i) {
    ns_rr record{};
    if (ns_parserr(&message, ns_s_an, i, &record) != 0) break;
    if (ns_rr_type(record) != TypeOf(kind)) continue;  // the aliases on the way
    Answer answer = Read(message, record, kind);
    if (!answer.host.empty()) answers.push_back(std::move(answer));
  }
  return answers;
}

}  // namespace fettle
