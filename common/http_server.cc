#include "common/http_server.h"

#include <arpa/inet.h>
#include <civetweb.h>
#include <dlfcn.h>
#include <pthread.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <condition_variable>
#include <thread>
#include <utility>

#include "common/check.h"
#include "common/dial.h"
#include "common/http_server_exchange.h"
#include "common/http_server_sockets.h"
#include "common/http_server_tls.h"

namespace fettle {
namespace {

constexpr Millis kResolveTime{5'000};
// How often the doorman looks for who is overdue, while anybody is there.
constexpr Millis kWatchEvery{100};
// What requests that have begun get to end, when the server stops.
constexpr Millis kFinishTime{5'000};
constexpr std::string_view kCrowded =
    "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nConnection: close\r\n"
    "Content-Length: 0\r\n\r\n";

// The connection that this worker thread has in hand. civetweb serves one from its first byte to
// its last on one thread, and does not say whose it is until there is a request.
struct InHand {
  std::optional<Doors::Peer> peer;  // known early only with TLS
  std::uint64_t taken = 0;          // bytes taken before the request that is being read
};
thread_local InHand in_hand;

struct ListenAddress {
  std::string host;  // an IPv4 address
  std::uint16_t port = 0;
};

Result<ListenAddress> ReadListenAddress(const std::string& text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string::npos) {
    return Fail(Cause::kInvalid, "\"{}\" is no address: write host:port", text);
  }
  ListenAddress out;
  const std::string port = text.substr(colon + 1);
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), out.port);
  if (error != std::errc() || end != port.data() + port.size()) {
    return Fail(Cause::kInvalid, "\"{}\" is no port", port);
  }
  const std::string host = text.substr(0, colon);
  if (host.empty()) {
    out.host = "0.0.0.0";
    return out;
  }
  if (host.front() == '[') {
    return Fail(Cause::kInvalid, "civetweb listens on IPv4 only: write 0.0.0.0:{}", port);
  }
  const Result<std::vector<std::string>> addresses = ResolveHost(host, kResolveTime);
  if (!addresses) return tl::unexpected(addresses.error());
  for (const std::string& address : *addresses) {
    if (!ParsePeer(address, 0)) continue;
    out.host = address;
    return out;
  }
  return Fail(Cause::kInvalid, "{} has no IPv4 address, and civetweb listens on IPv4 only", host);
}

}  // namespace

struct HttpServer::Impl {
  Impl(Deps deps, Options options, WebConfig web_config, Router router)
      : shared(std::move(deps), std::move(options), std::move(web_config), std::move(router)) {}
  ~Impl();
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  Status Listen();
  mg_callbacks Callbacks();
  void Welcome(Doors::Peer peer, int fd);  // REQUIRES: doors_mutex
  void FindNewcomers();
  void Closing(const mg_connection* connection);
  void Closed(const mg_connection* connection);
  void ServeError(mg_connection* connection, int status);
  void Watch(const std::stop_token& stop);

  static Impl& Of(const mg_connection* connection) {
    return *static_cast<Impl*>(mg_get_user_context_data(connection));
  }
  static std::optional<Doors::Peer> PeerOf(const mg_connection* connection) {
    if (in_hand.peer) return in_hand.peer;
    const mg_request_info* info = mg_get_request_info(connection);
    return info == nullptr ? std::nullopt : ParsePeer(info->remote_addr, info->remote_port);
  }

  ServerShared shared;
  std::optional<ServerTls> tls;
  std::string host;
  std::atomic<std::uint16_t> port = 0;  // known once civetweb listens
  mg_context* context = nullptr;
  std::mutex messages_mutex;
  std::vector<std::string> messages;  // civetweb's, while it starts; guarded by messages_mutex
  std::atomic<bool> started = false;
  std::condition_variable_any changed;  // who is there; with doors_mutex
  std::jthread doorman;
};

Status HttpServer::Impl::Listen() {
  const Options& options = shared.options;
  Result<ListenAddress> where = ReadListenAddress(options.listen_address);
  if (!where) return tl::unexpected(where.error());
  host = where->host;
  if (shared.config.tls) {
    Result<ServerTls> made = ServerTls::Make(*shared.config.tls, [this](int fd) {
      const auto peer = fettle::PeerOf(fd);
      if (!peer) return;
      in_hand = {peer, 0};
      const std::lock_guard lock(shared.doors_mutex);
      if (!shared.doors.Knows(*peer)) Welcome(*peer, fd);
      changed.notify_all();
    });
    if (!made) return tl::unexpected(made.error());
    tls = *std::move(made);
  }
  const std::vector<std::pair<std::string, std::string>> settings = {
      {"listening_ports", fmt::format("{}:{}{}", host, where->port, tls ? "s" : "")},
      {"num_threads", std::to_string(options.threads)},
      {"request_timeout_ms", std::to_string(options.header_deadline.count())},
      {"enable_keep_alive", "yes"},
      {"keep_alive_timeout_ms", std::to_string(options.keep_alive.count())},
      {"max_request_size", std::to_string(options.header_bytes_max)},
      {"tcp_nodelay", "1"},
      {"decode_url", "no"},  // HttpRequest::Path does, once
      {"enable_directory_listing", "no"},
      // civetweb would answer cross-origin preflights with "*" by itself.
      {"access_control_allow_origin", ""},
      {"access_control_allow_methods", ""},
      {"access_control_allow_headers", ""},
  };
  std::vector<const char*> list;
  for (const auto& [name, value] : settings) {
    list.push_back(name.c_str());
    list.push_back(value.c_str());
  }
  list.push_back(nullptr);

  // civetweb's own state is one per process, whatever we do.
  static std::once_flag once;
  std::call_once(once, [] { mg_init_library(MG_FEATURES_DEFAULT); });
  if (tls) {
    if (Status shim = CheckTlsShim(); !shim) return While("prepare TLS", shim.error());
    if ((mg_init_library(MG_FEATURES_TLS) & MG_FEATURES_TLS) == 0) {
      return Fail("civetweb cannot load its TLS library");
    }
  }
  const mg_callbacks callbacks = Callbacks();
  context = mg_start(&callbacks, this, list.data());
  if (context == nullptr) {
    const std::lock_guard lock(messages_mutex);
    return Fail(Cause::kUnavailable, "{}",
                messages.empty() ? "civetweb did not start" : messages.front());
  }
  started = true;
  std::array<mg_server_port, 1> ports{};
  FETTLE_CHECK(mg_get_server_ports(context, 1, ports.data()) == 1);
  port = static_cast<std::uint16_t>(ports[0].port);
  doorman = std::jthread([this](const std::stop_token& stop) { Watch(stop); });
  return {};
}

// Nothing is thrown through these: noexcept ends the process instead.
mg_callbacks HttpServer::Impl::Callbacks() {
  mg_callbacks callbacks{};
  callbacks.begin_request = [](mg_connection* connection) noexcept {
    return Exchange(Of(connection).shared, connection).Serve();
  };
  callbacks.end_request = [](const mg_connection* connection, int) noexcept {
    const auto peer = PeerOf(connection);
    Impl& impl = Of(connection);
    const std::lock_guard lock(impl.shared.doors_mutex);
    if (peer) in_hand.taken = BytesTaken(impl.shared.doors.DescriptorOf(*peer));
  };
  callbacks.init_connection = [](const mg_connection* connection, void**) noexcept {
    Impl& impl = Of(connection);
    if (!impl.tls) {
      in_hand = {};
      impl.FindNewcomers();
    }
    return 0;
  };
  callbacks.connection_close = [](const mg_connection* connection) noexcept {
    Of(connection).Closing(connection);
  };
  callbacks.connection_closed = [](const mg_connection* connection) noexcept {
    Of(connection).Closed(connection);
  };
  callbacks.http_error = [](mg_connection* connection, int status, const char*) noexcept {
    Of(connection).ServeError(connection, status);
    return 0;
  };
  callbacks.log_message = [](const mg_connection* connection, const char* message) noexcept {
    Impl& impl = Of(connection);
    if (impl.started) {
      impl.shared.deps.log.Debug("civetweb says", {{"text", message}});
    } else {
      const std::lock_guard lock(impl.messages_mutex);
      impl.messages.emplace_back(message);
    }
    return 1;
  };
  callbacks.external_ssl_ctx = [](void** ssl_context, void* self) noexcept {
    Impl& impl = *static_cast<Impl*>(self);
    if (!impl.tls) return 0;
    *ssl_context = impl.tls->context();  // Ours: civetweb neither makes nor frees it.
    return 1;
  };
  return callbacks;
}

void HttpServer::Impl::Welcome(Doors::Peer peer, int fd) {
  if (shared.stopping) {
    ::shutdown(fd, SHUT_RDWR);
    return;
  }
  const Doors::Arrival arrival = shared.doors.Arrive(peer, fd, SystemClock().Now().boot);
  // The idle one reads its end; a request that is already there is still answered.
  if (arrival.shut) ::shutdown(*arrival.shut, SHUT_RD);
  if (arrival.entry == Doors::Entry::kRefused) {
    shared.stats.Refused("address_connections");
    if (!tls) ::send(fd, kCrowded.data(), kCrowded.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    ::shutdown(fd, SHUT_RDWR);
  }
  shared.stats.Open(shared.doors.Open());
}

// civetweb does not say which connection a worker took up; so every one that is new is welcomed.
void HttpServer::Impl::FindNewcomers() {
  const std::lock_guard lock(shared.doors_mutex);
  std::vector<Doors::Peer> seen;
  for (const AcceptedSocket& socket : AcceptedSockets(port)) {
    seen.push_back(socket.peer);
    if (!shared.doors.Knows(socket.peer)) Welcome(socket.peer, socket.fd);
  }
  shared.doors.ForgetAllBut(seen);
  changed.notify_all();
}

void HttpServer::Impl::Closing(const mg_connection* connection) {
  const auto peer = PeerOf(connection);
  const std::lock_guard lock(shared.doors_mutex);
  if (peer) shared.doors.Leave(*peer);
  shared.stats.Open(shared.doors.Open());
  changed.notify_all();
}

void HttpServer::Impl::Closed(const mg_connection* connection) {
  const auto peer = PeerOf(connection);
  const std::lock_guard lock(shared.doors_mutex);
  if (peer) shared.doors.Forget(*peer);
  in_hand = {};
}

void HttpServer::Impl::ServeError(mg_connection* connection, int status) {
  const auto peer = PeerOf(connection);
  bool overdue = false;
  std::uint64_t taken = 0;
  {
    const std::lock_guard lock(shared.doors_mutex);
    overdue = peer && shared.doors.IsOverdue(*peer, SystemClock().Now().boot);
    if (peer) taken = BytesTaken(shared.doors.DescriptorOf(*peer)) - in_hand.taken;
  }
  Exchange exchange(shared, connection);
  if (overdue)
    return exchange.ServeError(408, "header_deadline", "the headers did not come in time");
  if (taken >= shared.options.header_bytes_max) {
    return exchange.ServeError(431, "header_bytes", "the headers are too long");
  }
  exchange.ServeError(status == 505 ? 505 : 400, "malformed", "the request is malformed");
}

void HttpServer::Impl::Watch(const std::stop_token& stop) {
  std::unique_lock lock(shared.doors_mutex);
  while (!stop.stop_requested()) {
    if (shared.doors.Open() == 0) {
      changed.wait(lock, stop, [this] { return shared.doors.Open() > 0; });
    } else {
      changed.wait_for(lock, stop, kWatchEvery, [] { return false; });
    }
    for (const Doors::Overdue& overdue : shared.doors.TakeOverdue(SystemClock().Now().boot)) {
      // Who sends too slowly is told so (408); who reads too slowly cannot be.
      if (overdue.fd >= 0) ::shutdown(overdue.fd, overdue.reader ? SHUT_RDWR : SHUT_RD);
    }
  }
}

HttpServer::Impl::~Impl() {
  if (context == nullptr) return;
  shared.stopping = true;
  {
    // civetweb writes no more once it is told to stop, so what has begun is finished first.
    std::unique_lock lock(shared.doors_mutex);
    for (const int fd : shared.doors.Waiting()) ::shutdown(fd, SHUT_RD);
    changed.wait_for(lock, kFinishTime, [this] { return shared.doors.Open() == 0; });
  }
  // It looks for its stop every two seconds, unless its sockets have news.
  const auto own = ParsePeer(host, port);
  const int listener = own ? ListeningSocket(own->address, own->port) : -1;
  if (listener >= 0) ::shutdown(listener, SHUT_RD);
  mg_stop(context);
}

HttpServer::HttpServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
HttpServer::~HttpServer() = default;

Result<std::unique_ptr<HttpServer>> HttpServer::Start(Deps deps, Options options,
                                                      WebConfig web_config, Router router) {
  const std::string where = fmt::format("listen on {}", options.listen_address);
  auto impl = std::make_unique<Impl>(std::move(deps), std::move(options), std::move(web_config),
                                     std::move(router));
  if (Status listening = impl->Listen(); !listening) return While(where, listening.error());
  return std::unique_ptr<HttpServer>(new HttpServer(std::move(impl)));
}

std::string HttpServer::address() const {
  return fmt::format("{}:{}", impl_->host, impl_->port.load());
}

std::string HttpServer::url() const {
  return fmt::format("{}://{}:{}", impl_->tls ? "https" : "http",
                     impl_->host == "0.0.0.0" ? "127.0.0.1" : impl_->host, impl_->port.load());
}

}  // namespace fettle

// civetweb asks for threads with a stack of 100 KiB, which cannot be configured. A query nested as
// deeply as the parser allows needs more, and a stack that ends takes the daemon with it. So
// whoever in this program asks for less than other threads have gets as much as they: what is not
// used of a stack is not memory.
extern "C" int pthread_attr_setstacksize(pthread_attr_t* attributes, std::size_t bytes) noexcept {
  constexpr std::size_t kStackBytesMin = 8 * 1024 * 1024;
  using Set = int (*)(pthread_attr_t*, std::size_t);
  static const Set set = reinterpret_cast<Set>(dlsym(RTLD_NEXT, "pthread_attr_setstacksize"));
  return set(attributes, std::max(bytes, kStackBytesMin));
}
