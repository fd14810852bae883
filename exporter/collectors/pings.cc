#include "exporter/collectors/pings.h"

#include <algorithm>
#include <charconv>
#include <future>
#include <memory>
#include <utility>

#include "common/json.h"

namespace fettle::exporter {
namespace {

constexpr const char* kRecordKind = "watch_ping";
constexpr std::string_view kPath = "/api/fettle/v1/pings/";

enum class Said { kSuccess, kStart, kFail };
std::string ToString(Said said) {
  return said == Said::kSuccess ? "success" : said == Said::kStart ? "start" : "fail";
}

// The words after the name; nullopt for what nobody means.
std::optional<Said> Meant(std::string_view word) {
  if (word.empty()) return Said::kSuccess;
  if (word == "start") return Said::kStart;
  if (word == "fail") return Said::kFail;
  int code = -1;
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), code);
  if (error != std::errc{} || end != word.data() + word.size() || code < 0 || code > 255) {
    return std::nullopt;
  }
  return code == 0 ? Said::kSuccess : Said::kFail;
}

void Apply(Pings::State& state, Said said, Time now) {
  if (said == Said::kStart) state.started = now;
  if (said == Said::kFail) state.failed = now;
  if (said != Said::kSuccess) return;
  // Only of the run that this ends; one that nobody announced has no duration.
  const Time ended_before =
      std::max(state.succeeded.value_or(Time{}), state.failed.value_or(Time{}));
  const bool announced = state.started && *state.started >= ended_before && *state.started <= now;
  state.took = announced ? std::optional(now - *state.started) : std::nullopt;
  state.succeeded = now;
}

std::string Written(const Pings::State& state) {
  JsonWriter json;
  json.BeginObject().Field("created_ms", ToMillis(state.created));
  const auto moment = [&](const char* key, const std::optional<Time>& time) {
    if (time) json.Field(key, ToMillis(*time));
  };
  moment("started_ms", state.started);
  moment("succeeded_ms", state.succeeded);
  moment("failed_ms", state.failed);
  if (state.took) json.Field("took_ms", state.took->count());
  json.EndObject();
  return json.Take();
}

std::optional<Pings::State> ReadState(const std::string& text) {
  const Result<Json> json = Json::Parse(text);
  if (!json || !(*json)["created_ms"].Integer()) return std::nullopt;
  const auto moment = [&](const char* key) -> std::optional<Time> {
    const auto millis = (*json)[key].Integer();
    return millis ? std::optional(TimeFromMillis(*millis)) : std::nullopt;
  };
  Pings::State state{.created = *moment("created_ms"),
                     .started = moment("started_ms"),
                     .succeeded = moment("succeeded_ms"),
                     .failed = moment("failed_ms"),
                     .took = std::nullopt};
  if (const auto took = (*json)["took_ms"].Integer()) state.took = Millis(*took);
  return state;
}

// Families by name: a page shows each once.
class Merged {
 public:
  void Add(MetricFamily family) {
    const auto [at, fresh] = places_.try_emplace(family.name, families_.size());
    if (fresh) {
      families_.push_back(std::move(family));
      return;
    }
    for (MetricPoint& point : family.points) {
      families_[at->second].points.push_back(std::move(point));
    }
  }
  std::vector<MetricFamily> Take() { return std::move(families_); }

 private:
  std::map<std::string, std::size_t> places_;
  std::vector<MetricFamily> families_;
};

}  // namespace

Pings::Pings(Deps deps, const std::vector<WatchConfig>& watched) : deps_(deps) {
  for (const WatchConfig& config : watched) {
    if (std::holds_alternative<WatchPing>(config.what)) jobs_[config.name] = {config, {}};
  }
}

Status Pings::Load(Time now) {
  if (loaded_) return {};
  const Result<std::vector<Record>> records = deps_.store.Read({.kind = kRecordKind});
  if (!records) return While("reading the pings that were kept", records.error());
  std::vector<std::pair<std::string, State>> fresh;
  {
    const std::lock_guard lock(mutex_);
    for (const Record& record : *records) {
      const auto job = jobs_.find(record.id);
      const std::optional<State> state = ReadState(record.body);
      if (job != jobs_.end() && state) job->second.state = *state;
    }
    for (auto& [name, job] : jobs_) {
      if (job.state.created != Time{}) continue;
      job.state.created = now;
      fresh.emplace_back(name, job.state);
    }
  }
  loaded_ = true;
  // Should one be lost, "never came" is measured from a later start.
  for (const auto& [name, state] : fresh) (void)Keep(name, state);
  return {};
}

Status Pings::Keep(const std::string& name, const State& state) {
  Batch batch;
  batch.writes.push_back({Record{.kind = kRecordKind, .id = name, .body = Written(state)}});
  // Shared: the answer may come after we stopped waiting for it.
  auto promise = std::make_shared<std::promise<Status>>();
  std::future<Status> stored = promise->get_future();
  deps_.store.Commit(std::move(batch),
                     [promise](Status status) { promise->set_value(std::move(status)); });
  if (stored.wait_for(kAnswerWithin) != std::future_status::ready) {
    return Fail(Cause::kUnavailable, "the ping was not stored within {} ms", kAnswerWithin.count());
  }
  return stored.get();
}

HttpResponse Pings::Handle(const HttpRequest& request) {
  std::string name = request.Path().substr(std::min(kPath.size(), request.Path().size()));
  std::string word;
  if (const std::size_t slash = name.find('/'); slash != std::string::npos) {
    word = name.substr(slash + 1);
    name.resize(slash);
  }
  const std::optional<Said> said = Meant(word);
  if (!jobs_.contains(name)) return TextResponse(404, "nobody waits for this ping\n");
  if (!said) return TextResponse(400, "say start, fail, an exit code, or nothing\n");
  const Moment now = deps_.clock.Now();
  const std::lock_guard turn(turn_mutex_);
  if (Status loaded = Load(now.wall); !loaded) {
    return TextResponse(503, loaded.error().message + "\n");
  }
  State state;
  {
    const std::lock_guard lock(mutex_);
    state = jobs_.at(name).state;
  }
  Apply(state, *said, now.wall);
  if (Status kept = Keep(name, state); !kept) return TextResponse(503, kept.error().message + "\n");
  {
    const std::lock_guard lock(mutex_);
    jobs_.at(name).state = state;
  }
  deps_.metrics
      .Counter("fettle_watch_pings_total", "Pings that came, by what they said.",
               {{"name", name}, {"said", ToString(*said)}})
      .Increment();
  deps_.publisher.Publish(*this, Show(), now);
  return TextResponse(200, "OK\n");
}

Result<std::vector<MetricFamily>> Pings::Collect(const CollectContext& context) {
  {
    const std::lock_guard turn(turn_mutex_);
    if (Status loaded = Load(context.now.wall); !loaded) return tl::unexpected(loaded.error());
  }
  return Show();
}

std::vector<MetricFamily> Pings::WhenDown() const {
  Merged all;
  for (const auto& [name, job] : jobs_) {
    for (MetricFamily& family : WatchCollector::ShowWatched(job.config)) all.Add(std::move(family));
  }
  return all.Take();
}

std::vector<MetricFamily> Pings::Show() const {
  Merged all;
  for (MetricFamily& family : WhenDown()) all.Add(std::move(family));
  const std::lock_guard lock(mutex_);
  for (const auto& [name, job] : jobs_) {
    const auto show = [&](const char* metric, const char* help, const std::optional<Time>& at) {
      if (!at) return;
      all.Add({metric, help, MetricType::kGauge, {{"", {{"name", name}}, ToSeconds(*at)}}});
    };
    const State& state = job.state;
    show("fettle_watch_created_timestamp_seconds", "When its pings were first waited for.",
         state.created);
    show("fettle_watch_newest_timestamp_seconds", "When the newest good backup was made.",
         state.succeeded);
    show("fettle_watch_last_start_timestamp_seconds", "When it last said that it began.",
         state.started);
    show("fettle_watch_last_failure_timestamp_seconds", "When it last said that it failed.",
         state.failed);
    if (!state.took) continue;
    all.Add({"fettle_watch_last_duration_seconds",
             "From its last start to the good end.",
             MetricType::kGauge,
             {{"", {{"name", name}}, ToSeconds(*state.took)}}});
  }
  return all.Take();
}

}  // namespace fettle::exporter
