#include "receivers/notifiers/post.h"

#include <fmt/format.h>

#include <algorithm>

#include "common/utf8.h"

namespace fettle::receivers {
namespace {

constexpr std::size_t kAnswerBytesMax = 64 * 1024;
constexpr std::size_t kShownBytesMax = 512;

std::string Trimmed(std::string text) {
  if (text.size() > kShownBytesMax) text = text.substr(0, kShownBytesMax) + "…";
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
  return text;
}

}  // namespace

Outcome ByStatus(const HttpResponse& response) {
  if (response.status / 100 == 2) return Outcome::Done();
  std::string text = fmt::format("unexpected status code {}", response.status);
  if (!response.body.empty()) text += ": " + Trimmed(response.body);
  const bool server = response.status / 100 == 5;
  return Outcome::Failed({std::move(text)}, server,
                         server                       ? "serverError"
                         : response.status / 100 == 4 ? "clientError"
                                                      : "other");
}

Poster::Answer Poster::Post(Message message, Millis timeout, Millis limit,
                            const std::stop_token& stop) const {
  HttpRequest request;
  request.method = std::move(message.method);
  request.url = std::move(message.url);
  request.body = std::move(message.body);
  request.headers = std::move(message.headers);
  if (!message.content_type.empty()) request.headers.Set("Content-Type", message.content_type);
  request.headers.Set("User-Agent", deps_.user_agent);
  HttpOptions options;
  options.timeout = limit > Millis(0) ? std::min(timeout, limit) : timeout;
  options.body_bytes_max = kAnswerBytesMax;
  options.secret_url = true;
  options.stop = stop;
  if (const Status applied = config_.Apply(request, options); !applied) {
    return {Outcome::Failed(applied.error(), false), {}};
  }
  Result<HttpResponse> response = deps_.http.Send(request, options);
  if (response) {
    Outcome outcome = ByStatus(*response);
    return {std::move(outcome), *std::move(response)};
  }
  Error error = response.error();
  const bool too_late = error.cause == Cause::kTimeout;
  if (too_late && options.timeout == limit) {
    error.message += fmt::format(" (the receiver's own timeout of {} ms)", limit.count());
  }
  // Alertmanager tries again after any failure of the way.
  return {Outcome::Failed(std::move(error), true, too_late ? "contextDeadlineExceeded" : "other"),
          {}};
}

std::string TruncateRunes(std::string_view text, std::size_t runes_max) {
  std::size_t runes = 0;
  std::size_t last = 0;  // where the last rune that fits begins
  for (std::size_t at = 0; at < text.size(); ++runes) {
    if (runes == runes_max) return std::string(text.substr(0, last)) + "…";
    last = at;
    at += std::max<std::size_t>(DecodeRune(text, at).length, 1);
  }
  return std::string(text);
}

}  // namespace fettle::receivers
