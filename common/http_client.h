// Sends requests with a deadline (libcurl stays inside http_client.cc).
#pragma once

#include <memory>

#include "common/http.h"

namespace fettle {

// Keeps a few idle connections per thread-safe handle pool; starts libcurl and its CA store at the
// first use, to stay small when idle. Safe from any thread.
class HttpClient final : public HttpTransport {
 public:
  HttpClient();
  ~HttpClient() override;
  Result<HttpResponse> Send(const HttpRequest& request, const HttpOptions& options) override;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Removes user info and query values from a URL, for messages and logs.
std::string RedactUrl(std::string_view url);

}  // namespace fettle
