#include "receivers/notifiers/talk.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "common/digest.h"

namespace fettle::receivers {

Talk::Talk(const Deps& deps)
    : deps_(deps),
      data_(TemplateData(deps.notification)),
      firing_(deps.notification.firing()),
      key_(Hex(Sha256(deps.notification.group_key))) {}

void Talk::Fail(Error error) {
  if (!error_) error_ = std::move(error);
}

std::string Talk::Render(const std::string& text) {
  Result<std::string> rendered =
      receivers::Text(deps_.templates, "", text).Render(data_, deps_.notification.now);
  if (rendered) return *std::move(rendered);
  Fail(rendered.error());
  return "";
}

std::string Talk::RenderHtml(const std::string& text) {
  Result<std::string> rendered =
      receivers::Text(deps_.templates, "", text).RenderHtml(data_, deps_.notification.now);
  if (rendered) return *std::move(rendered);
  Fail(rendered.error());
  return "";
}

std::string Talk::Reveal(std::string_view field) {
  Result<std::string> secret = deps_.settings.GetSecret(field).Reveal();
  if (secret) return Render(*secret);
  Fail(While(fmt::format("reading {}_file", field), secret.error()).value());
  return "";
}

void Talk::TextField(JsonWriter& json, std::string_view key, const Settings& from,
                     std::string_view field) {
  const std::string text = Render(from.Text(field));
  if (!text.empty()) json.Field(key, text);
}

Poster::Answer Talk::Send(Poster::Message message, const std::set<int>& retry) {
  if (error_) return {Outcome::Failed(*error_, false), {}};
  const Millis left = std::chrono::ceil<Millis>(deps_.deadline - deps_.clock.Now().boot);
  if (left <= Millis(0)) {
    return {Outcome::Failed({"no time was left to tell", Cause::kTimeout}, true,
                            "contextDeadlineExceeded"),
            {}};
  }
  Poster::Answer answer =
      deps_.poster.Post(std::move(message), left, deps_.settings.Duration("timeout"), deps_.stop);
  if (!answer.outcome.status && retry.contains(answer.response.status)) answer.outcome.retry = true;
  return answer;
}

KindNotifier::KindNotifier(PostDeps deps, KindReceiver config,
                           std::shared_ptr<const Templates> templates)
    : config_(std::move(config)),
      tell_(TellOf(config_.kind->name)),
      templates_(std::move(templates)),
      poster_(std::move(deps), config_.settings.http) {}

Outcome KindNotifier::Notify(const Notification& notification, Millis timeout,
                             const std::stop_token& stop) {
  Talk talk({.settings = config_.settings,
             .templates = *templates_,
             .poster = poster_,
             .clock = clock_,
             .memory = memory_,
             .notification = notification,
             .deadline = clock_.Now().boot + timeout,
             .stop = stop});
  return tell_(talk);
}

std::string FormEncode(std::string_view text) {
  std::string encoded;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t space = std::min(text.find(' ', begin), text.size());
    if (begin > 0) encoded += '+';
    encoded += PercentEncode(text.substr(begin, space - begin));
    begin = space + 1;
  }
  // Go's url.Values leaves ~ as it is, and so does PercentEncode.
  return encoded;
}

std::string FormBody(const std::map<std::string, std::string>& values) {
  std::string body;
  for (const auto& [name, value] : values) {
    if (!body.empty()) body += '&';
    body += FormEncode(name) + "=" + FormEncode(value);
  }
  return body;
}

}  // namespace fettle::receivers
