#include "receivers/actions/http.h"

#include <algorithm>
#include <utility>

#include "common/json.h"

namespace fettle::receivers {

const ActionTraits& HttpAction::traits() const {
  static const ActionTraits traits{.kind = "http", .on_container = false, .counted = true};
  return traits;
}

std::string HttpActionBody(const ActionCall& call) {
  JsonWriter json;
  json.BeginObject()
      .Field("repair", call.attempt.repair)
      .Field("target", call.attempt.target)
      .Field("incident", call.attempt.incident)
      .Field("attempt", call.attempt.number);
  json.Key("labels").BeginObject();
  const Trigger* leading = call.incident == nullptr ? nullptr : call.incident->Leading();
  if (leading != nullptr) {
    for (const auto& [name, value] : leading->labels) json.Field(name, value);
  }
  json.EndObject().EndObject();
  return json.Take();
}

void HttpAction::Work(ActionCall call, bool again, const Finish& finish) {
  const bool taken = deps_.hands.Do([this, call = std::move(call), again, finish] {
    Step step = Do(call, again);
    deps_.brain.Finish([finish, step = std::move(step)](const Moment& now) { finish(step, now); });
  });
  if (taken) return;
  deps_.brain.Finish([finish, again](const Moment& now) {
    const char* const busy = "every hand is busy";
    finish(again ? Step::LookAgain(Millis(500), busy) : Step::NotCalled(Millis(500), busy), now);
  });
}

Step HttpAction::Do(const ActionCall& call, bool again) const {
  const auto* spec = std::get_if<HttpSpec>(&call.rung.action);
  const bool repeatable = spec != nullptr && spec->Repeatable();
  if (again && !repeatable) {
    return Step::Outcome(AttemptState::kIndeterminate, "nobody knows what became of the request");
  }
  if (spec == nullptr || deps_.http == nullptr) {
    return Step::Outcome(AttemptState::kCancelled, "the request is not configured any more");
  }
  if (KillSwitchIsOn(call.kill_switch_file)) {
    return Step::Outcome(AttemptState::kCancelled, "the kill switch was set");
  }
  HttpRequest request;
  request.method = spec->method;
  request.url = spec->url;
  HttpOptions options;
  if (Status applied = spec->http.Apply(request, options); !applied) {
    return Step::Outcome(AttemptState::kFailed, applied.error().message);
  }
  // A redirect would be a URL that nobody configured.
  options.follow_redirects = false;
  options.body_bytes_max = kAnswerBytesMax;
  options.timeout = call.rung.timeout.value_or(kTimeoutDefault);
  request.headers.Set("Idempotency-Key", call.attempt.id);
  if (spec->method != "GET" && spec->method != "DELETE") {
    request.headers.Set("Content-Type", "application/json");
    request.body = HttpActionBody(call);
  }
  bool sent = false;
  options.on_sending = [&sent] { sent = true; };
  const BootTime called = deps_.clock.Now().boot;
  const Result<HttpResponse> answer = deps_.http->Send(request, options);
  const bool late = deps_.clock.Now().boot >= call.deadline;
  if (!answer) {
    if (sent && !repeatable) {
      return Step::Outcome(AttemptState::kIndeterminate, answer.error().message, called);
    }
    if (repeatable && !late) return Step::LookAgain(kAgainAfter, answer.error().message, called);
    return Step::Outcome(AttemptState::kFailed, answer.error().message, called);
  }
  std::string note = fmt::format("it answered {}", answer->status);
  if (answer->status >= 200 && answer->status < 300) {
    return Step::Outcome(AttemptState::kDone, std::move(note), called);
  }
  if (answer->status >= 500 && repeatable && !late) {
    return Step::LookAgain(kAgainAfter, std::move(note), called);
  }
  return Step::Outcome(AttemptState::kFailed, std::move(note), called);
}

}  // namespace fettle::receivers
