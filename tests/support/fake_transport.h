// An HTTP transport that records what is sent and answers as the test says; and one that hands
// requests straight to a handler.
#pragma once

#include <functional>
#include <mutex>
#include <utility>
#include <vector>

#include "common/http.h"

namespace fettle {

class FakeTransport final : public HttpTransport {
 public:
  using Answer = std::function<Result<HttpResponse>(const HttpRequest&)>;

  Result<HttpResponse> Send(const HttpRequest& request, const HttpOptions& options) override {
    Answer answer;
    {
      const std::lock_guard lock(mutex_);
      sent_.push_back(request);
      options_.push_back(options);
      answer = answer_;
    }
    Result<HttpResponse> response = answer ? answer(request) : HttpResponse{};
    const bool connected = response || response.error().cause != Cause::kUnavailable;
    if (connected && options.on_sending) options.on_sending();
    if (response && options.on_head && !options.on_head(*response)) {
      return Fail("the receiver did not want the answer");
    }
    if (response && options.on_body) {
      options.on_body(response->body);
      response->body.clear();
    }
    return response;
  }
  // What every request from now on is answered with; without it, 200 and an empty body.
  void AnswerWith(Answer answer) {
    const std::lock_guard lock(mutex_);
    answer_ = std::move(answer);
  }
  std::vector<HttpRequest> Sent() const {
    const std::lock_guard lock(mutex_);
    return sent_;
  }
  std::vector<HttpOptions> Options() const {
    const std::lock_guard lock(mutex_);
    return options_;
  }

 private:
  mutable std::mutex mutex_;
  std::vector<HttpRequest> sent_;
  std::vector<HttpOptions> options_;
  Answer answer_;
};

class LoopbackTransport final : public HttpTransport {
 public:
  explicit LoopbackTransport(HttpHandler handler) : handler_(std::move(handler)) {}
  Result<HttpResponse> Send(const HttpRequest& request, const HttpOptions&) override {
    return handler_(request);
  }

 private:
  HttpHandler handler_;
};

}  // namespace fettle
