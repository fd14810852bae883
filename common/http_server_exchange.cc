#include "common/http_server_exchange.h"

#include <civetweb.h>

#include <algorithm>
#include <array>
#include <ctime>
#include <exception>
#include <utility>

#include "common/check.h"
#include "common/deadline.h"
#include "common/gzip.h"
#include "common/http_server_sockets.h"
#include "common/number.h"

namespace fettle {
namespace {

constexpr std::size_t kPieceBytes = 64 * 1024;
constexpr std::size_t kJoinBytesMax = 64 * 1024;  // head and body in one write
constexpr std::size_t kDrainBytesMax = 64 * 1024 * 1024;
constexpr Millis kDrainTime{2'000};
constexpr std::string_view kOther = "other";
constexpr const char* kDuration = "fettle_http_request_duration_seconds";

const std::vector<double>& DurationBuckets() {
  static const std::vector<double> buckets = {0.001, 0.005, 0.02, 0.1, 0.5, 2, 10, 60};
  return buckets;
}

const std::vector<std::string>& Reasons() {
  static const std::vector<std::string> reasons = {"address_connections",
                                                   "doors",
                                                   "streams",
                                                   "malformed",
                                                   "header_bytes",
                                                   "header_deadline",
                                                   "url_bytes",
                                                   "body_bytes",
                                                   "body_deadline",
                                                   "body_broken",
                                                   "bodies_memory",
                                                   "no_route",
                                                   "method",
                                                   "credentials_missing",
                                                   "credentials_wrong",
                                                   "login_rate",
                                                   "role",
                                                   "signature_wrong",
                                                   "signature_old",
                                                   "signature_replayed",
                                                   "signature_memory_full"};
  return reasons;
}

bool IsKept(std::string_view path) { return path == "/webhook" || path.starts_with("/-/"); }

bool HasToken(std::string_view header, std::string_view token) {
  while (!header.empty()) {
    std::string_view item = header.substr(0, header.find(','));
    header.remove_prefix(std::min(header.size(), item.size() + 1));
    item.remove_prefix(std::min(item.size(), item.find_first_not_of(" \t")));
    item = item.substr(0, item.find_last_not_of(" \t") + 1);
    if (Headers{{std::string(item), ""}}.Has(token)) return true;
  }
  return false;
}

// A header from a label or an annotation must not begin a new one.
std::string OneLine(std::string_view text) {
  std::string out(text);
  std::replace_if(
      out.begin(), out.end(), [](char c) { return c == '\r' || c == '\n' || c == '\0'; }, ' ');
  return out;
}

std::string HttpDate(Time time) {
  const std::time_t seconds = std::chrono::system_clock::to_time_t(time);
  std::tm parts{};
  ::gmtime_r(&seconds, &parts);
  std::array<char, 64> text{};
  const std::size_t size =
      std::strftime(text.data(), text.size(), "%a, %d %b %Y %H:%M:%S GMT", &parts);
  return {text.data(), size};
}

bool MayHaveBody(int status) { return status != 204 && status != 304; }

HttpResponse Busy(std::string_view text) {
  HttpResponse response = TextResponse(503, text);
  response.headers.Set("Retry-After", "1");
  return response;
}

}  // namespace

ServerStats::ServerStats(Metrics& metrics, const Router& router)
    : metrics_(metrics),
      open_(metrics.Gauge("fettle_http_connections", "Open connections of the HTTP server.")) {
  for (const std::string& reason : Reasons()) {
    refused_[reason] = &metrics.Counter("fettle_http_refused_total",
                                        "Requests and connections that were refused, by reason.",
                                        Labels{{"reason", reason}});
  }
  std::vector<std::string> paths = {std::string(kOther)};
  for (const Router::Route& route : router.routes()) paths.push_back(route.path);
  for (const std::string& path : paths) {
    routes_[path] = {
        path,
        &metrics.Histogram(kDuration, "How long requests took, from the head to the answer.",
                           DurationBuckets(), Labels{{"handler", path}}),
        {}};
  }
}

ServerStats::Counted ServerStats::Served(const Router::Route* route, int status, Micros took) {
  PerRoute& per_route = routes_.find(route == nullptr ? kOther : route->path)->second;
  const double seconds = ToSeconds(took);
  per_route.seconds->Observe(seconds);
  const std::vector<double>& bounds = DurationBuckets();
  const auto bound = std::lower_bound(bounds.begin(), bounds.end(), seconds);
  Counted counted{
      kDuration,
      {{"handler", per_route.path}, {"le", bound == bounds.end() ? "+Inf" : FormatFloat(*bound)}}};
  const std::lock_guard lock(mutex_);
  prometheus::Counter*& counter = per_route.by_code[status];
  if (counter == nullptr) {
    counter =
        &metrics_.Counter("fettle_http_requests_total", "Requests that were answered.",
                          Labels{{"code", std::to_string(status)}, {"handler", per_route.path}});
  }
  counter->Increment();
  return counted;
}

void ServerStats::Refused(std::string_view reason) {
  const auto found = refused_.find(reason);
  FETTLE_CHECK(found != refused_.end());
  found->second->Increment();
}

ServerShared::ServerShared(HttpServer::Deps deps_in, HttpServer::Options options_in,
                           WebConfig web_config, Router router_in)
    : deps(std::move(deps_in)),
      options(std::move(options_in)),
      config(std::move(web_config)),
      router(std::move(router_in)),
      auth({.clock = deps.clock, .log = deps.log}, config),
      stats(deps.metrics, router),
      doors({.threads = options.threads,
             .kept = options.doors_kept,
             .per_address_max = options.connections_per_address_max,
             .head = options.header_deadline,
             .body = options.body_deadline,
             .writing = options.write_deadline}) {}

Exchange::Exchange(ServerShared& shared, mg_connection* connection)
    : shared_(shared),
      connection_(connection),
      info_(*mg_get_request_info(connection)),
      peer_(ParsePeer(info_.remote_addr, info_.remote_port)) {}

Exchange::~Exchange() {
  shared_.body_bytes -= counted_body_bytes_;
  if (streams_) --shared_.streams;
}

int Exchange::Serve() {
  const BootTime began = SystemClock().Now().boot;
  if (peer_) {
    const Doors::Entry entry = WithDoors([&](Doors& doors) { return doors.BeginRequest(*peer_); });
    if (entry == Doors::Entry::kRefused) {  // It was answered when it came.
      mg_disable_connection_keep_alive(connection_);
      return 503;
    }
    only_kept_ = entry == Doors::Entry::kOnlyKept;
  }
  ReadHead();
  HttpResponse response = Respond();
  shared_.auth.Finished(verdict_, response.status);
  if (has_body_ && !body_read_) close_ = true;
  const bool may_stay = !peer_ || WithDoors([&](Doors& doors) { return doors.MayStay(*peer_); });
  if (!may_stay || shared_.stopping) close_ = true;
  if (close_) mg_disable_connection_keep_alive(connection_);
  // Counted before the client can know, so that who asks next sees the count.
  Count(response.status, SystemClock().Now().boot - began);
  shared_.body_bytes -= std::exchange(counted_body_bytes_, 0);
  Write(response);
  if (has_body_ && !body_read_) Drain();
  if (peer_) {
    const BootTime now = SystemClock().Now().boot;
    WithDoors([&](Doors& doors) { close_ ? doors.Leave(*peer_) : doors.Rest(*peer_, now); });
  }
  // Who stops shuts those that rest; whoever comes to rest after that closes by itself.
  if (shared_.stopping) mg_disable_connection_keep_alive(connection_);
  return response.status;
}

void Exchange::Count(int status, Micros took) {
  const ServerStats::Counted counted = shared_.stats.Served(route_, status, took);
  if (shared_.deps.exemplars == nullptr) return;
  const std::string_view trace = TraceIdOf(request_.headers.Get("traceparent"));
  if (trace.empty()) return;
  shared_.deps.exemplars->Note(
      counted.family, counted.bucket,
      {{{"trace_id", std::string(trace)}}, ToSeconds(took), shared_.deps.clock.Now().wall});
}

void Exchange::ServeError(int status, std::string_view reason, std::string_view text) {
  close_ = true;
  mg_disable_connection_keep_alive(connection_);
  HttpResponse response = Refuse(reason, TextResponse(status, fmt::format("{}\n", text)));
  (void)shared_.stats.Served(nullptr, status, Micros(0));
  Write(response);
  if (peer_) WithDoors([&](Doors& doors) { doors.Leave(*peer_); });
}

void Exchange::ReadHead() {
  request_.method = info_.request_method != nullptr ? info_.request_method : "";
  request_.url = info_.request_uri != nullptr ? info_.request_uri : "/";
  if (info_.query_string != nullptr) request_.url += fmt::format("?{}", info_.query_string);
  request_.remote_address = info_.remote_addr;
  for (int i = 0; i < info_.num_headers; ++i) {
    request_.headers.Add(info_.http_headers[i].name, info_.http_headers[i].value);
  }
  has_body_ = info_.content_length > 0 || request_.headers.Has("Transfer-Encoding");
  const bool keeps = info_.http_version != nullptr && std::string_view(info_.http_version) == "1.1";
  close_ = !keeps || HasToken(request_.headers.Get("Connection"), "close");
}

HttpResponse Exchange::Refuse(std::string_view reason, HttpResponse response) {
  shared_.stats.Refused(reason);
  return response;
}

// civetweb believes much; what two readers could read in two ways is not read here at all.
std::optional<HttpResponse> Exchange::CheckHead() {
  if (info_.num_headers >= MG_MAX_HEADERS) {
    has_body_ = true;  // Whatever comes next cannot be told apart.
    return Refuse("header_bytes", TextResponse(431, "too many headers\n"));
  }
  int lengths = 0;
  bool good = true;
  for (const auto& [name, value] : request_.headers) {
    if (!Headers{{"Content-Length", ""}}.Has(name)) continue;
    ++lengths;
    if (value.empty() || value.find_first_not_of("0123456789") != std::string::npos) good = false;
  }
  if (!good || lengths > 1 || (lengths == 1 && request_.headers.Has("Transfer-Encoding"))) {
    has_body_ = true;
    return Refuse("malformed", TextResponse(400, "the length of the body is ambiguous\n"));
  }
  if (request_.url.size() > shared_.options.url_bytes_max) {
    return Refuse("url_bytes", TextResponse(414, "the URL is too long\n"));
  }
  const std::string path = request_.Path();
  if (std::any_of(path.begin(), path.end(), [](char c) { return c >= 0 && c < ' '; })) {
    return Refuse("malformed", TextResponse(400, "the path holds a control character\n"));
  }
  return std::nullopt;
}

std::optional<HttpResponse> Exchange::FindRoute() {
  const std::string path = request_.Path();
  if (only_kept_ && !IsKept(path)) {
    return Refuse("doors", Busy("all doors are taken\n"));
  }
  route_ = shared_.router.Find(request_.method, path);
  if (route_ != nullptr) return std::nullopt;
  const std::vector<std::string> methods = shared_.router.MethodsAt(path);
  if (methods.empty()) return Refuse("no_route", TextResponse(404, "404 page not found\n"));
  HttpResponse response = TextResponse(405, "method not allowed\n");
  response.headers.Set("Allow", fmt::format("{}", fmt::join(methods, ", ")));
  return Refuse("method", std::move(response));
}

HttpResponse Exchange::Respond() {
  if (auto refusal = CheckHead()) return *std::move(refusal);
  if (auto refusal = FindRoute()) return *std::move(refusal);
  verdict_ = shared_.auth.BeforeBody(request_, route_->role);
  if (verdict_.kind == Authenticator::Verdict::Kind::kRefused) {
    return Refuse(verdict_.reason, shared_.auth.Refusal(verdict_));
  }
  if (auto refusal = ReadBody()) return *std::move(refusal);
  if (verdict_.kind == Authenticator::Verdict::Kind::kNeedsBody) {
    verdict_ = shared_.auth.WithBody(request_);
    if (verdict_.kind == Authenticator::Verdict::Kind::kRefused) {
      return Refuse(verdict_.reason, shared_.auth.Refusal(verdict_));
    }
  }
  request_.identity = verdict_.identity;
  return Handle();
}

HttpResponse Exchange::Handle() {
  if (peer_) WithDoors([&](Doors& doors) { doors.BeginHandler(*peer_); });
  try {
    HttpResponse response = route_->handler(request_);
    FETTLE_CHECK(response.status >= 200 && response.status < 600);
    if (!response.stream) return response;
    streams_ = true;
    if (++shared_.streams > shared_.options.streams_max) {
      return Refuse("streams", Busy("too many live viewers: poll instead\n"));
    }
    return response;
  } catch (const std::exception& error) {
    shared_.deps.log.Error("a handler failed", {{"handler", route_->path}, {"err", error.what()}});
  } catch (...) {
    shared_.deps.log.Error("a handler failed", {{"handler", route_->path}});
  }
  return TextResponse(500, "internal error\n");
}

bool Exchange::Grow(std::string_view piece) {
  counted_body_bytes_ += piece.size();
  if ((shared_.body_bytes += piece.size()) > shared_.options.bodies_bytes_max) return false;
  request_.body += piece;
  return true;
}

bool Exchange::Overdue() {
  const BootTime now = SystemClock().Now().boot;
  return peer_ && WithDoors([&](Doors& doors) { return doors.IsOverdue(*peer_, now); });
}

std::optional<HttpResponse> Exchange::ReadBody() {
  if (!has_body_) return std::nullopt;
  const std::size_t limit = shared_.options.body_bytes_max;
  const auto too_long = [&] {
    return Refuse("body_bytes",
                  TextResponse(413, fmt::format("the body is longer than {} bytes\n", limit)));
  };
  const auto announced = static_cast<unsigned long long>(std::max(info_.content_length, 0LL));
  if (announced > limit) return too_long();
  if (peer_) {
    const BootTime now = SystemClock().Now().boot;
    WithDoors([&](Doors& doors) { doors.BeginBody(*peer_, now); });
  }
  if (HasToken(request_.headers.Get("Expect"), "100-continue")) {
    Send("HTTP/1.1 100 Continue\r\n\r\n");
  }
  std::array<char, kPieceBytes> buffer;
  int got = 0;
  while ((got = mg_read(connection_, buffer.data(), buffer.size())) > 0) {
    const std::string_view piece(buffer.data(), static_cast<std::size_t>(got));
    if (request_.body.size() + piece.size() > limit) return too_long();
    if (!Grow(piece)) return Refuse("bodies_memory", Busy("too many bodies at once\n"));
  }
  const bool whole = info_.content_length > 0 ? request_.body.size() == announced : got == 0;
  if (whole) {
    body_read_ = true;
    return std::nullopt;
  }
  // civetweb's own limit is on silence; the doorman's on the whole.
  if (Overdue() || got == 0) {
    return Refuse("body_deadline", TextResponse(408, "the body did not come in time\n"));
  }
  return Refuse("body_broken", TextResponse(400, "the body is broken\n"));
}

void Exchange::Drain() {
  const Deadline deadline(kDrainTime);
  std::array<char, kPieceBytes> buffer;
  std::size_t drained = 0;
  while (drained < kDrainBytesMax && !deadline.Passed() && !Overdue()) {
    const int got = mg_read(connection_, buffer.data(), buffer.size());
    if (got <= 0) return;
    drained += static_cast<std::size_t>(got);
  }
}

bool Exchange::Send(std::string_view bytes) {
  return bytes.empty() ||
         mg_write(connection_, bytes.data(), bytes.size()) == static_cast<int>(bytes.size());
}

std::string Exchange::Head(const HttpResponse& response) const {
  const auto& [status, headers, body, stream] = response;
  std::string head =
      fmt::format("HTTP/1.1 {} {}\r\n", status, mg_get_response_code_text(connection_, status));
  for (const auto& [name, value] : headers) {
    head += fmt::format("{}: {}\r\n", OneLine(name), OneLine(value));
  }
  for (const auto& [name, value] : shared_.config.headers) {
    if (!headers.Has(name)) head += fmt::format("{}: {}\r\n", name, value);
  }
  head += fmt::format("Date: {}\r\n", HttpDate(shared_.deps.clock.Now().wall));
  if (stream) {
    head += "Transfer-Encoding: chunked\r\n";
  } else if (MayHaveBody(status)) {
    head += fmt::format("Content-Length: {}\r\n", body.size());
  }
  head += fmt::format("Connection: {}\r\n\r\n", close_ ? "close" : "keep-alive");
  return head;
}

void Exchange::Write(HttpResponse& response) {
  if (response.body.size() >= shared_.options.gzip_bytes_min && !response.stream &&
      !response.headers.Has("Content-Encoding")) {
    response.headers.Add("Vary", "Accept-Encoding");
    if (AcceptsGzip(request_.headers.Get("Accept-Encoding"))) {
      response.body = Gzip(response.body);
      response.headers.Set("Content-Encoding", "gzip");
    }
  }
  if (peer_) {
    const BootTime now = SystemClock().Now().boot;
    WithDoors([&](Doors& doors) { doors.BeginAnswer(*peer_, now); });
  }
  std::string head = Head(response);
  const bool with_body = request_.method != "HEAD" && MayHaveBody(response.status);
  if (response.stream && with_body) {
    if (Send(head)) Stream(response);
    return;
  }
  if (with_body && response.body.size() <= kJoinBytesMax) {
    head += response.body;
    Send(head);
  } else if (Send(head) && with_body) {
    Send(response.body);
  }
}

void Exchange::Stream(const HttpResponse& response) {
  bool alive = true;
  const auto write = [&](std::string_view piece) {
    if (!alive || shared_.stopping) return false;
    if (piece.empty()) return true;  // An empty chunk would be the end.
    if (peer_) {
      const BootTime now = SystemClock().Now().boot;
      WithDoors([&](Doors& doors) { doors.BeginAnswer(*peer_, now); });
    }
    alive = Send(fmt::format("{:x}\r\n{}\r\n", piece.size(), piece));
    if (peer_) WithDoors([&](Doors& doors) { doors.BeginHandler(*peer_); });
    return alive;
  };
  try {
    response.stream(write);
    if (alive) Send("0\r\n\r\n");
    return;
  } catch (const std::exception& error) {
    shared_.deps.log.Error("a stream failed", {{"handler", route_->path}, {"err", error.what()}});
  } catch (...) {
    shared_.deps.log.Error("a stream failed", {{"handler", route_->path}});
  }
  mg_disable_connection_keep_alive(
      connection_);  // Cut short, the client sees that it is not whole.
}

}  // namespace fettle
