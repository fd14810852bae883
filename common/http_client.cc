#include "common/http_client.h"

#include <curl/curl.h>

#include <algorithm>
#include <array>
#include <mutex>
#include <optional>
#include <system_error>
#include <utility>

#include "common/check.h"
#include "common/clock.h"

namespace fettle {
namespace {

constexpr int kPollMillisMax = 1'000;
constexpr long kStreamBufferBytes = 128 * 1024;
constexpr std::size_t kUploadBufferBytes = 256 * 1024;  // of bodies that are longer
constexpr long kConnectionsPerHandleMax = 2;

BootTime Now() { return SystemClock().Now().boot; }

void StartLibcurl() {
  // libcurl's own state is one per process, whatever we do.
  static std::once_flag once;
  std::call_once(once, [] { FETTLE_CHECK(curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK); });
}

// One idle or busy place to send from: a multi handle keeps the connections and can be woken.
struct Handle {
  Handle() : multi(curl_multi_init()), easy(curl_easy_init()) {
    FETTLE_CHECK(multi != nullptr && easy != nullptr);
    curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, kConnectionsPerHandleMax);
  }
  ~Handle() {
    curl_easy_cleanup(easy);
    curl_multi_cleanup(multi);
  }
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;
  CURLM* multi;
  CURL* easy;
  std::string origin;  // what its newest connection leads to
};

struct Url {
  std::string text;
  std::string scheme;
  std::string host;
  std::string port;
  bool default_port = false;
  std::string origin() const { return fmt::format("{}://{}:{}", scheme, host, port); }
};

struct UrlHandle {
  UrlHandle() : handle(curl_url()) { FETTLE_CHECK(handle != nullptr); }
  ~UrlHandle() { curl_url_cleanup(handle); }
  UrlHandle(const UrlHandle&) = delete;
  UrlHandle& operator=(const UrlHandle&) = delete;
  std::string Part(CURLUPart part, unsigned flags = 0) const {
    char* text = nullptr;
    if (curl_url_get(handle, part, &text, flags) != CURLUE_OK) return {};
    std::string out = text;
    curl_free(text);
    return out;
  }
  CURLU* handle;
};

// A URL, or where `location` leads from it.
std::optional<Url> ParseUrl(const std::string& base, const std::string& location = {}) {
  const UrlHandle url;
  if (curl_url_set(url.handle, CURLUPART_URL, base.c_str(), CURLU_PATH_AS_IS) != CURLUE_OK) {
    return std::nullopt;
  }
  if (!location.empty() &&
      curl_url_set(url.handle, CURLUPART_URL, location.c_str(), CURLU_URLENCODE) != CURLUE_OK) {
    return std::nullopt;
  }
  Url out;
  out.text = location.empty() ? base : url.Part(CURLUPART_URL);
  out.scheme = url.Part(CURLUPART_SCHEME);
  out.host = url.Part(CURLUPART_HOST);
  out.port = url.Part(CURLUPART_PORT, CURLU_DEFAULT_PORT);
  out.default_port = url.Part(CURLUPART_PORT, CURLU_NO_DEFAULT_PORT).empty();
  if ((out.scheme != "http" && out.scheme != "https") || out.host.empty()) return std::nullopt;
  return out;
}

// The same URL with another host, for a certificate of another name.
std::string WithHost(const std::string& text, const std::string& host) {
  const UrlHandle url;
  curl_url_set(url.handle, CURLUPART_URL, text.c_str(), CURLU_PATH_AS_IS);
  curl_url_set(url.handle, CURLUPART_HOST, host.c_str(), 0);
  return url.Part(CURLUPART_URL);
}

bool IsIdempotent(std::string_view method) {
  return method == "GET" || method == "HEAD" || method == "PUT" || method == "DELETE" ||
         method == "OPTIONS";
}

Status CheckRequest(const HttpRequest& request) {
  const bool good_method = !request.method.empty() &&
                           std::all_of(request.method.begin(), request.method.end(), [](char c) {
                             return (c >= 'A' && c <= 'Z') || c == '-' || c == '_';
                           });
  if (!good_method) return Fail(Cause::kInvalid, "\"{}\" is no method", request.method);
  constexpr std::string_view kForbidden("\r\n\0", 3);
  for (const auto& [name, value] : request.headers) {
    if (name.empty() || name.find_first_of(": \t;") != std::string::npos ||
        name.find_first_of(kForbidden) != std::string::npos) {
      return Fail(Cause::kInvalid, "a header's name is not one");
    }
    if (value.find_first_of(kForbidden) != std::string::npos) {
      return Fail(Cause::kInvalid, "the value of header {} holds a line break", name);
    }
  }
  return {};
}

bool SayNothingOfTheSender(std::string_view name) {
  static constexpr std::array<std::string_view, 7> kHarmless = {
      "Accept",       "Accept-Encoding",  "Accept-Language", "Content-Encoding",
      "Content-Type", "Content-Language", "User-Agent"};
  return std::any_of(kHarmless.begin(), kHarmless.end(), [&](std::string_view harmless) {
    return Headers{{std::string(harmless), ""}}.Has(name);
  });
}

class HeaderList {
 public:
  HeaderList() = default;
  ~HeaderList() { curl_slist_free_all(list_); }
  HeaderList(const HeaderList&) = delete;
  HeaderList& operator=(const HeaderList&) = delete;
  void Add(const std::string& line) {
    curl_slist* longer = curl_slist_append(list_, line.c_str());
    FETTLE_CHECK(longer != nullptr);
    list_ = longer;
  }
  curl_slist* get() const { return list_; }

 private:
  curl_slist* list_ = nullptr;
};

long TlsVersions(const TlsOptions& tls) {
  long versions = CURL_SSLVERSION_TLSv1_2;
  if (tls.min_version == "TLS10") versions = CURL_SSLVERSION_TLSv1_0;
  if (tls.min_version == "TLS11") versions = CURL_SSLVERSION_TLSv1_1;
  if (tls.min_version == "TLS13") versions = CURL_SSLVERSION_TLSv1_3;
  if (tls.max_version == "TLS10") return versions | CURL_SSLVERSION_MAX_TLSv1_0;
  if (tls.max_version == "TLS11") return versions | CURL_SSLVERSION_MAX_TLSv1_1;
  if (tls.max_version == "TLS12") return versions | CURL_SSLVERSION_MAX_TLSv1_2;
  return versions | CURL_SSLVERSION_MAX_TLSv1_3;
}

Cause CauseOf(CURLcode code) {
  switch (code) {
    case CURLE_URL_MALFORMAT:
      return Cause::kInvalid;
    case CURLE_OPERATION_TIMEDOUT:
      return Cause::kTimeout;
    case CURLE_FILESIZE_EXCEEDED:
      return Cause::kLimit;
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_CONNECT:
    case CURLE_PROXY:
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
    case CURLE_GOT_NOTHING:
    case CURLE_PARTIAL_FILE:
    case CURLE_SSL_CONNECT_ERROR:
      return Cause::kUnavailable;
    default:
      return Cause::kFailed;
  }
}

// One request and its answer on one handle.
class Exchange {
 public:
  Exchange(Handle& handle, const HttpRequest& request, const HttpOptions& options, const Url& url)
      : handle_(handle), request_(request), options_(options), url_(url) {}

  Result<HttpResponse> Go(Millis timeout);
  bool redirected() const { return discard_body_; }

 private:
  template <typename T>
  void Set(CURLoption option, T value) {
    FETTLE_CHECK(curl_easy_setopt(handle_.easy, option, value) == CURLE_OK);
  }
  void Prepare(Millis timeout);
  void PrepareMethod();
  void PrepareHeaders();
  void PrepareTls();
  void SetPem(const std::string& path, CURLoption by_path, const std::string& text,
              CURLoption by_text);
  Result<HttpResponse> Drive();
  bool LookAtTime();
  bool OnHeader(std::string_view line);
  bool OnHeadEnd();
  bool OnBody(std::string_view piece);
  bool OnSend();
  bool GiveUp(Cause cause, std::string reason) {
    if (!failure_) failure_ = Error{std::move(reason), cause};
    return false;
  }

  // libcurl's callbacks. Nothing is thrown through them: noexcept ends the process instead.
  static std::size_t HeaderCallback(char* data, std::size_t size, std::size_t count,
                                    void* self) noexcept {
    const bool good = static_cast<Exchange*>(self)->OnHeader({data, size * count});
    return good ? size * count : CURL_WRITEFUNC_ERROR;
  }
  static std::size_t WriteCallback(char* data, std::size_t size, std::size_t count,
                                   void* self) noexcept {
    const bool good = static_cast<Exchange*>(self)->OnBody({data, size * count});
    return good ? size * count : CURL_WRITEFUNC_ERROR;
  }
  static int SendCallback(void* self, char*, char*, int, int) noexcept {
    return static_cast<Exchange*>(self)->OnSend() ? CURL_PREREQFUNC_OK : CURL_PREREQFUNC_ABORT;
  }

  Handle& handle_;
  const HttpRequest& request_;
  const HttpOptions& options_;
  const Url& url_;
  HeaderList headers_;
  HeaderList connect_to_;
  std::string host_header_;
  std::array<char, CURL_ERROR_SIZE> reason_{};
  HttpResponse response_;
  std::size_t header_bytes_ = 0;
  int sends_ = 0;
  bool head_over_ = false;
  bool discard_body_ = false;
  BootTime heard_{};
  std::optional<Error> failure_;
};

void Exchange::Prepare(Millis timeout) {
  curl_easy_reset(handle_.easy);
  Set(CURLOPT_ERRORBUFFER, reason_.data());
  Set(CURLOPT_NOSIGNAL, 1L);
  // Without it, a time-out waits for the resolver's thread after all.
  Set(CURLOPT_QUICK_EXIT, 1L);
  Set(CURLOPT_PROTOCOLS_STR, "http,https");
  Set(CURLOPT_HTTP_VERSION, long{CURL_HTTP_VERSION_1_1});
  Set(CURLOPT_PATH_AS_IS, 1L);
  Set(CURLOPT_TCP_KEEPALIVE, 1L);
  Set(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
  Set(CURLOPT_TIMEOUT_MS, static_cast<long>(timeout.count()));
  Set(CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(options_.connect_timeout.count()));
  Set(CURLOPT_FRESH_CONNECT, options_.fresh_connection ? 1L : 0L);
  Set(CURLOPT_PROXY, options_.proxy_url.c_str());
  Set(CURLOPT_NOPROXY, options_.no_proxy.c_str());
  if (!options_.unix_socket.empty()) {
    Set(CURLOPT_UNIX_SOCKET_PATH, options_.unix_socket.c_str());
  }
  if (options_.on_body) {
    Set(CURLOPT_BUFFERSIZE, kStreamBufferBytes);
  } else if (request_.method != "HEAD") {
    Set(CURLOPT_MAXFILESIZE_LARGE, static_cast<curl_off_t>(options_.body_bytes_max));
  }
  Set(CURLOPT_HEADERFUNCTION, &HeaderCallback);
  Set(CURLOPT_HEADERDATA, static_cast<void*>(this));
  Set(CURLOPT_WRITEFUNCTION, &WriteCallback);
  Set(CURLOPT_WRITEDATA, static_cast<void*>(this));
  Set(CURLOPT_PREREQFUNCTION, &SendCallback);
  Set(CURLOPT_PREREQDATA, static_cast<void*>(this));
  PrepareMethod();
  PrepareTls();
  PrepareHeaders();
}

void Exchange::PrepareMethod() {
  const std::string& method = request_.method;
  if (method == "HEAD") {
    Set(CURLOPT_NOBODY, 1L);
  } else if (!request_.body.empty() || method == "POST" || method == "PUT" || method == "PATCH") {
    Set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request_.body.size()));
    Set(CURLOPT_POSTFIELDS, request_.body.c_str());
    if (request_.body.size() > kUploadBufferBytes) {
      Set(CURLOPT_UPLOAD_BUFFERSIZE, static_cast<long>(kUploadBufferBytes));
    }
  } else {
    Set(CURLOPT_HTTPGET, 1L);
  }
  Set(CURLOPT_CUSTOMREQUEST, method.c_str());
}

void Exchange::SetPem(const std::string& path, CURLoption by_path, const std::string& text,
                      CURLoption by_text) {
  if (!path.empty()) {
    Set(by_path, path.c_str());
  } else if (!text.empty()) {
    curl_blob blob{const_cast<char*>(text.data()), text.size(), CURL_BLOB_COPY};
    Set(by_text, &blob);
  }
}

void Exchange::PrepareTls() {
  const TlsOptions& tls = options_.tls;
  Set(CURLOPT_SSLVERSION, TlsVersions(tls));
  Set(CURLOPT_SSL_VERIFYPEER, tls.insecure_skip_verify ? 0L : 1L);
  Set(CURLOPT_SSL_VERIFYHOST, tls.insecure_skip_verify ? 0L : 2L);
  SetPem(tls.ca_file, CURLOPT_CAINFO, tls.ca, CURLOPT_CAINFO_BLOB);
  SetPem(tls.cert_file, CURLOPT_SSLCERT, tls.cert, CURLOPT_SSLCERT_BLOB);
  SetPem(tls.key_file, CURLOPT_SSLKEY, tls.key, CURLOPT_SSLKEY_BLOB);
  if (tls.server_name.empty() || url_.scheme != "https") {
    Set(CURLOPT_URL, url_.text.c_str());
    return;
  }
  // libcurl takes the name to verify from the URL: so the URL gets it, and the way leads elsewhere.
  Set(CURLOPT_URL, WithHost(url_.text, tls.server_name).c_str());
  connect_to_.Add(fmt::format("{}:{}:{}:{}", tls.server_name, url_.port, url_.host, url_.port));
  Set(CURLOPT_CONNECT_TO, connect_to_.get());
  host_header_ = url_.default_port ? url_.host : fmt::format("{}:{}", url_.host, url_.port);
}

void Exchange::PrepareHeaders() {
  for (const auto& [name, value] : request_.headers) {
    // libcurl counts the body itself; with ';' it sends a header without a value.
    if (Headers{{"Content-Length", ""}}.Has(name)) continue;
    headers_.Add(value.empty() ? name + ";" : fmt::format("{}: {}", name, value));
  }
  if (!host_header_.empty() && !request_.headers.Has("Host")) {
    headers_.Add("Host: " + host_header_);
  }
  // What libcurl would add unasked: a form's content type, and a second's pause before a body.
  if (!request_.headers.Has("Content-Type")) headers_.Add("Content-Type:");
  if (!request_.headers.Has("Expect")) headers_.Add("Expect:");
  if (!request_.headers.Has("User-Agent")) headers_.Add("User-Agent: fettle");
  Set(CURLOPT_HTTPHEADER, headers_.get());
  if (options_.accept_gzip && !request_.headers.Has("Accept-Encoding")) {
    Set(CURLOPT_ACCEPT_ENCODING, "gzip");
  }
}

bool Exchange::OnSend() {
  // Called once a connection is there and before the request is written to it.
  if (++sends_ == 1 || IsIdempotent(request_.method)) {
    if (options_.on_sending) options_.on_sending();
    return true;
  }
  return GiveUp(Cause::kUnavailable,
                "the connection broke before an answer came, so whether it was heard is unknown");
}

bool Exchange::OnHeader(std::string_view line) {
  heard_ = Now();
  header_bytes_ += line.size();
  if (header_bytes_ > HttpClient::kHeaderBytesMax) {
    return GiveUp(Cause::kLimit, fmt::format("the answer has more than {} bytes of headers",
                                             HttpClient::kHeaderBytesMax));
  }
  if (head_over_) return true;  // A trailer: nobody asked for one.
  while (!line.empty() && (line.back() == '\r' || line.back() == '\n')) line.remove_suffix(1);
  if (line.starts_with("HTTP/")) {  // Of 100 Continue, or of the answer itself.
    response_ = HttpResponse{};
    long status = 0;
    curl_easy_getinfo(handle_.easy, CURLINFO_RESPONSE_CODE, &status);
    response_.status = static_cast<int>(status);
    return true;
  }
  if (line.empty()) return OnHeadEnd();
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos) return true;
  std::string_view value = line.substr(colon + 1);
  value.remove_prefix(std::min(value.size(), value.find_first_not_of(" \t")));
  value = value.substr(0, value.find_last_not_of(" \t") + 1);
  response_.headers.Add(std::string(line.substr(0, colon)), std::string(value));
  return true;
}

bool Exchange::OnHeadEnd() {
  long status = 0;
  curl_easy_getinfo(handle_.easy, CURLINFO_RESPONSE_CODE, &status);
  response_.status = static_cast<int>(status);
  if (status < 200) return true;
  head_over_ = true;
  const bool redirect =
      status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
  discard_body_ = options_.follow_redirects && redirect && response_.headers.Has("Location");
  if (discard_body_ || !options_.on_head || options_.on_head(response_)) return true;
  return GiveUp(Cause::kFailed, "the answer's body was not wanted");
}

bool Exchange::OnBody(std::string_view piece) {
  heard_ = Now();
  if (discard_body_) return true;
  if (options_.on_body) {
    const bool wanted = options_.on_body(piece);
    heard_ = Now();
    return wanted || GiveUp(Cause::kFailed, "the answer's body is not wanted any more");
  }
  if (piece.size() > options_.body_bytes_max - response_.body.size()) {
    return GiveUp(Cause::kLimit,
                  fmt::format("the answer is longer than {} bytes", options_.body_bytes_max));
  }
  response_.body += piece;
  return true;
}

bool Exchange::LookAtTime() {
  if (options_.stop.stop_requested()) return GiveUp(Cause::kFailed, "it was cancelled");
  if (options_.idle_timeout > Millis(0) && Now() - heard_ >= options_.idle_timeout) {
    return GiveUp(Cause::kTimeout,
                  fmt::format("nothing came for {:g}s", ToSeconds(options_.idle_timeout)));
  }
  return true;
}

Result<HttpResponse> Exchange::Drive() {
  CURLM* multi = handle_.multi;
  const std::stop_callback on_stop(options_.stop, [multi] { curl_multi_wakeup(multi); });
  FETTLE_CHECK(curl_multi_add_handle(multi, handle_.easy) == CURLM_OK);
  CURLcode code = CURLE_OK;
  int running = 1;
  while (LookAtTime() && curl_multi_perform(multi, &running) == CURLM_OK && running > 0) {
    Millis wait(kPollMillisMax);
    if (options_.idle_timeout > Millis(0)) {
      const auto left = std::chrono::ceil<Millis>(heard_ + options_.idle_timeout - Now());
      wait = std::clamp(left, Millis(0), wait);
    }
    curl_multi_poll(multi, nullptr, 0, static_cast<int>(wait.count()), nullptr);
  }
  int queued = 0;
  while (const CURLMsg* message = curl_multi_info_read(multi, &queued)) {
    if (message->msg == CURLMSG_DONE) code = message->data.result;
  }
  curl_multi_remove_handle(multi, handle_.easy);
  if (failure_) return tl::unexpected(*failure_);
  if (code == CURLE_OK && head_over_) return std::move(response_);
  if (code == CURLE_OK) return Fail(Cause::kUnavailable, "the answer broke off in its headers");
  std::string reason = reason_[0] != '\0' ? reason_.data() : curl_easy_strerror(code);
  long error = 0;
  curl_easy_getinfo(handle_.easy, CURLINFO_OS_ERRNO, &error);
  if (code == CURLE_COULDNT_CONNECT && error != 0) {
    reason += fmt::format(" ({})", std::generic_category().message(static_cast<int>(error)));
  }
  return tl::unexpected(Error{std::move(reason), CauseOf(code)});
}

Result<HttpResponse> Exchange::Go(Millis timeout) {
  heard_ = Now();
  Prepare(timeout);
  Result<HttpResponse> result = Drive();
  // The handle may lie in the pool for long: it must not point here.
  curl_easy_reset(handle_.easy);
  return result;
}

// What the next request of a redirect is.
HttpRequest Follow(const HttpRequest& request, int status, bool same_origin, const Url& next) {
  HttpRequest follow;
  follow.method = request.method;
  follow.url = next.text;
  const bool drops_body = (status == 303 && request.method != "HEAD") ||
                          ((status == 301 || status == 302) && request.method == "POST");
  if (drops_body) {
    follow.method = "GET";
  } else {
    follow.body = request.body;
  }
  for (const auto& [name, value] : request.headers) {
    if (drops_body && (Headers{{"Content-Type", ""}, {"Content-Encoding", ""}}.Has(name))) continue;
    if (same_origin || SayNothingOfTheSender(name)) follow.headers.Add(name, value);
  }
  return follow;
}

std::string Named(const HttpRequest& request, const HttpOptions& options) {
  std::string url = RedactUrl(request.url);
  const std::size_t host = url.find("://");
  if (options.secret_url && host != std::string::npos) {
    url = url.substr(0, url.find_first_of("/?", host + 3)) + "/…";
  }
  return fmt::format("{} {}", request.method, url);
}

}  // namespace

struct HttpClient::Impl {
  std::unique_ptr<Handle> Take(const std::string& origin) {
    StartLibcurl();
    {
      const std::lock_guard lock(mutex);
      // Newest first: its connection is the likeliest to live.
      for (auto at = idle.rbegin(); at != idle.rend(); ++at) {
        if ((*at)->origin != origin) continue;
        std::unique_ptr<Handle> handle = std::move(*at);
        idle.erase(std::next(at).base());
        return handle;
      }
    }
    auto handle = std::make_unique<Handle>();
    handle->origin = origin;
    return handle;
  }
  void GiveBack(std::unique_ptr<Handle> handle) {
    std::unique_ptr<Handle> oldest;  // Closed after the lock is let go.
    const std::lock_guard lock(mutex);
    idle.push_back(std::move(handle));
    if (idle.size() > kIdleHandlesMax) {
      oldest = std::move(idle.front());
      idle.erase(idle.begin());
    }
  }
  std::mutex mutex;
  std::vector<std::unique_ptr<Handle>> idle;  // the newest last
};

HttpClient::HttpClient() : impl_(std::make_unique<Impl>()) {}
HttpClient::~HttpClient() = default;

Result<HttpResponse> HttpClient::Send(const HttpRequest& request, const HttpOptions& options) {
  const std::string what = Named(request, options);
  if (Status good = CheckRequest(request); !good) return While(what, good.error());
  std::optional<Url> url = ParseUrl(request.url);
  if (!url) return Fail(Cause::kInvalid, "{}: not an http or https URL", what);
  const bool endless = options.on_body && options.timeout == Millis(0);
  const BootTime deadline = Now() + options.timeout;

  const std::string origin = url->origin();
  std::unique_ptr<Handle> handle = impl_->Take(options.unix_socket + origin);
  HttpRequest following;
  HttpOptions elsewhere;
  const HttpRequest* current = &request;
  const HttpOptions* how = &options;
  Result<HttpResponse> result;
  for (int hops = 0;; ++hops) {
    const auto left = std::chrono::ceil<Millis>(deadline - Now());
    if (!endless && left <= Millis(0)) {
      result = Fail(Cause::kTimeout, "the time is over");
      break;
    }
    Exchange exchange(*handle, *current, *how, *url);
    result = exchange.Go(endless ? Millis(0) : left);
    if (!result || !exchange.redirected()) break;
    if (hops == kRedirectsMax) {
      result = Fail(Cause::kLimit, "stopped after {} redirects", kRedirectsMax);
      break;
    }
    std::optional<Url> next = ParseUrl(url->text, std::string(result->headers.Get("Location")));
    if (!next) {
      result = Fail("the answer redirects to what is no http or https URL");
      break;
    }
    const bool same_origin = next->origin() == url->origin();
    following = Follow(*current, result->status, same_origin, *next);
    current = &following;
    if (!same_origin) {
      elsewhere = options;
      elsewhere.tls.cert_file.clear();
      elsewhere.tls.key_file.clear();
      elsewhere.tls.cert.clear();
      elsewhere.tls.key.clear();
      elsewhere.tls.server_name.clear();
      how = &elsewhere;
    }
    url = std::move(next);
  }
  impl_->GiveBack(std::move(handle));
  if (!result) return While(what, result.error());
  return result;
}

std::string RedactUrl(std::string_view url) {
  url = url.substr(0, url.find('#'));
  const std::size_t mark = url.find('?');
  std::string out(url.substr(0, mark));
  const std::size_t scheme = out.find("://");
  const std::size_t authority = scheme == std::string::npos ? 0 : scheme + 3;
  const std::size_t at = out.substr(0, out.find('/', authority)).rfind('@');
  if (at != std::string::npos && at >= authority) out.erase(authority, at + 1 - authority);
  if (mark == std::string_view::npos) return out;
  std::string_view query = url.substr(mark + 1);
  char before = '?';
  while (!query.empty()) {
    const std::string_view pair = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(query.size(), pair.size() + 1));
    const std::size_t equals = pair.find('=');
    // A parameter without '=' may be a value by itself.
    out += before;
    if (equals != std::string_view::npos) out.append(pair.substr(0, equals + 1));
    out += "…";
    before = '&';
  }
  return out;
}

}  // namespace fettle
