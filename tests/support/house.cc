#include "tests/support/house.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <utility>

#include "common/duration.h"
#include "common/json.h"
#include "rules/rules_api.h"

namespace fettle {
namespace {

// What outlives the process, lent to it.
class LentStore final : public Store {
 public:
  explicit LentStore(Store& store) : store_(store) {}
  void Commit(Batch batch, Then then) override { store_.Commit(std::move(batch), std::move(then)); }
  Result<std::vector<Record>> Read(const RecordQuery& query) override { return store_.Read(query); }
  Result<std::vector<AuditEntry>> ReadAudit(std::int64_t from_seq, std::size_t limit) override {
    return store_.ReadAudit(from_seq, limit);
  }
  Status VerifyAudit() override { return store_.VerifyAudit(); }
  Status TrimAudit(Time before) override { return store_.TrimAudit(before); }
  Status Health() const override { return store_.Health(); }

 private:
  Store& store_;
};

class LentTransport final : public HttpTransport {
 public:
  explicit LentTransport(HttpTransport& transport) : transport_(transport) {}
  Result<HttpResponse> Send(const HttpRequest& request, const HttpOptions& options) override {
    return transport_.Send(request, options);
  }

 private:
  HttpTransport& transport_;
};

constexpr std::string_view kPeople = "http://people/";

}  // namespace

House::House(const std::string& fettle_yml, const std::string& alertmanager_yml) {
  dir.Write("fettle.yml", fettle_yml);
  dir.Write("alertmanager.yml", alertmanager_yml);
  network.AnswerWith([this](const HttpRequest& request) -> Result<HttpResponse> {
    const auto found = answers_.find(request.url);
    // "ok" is what Slack says.
    return HttpResponse{found == answers_.end() ? 200 : found->second, {}, "ok"};
  });
}

House::~House() { End(); }

void House::End() {
  hands_.Drop();
  parts_.reset();
}

void House::Boot() {
  ASSERT_TRUE(parts_ == nullptr);
  ServeOptions options;
  options.config_file = dir / "fettle.yml";
  options.storage_path = dir / "data";
  options.external_url = "http://fettle.example";
  yaml::Complaints complaints;
  FettleConfig config = ReadFettleConfig(options.config_file, complaints);
  ASSERT_EQ(complaints.ToString(), "");
  Fettle::Parts::Outside outside;
  outside.metrics = std::make_unique<Metrics>();
  outside.store = std::make_unique<LentStore>(store);
  outside.transport = std::make_unique<LentTransport>(network);
  outside.make_hands = [this](const std::string&, std::size_t) {
    return std::make_unique<SharedHands>(hands_);
  };
  outside.make_engine = [this](const std::string&, const DockerConnection&, HttpTransport&,
                               Metrics&) { return std::make_unique<CrashingEngine>(engine); };
  parts_ = std::make_unique<Fettle::Parts>(Fettle::Deps{clock, random_, log.writer()},
                                           std::move(options), std::move(config), WebConfig{},
                                           std::move(outside));
  heard_ = engine.Events().size();
  const Status restored = parts_->Restore(clock.Now());
  ASSERT_TRUE(restored) << restored.error().message;
  // The streams are followed from here on.
  for (auto& [name, one] : parts_->engines) (void)one.watch->Reconcile();
  Settle();
}

void House::Crash() {
  End();
  store.OnCrash({});
  store.Crash();
  store.Restart();
}

void House::Hear() {
  for (const EngineEvent& event : engine.Events(heard_)) {
    ++heard_;
    for (auto& [name, one] : parts_->engines) one.watch->Hear(event);
  }
}

void House::Settle() {
  while (parts_ != nullptr) {
    parts_->brain.RunUntil(clock.Now());
    Hear();
    const bool worked = hands_.WorkOne();
    Hear();
    if (!worked && parts_->brain.MailboxSize() == 0) return;
  }
}

void House::Pass(Micros duration) {
  const BootTime end = clock.Now().boot + duration;
  Settle();
  while (const auto next = parts_->brain.NextDeadline()) {
    if (*next > end) break;
    clock.Pass(std::max(Micros(0), *next - clock.Now().boot));
    Settle();
  }
  clock.Pass(end - clock.Now().boot);
  Settle();
}

int House::PostAlert(const Labels& labels, bool resolved) {
  const std::string now = FormatRfc3339(clock.Now().wall);
  JsonWriter json;
  json.BeginObject().Field("version", "4").Field("status", resolved ? "resolved" : "firing");
  json.Key("alerts").BeginArray().BeginObject();
  json.Field("status", resolved ? "resolved" : "firing").Field("startsAt", now);
  if (resolved) json.Field("endsAt", now);
  json.Key("labels").BeginObject();
  for (const auto& [name, value] : labels) json.Field(name, value);
  json.EndObject().EndObject().EndArray().EndObject();
  const HttpResponse answer =
      parts_->intake.Handle({.method = "POST", .url = "/webhook", .body = json.Take()});
  Settle();
  return answer.status;
}

std::string House::Silence(const std::string& matchers, Millis for_how_long) {
  const Time now = clock.Now().wall;
  receivers::Silence silence;
  silence.matchers = ParseMatchers(matchers).value();
  silence.starts_at = now;
  silence.ends_at = now + for_how_long;
  silence.created_by = "the test";
  silence.comment = "people are on it";
  Result<std::string> id = Fail("nobody answered");
  parts_->telling.silences().Set(silence,
                                 [&id](Result<std::string> answer) { id = std::move(answer); });
  Settle();
  EXPECT_TRUE(id) << id.error().message;
  return id ? *id : "";
}

std::vector<std::string> House::Told(const std::string& name) const {
  std::vector<std::string> bodies;
  for (const HttpRequest& request : network.Sent()) {
    if (request.url == std::string(kPeople) + name) bodies.push_back(request.body);
  }
  return bodies;
}

std::string House::Page() { return parts_->gatherer.Serve({.url = "/metrics"}).body; }

double House::Metric(const std::string& series) {
  const std::string page = "\n" + Page();
  const std::size_t at = page.find("\n" + series + " ");
  return at == std::string::npos ? -1 : std::stod(page.substr(at + series.size() + 2));
}

std::vector<Json> House::Incidents() {
  const HttpResponse answer = parts_->incidents_api.List({.url = "/api/fettle/v1/incidents"});
  const Result<Json> json = Json::Parse(answer.body);
  EXPECT_TRUE(json) << answer.body;
  std::vector<Json> incidents;
  for (const Json& one : (*json)["incidents"].Items()) incidents.push_back(one);
  return incidents;
}

std::string House::StateOf(const std::string& repair) {
  for (const Json& one : Incidents()) {
    if (one["repair"].StringOr("") != repair) continue;
    const std::string outcome = one["outcome"].StringOr("");
    const std::string reason = one["reason"].StringOr("");
    std::string state = one["state"].StringOr("");
    if (!outcome.empty()) return state + " " + outcome;
    return reason.empty() ? state : state + " " + reason;
  }
  return "";
}

std::vector<std::string> House::Alerts() {
  const HttpResponse answer = rules::ServeAlerts(parts_->rules, {.url = "/api/v1/alerts"});
  const Result<Json> json = Json::Parse(answer.body);
  EXPECT_TRUE(json) << answer.body;
  std::vector<std::string> lines;
  for (const Json& alert : (*json)["data"]["alerts"].Items()) {
    lines.push_back(alert["state"].StringOr("") + " " + alert["labels"]["alertname"].StringOr(""));
  }
  std::sort(lines.begin(), lines.end());
  return lines;
}

}  // namespace fettle
