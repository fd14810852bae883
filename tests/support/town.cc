#include "tests/support/town.h"

#include "common/check.h"
#include "common/duration.h"
#include "common/json.h"

namespace fettle::receivers {

const char* const Town::kConfig = R"(
global: {resolve_timeout: 1000h}
route: {receiver: people, group_wait: 30s, group_interval: 5m, repeat_interval: 4h}
receivers: [{name: people, webhook_configs: [{url: "http://town/people"}]}]
)";

Town::Town(std::string config, Telling::Options options)
    : config_(std::move(config)), options_(std::move(options)) {
  Boot();
}

Town::~Town() = default;

std::shared_ptr<const Plan> Town::PlanOf(const std::string& config) {
  yaml::Complaints complaints;
  auto read = ReadAlertmanagerConfig(config, "town.yml", complaints);
  if (!read) fmt::print(stderr, "{}\n", complaints.ToString());
  FETTLE_CHECK(read.has_value());
  return MakePlan(*std::move(read), {*this, "Alertmanager/0.33.1"}).value();
}

void Town::Boot() {
  telling_.reset();
  alerts_.reset();
  hands_.Drop();
  brain_.emplace();
  const Moment at = clock_.Now();
  alerts_ = std::make_unique<Alerts>(
      Alerts::Deps{*brain_, hands_, store_, clock_, metrics_, log_.For("alerts")},
      Alerts::Options{});
  FETTLE_CHECK(alerts_->Restore(at).has_value());
  telling_ = std::make_unique<Telling>(
      Telling::Deps{*brain_, store_, *alerts_, clock_, random_, metrics_, log_.For("telling"),
                    [this](const std::string&) { return std::make_unique<SharedHands>(hands_); }},
      options_);
  FETTLE_CHECK(telling_->Restore(at).has_value());
  telling_->Use(PlanOf(config_), at);
  Settle();
}

void Town::Restart() {
  store_.Restart();
  Boot();
}

void Town::Reload(const std::string& config) {
  config_ = config;
  telling_->Use(PlanOf(config), clock_.Now());
  Settle();
}

void Town::Settle() {
  do {
    brain_->RunUntil(clock_.Now());
    // A dead process tells nobody.
  } while (!store_.Crashed() && hands_.WorkOne(pick ? pick() : 0));
}

void Town::Pass(Micros duration) {
  const BootTime end = clock_.Now().boot + duration;
  Settle();
  while (!store_.Crashed()) {
    const auto next = brain_->NextDeadline();
    if (!next || *next > end) break;
    clock_.Pass(std::max(Micros(0), *next - clock_.Now().boot));
    Settle();
  }
  clock_.Pass(end - clock_.Now().boot);
  Settle();
}

Alert Town::Make(const std::string& name, const Labels& more, Time ends) const {
  Alert alert;
  alert.labels = more;
  alert.labels.Set("alertname", name);
  alert.ends_at = ends;
  return alert;
}

Status Town::Post(AlertBatch batch) {
  std::optional<Status> answer;
  alerts_->Post(std::move(batch), [&answer](Status status) { answer = std::move(status); });
  Settle();
  return answer ? *answer : Status(Fail("nobody answered"));
}

void Town::Fire(const std::string& name, const Labels& more) {
  FETTLE_CHECK(Post({AlertSource::kApi, {Make(name, more, Time{})}}).has_value());
}

void Town::Resolve(const std::string& name, const Labels& more) {
  FETTLE_CHECK(Post({AlertSource::kApi, {Make(name, more, now())}}).has_value());
}

Lines Town::Sent() { return std::exchange(sent_, {}); }

void Town::AnswerOf(const std::string& receiver, Answer answer) {
  answers_[receiver] = std::move(answer);
}

int Town::Tries(const std::string& receiver) const {
  const auto found = tries_.find(receiver);
  return found == tries_.end() ? 0 : found->second;
}

Result<HttpResponse> Town::Send(const HttpRequest& request, const HttpOptions&) {
  const std::string receiver = request.url.substr(std::string("http://town/").size());
  ++tries_[receiver];
  Result<HttpResponse> answer;
  // A copy: the answer may change what is answered next.
  const auto found = answers_.find(receiver);
  const Answer script = found == answers_.end() ? nullptr : found->second;
  if (script) answer = script();
  if (!answer || answer->status / 100 != 2) return answer;
  const Json message = Json::Parse(request.body).value();
  std::string line = FormatDuration(age());
  if (receiver != "people") line += " " + receiver;
  std::string alerts;
  for (const Json& alert : message["alerts"].Items()) {
    alerts += alerts.empty() ? " " : "+";
    if (alert["status"].StringOr("") == "resolved") alerts += "-";
    alerts += alert["labels"]["alertname"].StringOr("?");
  }
  sent_.push_back(line + alerts);
  bodies_.push_back(request.body);
  return answer;
}

Result<std::string> Town::Silence(const std::string& matchers, Millis for_how_long) {
  receivers::Silence silence;
  silence.matchers = ParseMatchers(matchers).value();
  silence.starts_at = now();
  silence.ends_at = now() + for_how_long;
  silence.created_by = "the test";
  silence.comment = "quiet";
  Result<std::string> id = Fail("nobody answered");
  telling_->silences().Set(silence, [&id](Result<std::string> answer) { id = std::move(answer); });
  Settle();
  return id;
}

Status Town::Unsilence(const std::string& id) {
  Status status = Fail("nobody answered");
  telling_->silences().Expire(id, [&status](Status answer) { status = std::move(answer); });
  Settle();
  return status;
}

}  // namespace fettle::receivers
