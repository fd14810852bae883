// Requests, responses, handlers, and the transport seam. A server's handler and a client's
// transport are the same shape, so two halves of fettle can meet in a test without a socket.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/clock.h"
#include "common/result.h"

namespace fettle {

// Names compare without case; order is kept; a name may repeat.
class Headers {
 public:
  using Pair = std::pair<std::string, std::string>;
  Headers() = default;
  Headers(std::initializer_list<Pair> pairs) : pairs_(pairs) {}
  // The first value, or "" if absent.
  std::string_view Get(std::string_view name) const;
  bool Has(std::string_view name) const;
  // Replaces every value of the name.
  void Set(std::string_view name, std::string_view value);
  void Add(std::string name, std::string value) {
    pairs_.emplace_back(std::move(name), std::move(value));
  }
  auto begin() const { return pairs_.begin(); }
  auto end() const { return pairs_.end(); }

 private:
  std::vector<Pair> pairs_;
};

// What a credential may do. Each role includes the one before it, except webhook, which may only
// post alerts. kPublic needs no credential.
enum class Role { kPublic, kRead, kWebhook, kOperator };
std::string_view ToString(Role role);

// Who asks, as the server's authentication found out.
struct Identity {
  std::string name;  // "" is anonymous
  Role role = Role::kPublic;
  bool authenticated = false;
};

struct HttpRequest {
  std::string method = "GET";
  // For a client: the absolute URL. For a handler: the path and query as sent.
  std::string url;
  Headers headers;
  std::string body;
  // Filled in by the server.
  std::string remote_address;
  Identity identity;

  // The decoded path of `url`, and one decoded query parameter (the first), or nullopt.
  std::string Path() const;
  std::optional<std::string> Query(std::string_view name) const;
  std::vector<std::string> QueryAll(std::string_view name) const;
};

struct HttpResponse {
  int status = 200;
  Headers headers;
  std::string body;
  // A handler's answer that goes on: after the head, it is called on the door's thread and writes
  // pieces until it returns. `write` says false once the client is gone or the server stops.
  using Write = std::function<bool(std::string_view piece)>;
  std::function<void(const Write& write)> stream;
};

using HttpHandler = std::function<HttpResponse(const HttpRequest&)>;

HttpResponse TextResponse(int status, std::string_view text);
HttpResponse JsonResponse(int status, std::string body);

std::string PercentEncode(std::string_view text);  // all but A-Z a-z 0-9 - . _ ~
// An escape that is none ("%zz") stays as it is.
std::string PercentDecode(std::string_view text, bool plus_is_space);

struct TlsOptions {
  std::string ca_file;
  std::string cert_file;
  std::string key_file;
  std::string ca;  // the same as PEM texts, if there is no file
  std::string cert;
  std::string key;
  std::string server_name;
  std::string min_version = "TLS12";  // TLS10 to TLS13
  std::string max_version = "TLS13";
  bool insecure_skip_verify = false;
};

struct HttpOptions {
  Millis timeout{10'000};  // the whole exchange; kTimeout after that
  Millis connect_timeout{5'000};
  std::size_t body_bytes_max = 8 * 1024 * 1024;  // a longer answer is kLimit
  std::string unix_socket;                       // path; "" is TCP
  TlsOptions tls;
  std::string proxy_url;  // http, https or socks5; "" is none, whatever the environment says
  std::string no_proxy;   // hosts, domains and networks, with commas
  // Ten at most. Another scheme, host or port gets no credentials: none of the request's headers
  // but those that describe content. 301, 302 and 303 turn a POST into a GET.
  bool follow_redirects = false;
  bool fresh_connection = false;  // never an idle one: after a time-out, for long-lived streams
  bool accept_gzip = false;       // the body is handed over decoded, and limited as such
  bool secret_url = false;        // errors name only scheme and host: the path is a credential
  // With it, the body is handed over piece by piece and HttpResponse::body stays empty; false ends
  // the exchange (kFailed). body_bytes_max does not apply; the timeout does (zero: none).
  std::function<bool(std::string_view piece)> on_body;
  // The connection stands and the request goes out now: an error without this means that nothing
  // reached the other side.
  std::function<void()> on_sending;
  // For streams. Told once the status and headers are in, before any body; false ends the exchange.
  std::function<bool(const HttpResponse& head)> on_head;
  Millis idle_timeout{0};  // no byte for so long ends the exchange (kTimeout); zero: never
  std::stop_token stop;    // a request to stop ends the exchange within a second (kFailed)
};

// Safe from any thread; blocks, so it belongs to hands. Any status is a Response; errors are only
// those of the way: kUnavailable (connect, reset), kTimeout, kLimit, kInvalid (bad URL).
class HttpTransport {
 public:
  virtual ~HttpTransport() = default;
  virtual Result<HttpResponse> Send(const HttpRequest& request, const HttpOptions& options) = 0;
};

}  // namespace fettle
