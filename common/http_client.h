// Sends requests with a deadline (libcurl stays inside http_client.cc).
#pragma once

#include <memory>

#include "common/http.h"

namespace fettle {

// Keeps a few idle connections, each with its own handle; starts libcurl and its CA store at the
// first use, to stay small when idle. Safe from any thread.
//
// An idle connection may turn out to be dead. GET, HEAD, PUT, DELETE and OPTIONS are then sent once
// more on a new one; POST and PATCH are not, because the first copy may have been heard: that is
// kUnavailable, and the caller knows what may be repeated. HTTP/1.1 only; TLS 1.2 and 1.3.
class HttpClient final : public HttpTransport {
 public:
  static constexpr std::size_t kIdleHandlesMax = 8;
  static constexpr std::size_t kHeaderBytesMax = 256 * 1024;  // of an answer; then kLimit
  static constexpr int kRedirectsMax = 10;                    // then kLimit

  HttpClient();
  ~HttpClient() override;
  Result<HttpResponse> Send(const HttpRequest& request, const HttpOptions& options) override;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Removes user info, query values and the fragment from a URL, for messages and logs:
// "https://me:pw@host/a?token=x" becomes "https://host/a?token=…".
std::string RedactUrl(std::string_view url);

}  // namespace fettle
