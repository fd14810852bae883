#include "receivers/backups/job_state.h"

#include <array>
#include <utility>

#include "common/duration.h"
#include "common/json.h"

namespace fettle::receivers::backups {
namespace {

constexpr std::array kPhases = {JobPhase::kIdle, JobPhase::kRunning, JobPhase::kRetryWait,
                                JobPhase::kFailed};

void WriteCounts(JsonWriter& json, std::string_view key,
                 const std::map<std::string, double>& counts) {
  json.Key(key).BeginObject();
  for (const auto& [name, count] : counts) json.Field(name, count);
  json.EndObject();
}

std::map<std::string, double> ReadCounts(const Json& json) {
  std::map<std::string, double> counts;
  for (const auto& [name, value] : json.Entries()) counts[name] = value.NumberOr(0);
  return counts;
}

void WriteState(JsonWriter& json, const JobState& state) {
  json.Field("created_ms", ToMillis(state.created))
      .Field("last_start_ms", ToMillis(state.last_start))
      .Field("last_end_ms", ToMillis(state.last_end))
      .Field("last_success_ms", ToMillis(state.last_success))
      .Field("last_success_run", state.last_success_run)
      .Field("last_duration_ms", std::int64_t{state.last_duration.count()})
      .Field("last_size_bytes", state.last_size_bytes)
      .Field("last_source_bytes", state.last_source_bytes)
      .Field("last_level", state.last_level)
      .Field("failed", state.failed)
      .Field("sentence", state.sentence);
  WriteCounts(json, "runs", state.runs);
  WriteCounts(json, "failures", state.failures);
}

}  // namespace

std::string_view ToString(JobPhase phase) {
  switch (phase) {
    case JobPhase::kIdle:
      return "idle";
    case JobPhase::kRunning:
      return "running";
    case JobPhase::kRetryWait:
      return "retry_wait";
    case JobPhase::kFailed:
      return "failed";
  }
  return "";
}

std::string Write(const JobState& state) {
  JsonWriter json;
  json.BeginObject();
  WriteState(json, state);
  json.EndObject();
  return json.Take();
}

Result<JobState> ReadJobState(std::string_view body) {
  const Result<Json> json = Json::Parse(body);
  if (!json) return tl::unexpected(json.error());
  const auto time = [&](const char* key) { return TimeFromMillis((*json)[key].IntegerOr(0)); };
  JobState state;
  state.created = time("created_ms");
  state.last_start = time("last_start_ms");
  state.last_end = time("last_end_ms");
  state.last_success = time("last_success_ms");
  state.last_success_run = (*json)["last_success_run"].StringOr("");
  state.last_duration = Millis((*json)["last_duration_ms"].IntegerOr(0));
  state.last_size_bytes = (*json)["last_size_bytes"].IntegerOr(0);
  state.last_source_bytes = (*json)["last_source_bytes"].IntegerOr(0);
  state.last_level = static_cast<int>((*json)["last_level"].IntegerOr(0));
  state.failed = (*json)["failed"].BoolOr(false);
  state.sentence = (*json)["sentence"].StringOr("");
  state.runs = ReadCounts((*json)["runs"]);
  state.failures = ReadCounts((*json)["failures"]);
  return state;
}

std::string Write(const RunReport& report, std::string_view job, std::string_view trigger,
                  std::string_view why, bool ended) {
  JsonWriter json;
  json.BeginObject()
      .Field("job", job)
      .Field("trigger", trigger)
      .Field("why", why)
      .Field("started_ms", ToMillis(report.started))
      .Field("state", ended ? ToString(report.result) : "running");
  if (ended) {
    json.Field("ended_ms", ToMillis(report.ended))
        .Field("reason", ToString(report.reason))
        .Field("sentence", report.sentence)
        .Field("size_bytes", report.size_bytes)
        .Field("source_bytes", report.source_bytes)
        .Field("verification_level", report.level);
  }
  json.EndObject();
  return json.Take();
}

std::vector<MetricFamily> ShowJobs(const std::vector<JobView>& jobs) {
  const auto family = [](const char* name, const char* help, MetricType type) {
    return MetricFamily{name, help, type, {}};
  };
  using enum MetricType;
  MetricFamily info = family("fettle_backup_job_info", "1 for each backup job.", kInfo);
  MetricFamily created = family("fettle_backup_job_created_timestamp_seconds",
                                "When fettle first knew the job.", kGauge);
  MetricFamily interval = family("fettle_backup_expected_interval_seconds",
                                 "The longest time between two slots of the schedule.", kGauge);
  MetricFamily next = family("fettle_backup_next_run_timestamp_seconds", "The next slot.", kGauge);
  MetricFamily runs = family("fettle_backup_runs_total", "Runs, by how they ended.", kCounter);
  MetricFamily failures =
      family("fettle_backup_failures_total", "Failed runs, by reason.", kCounter);
  MetricFamily state =
      family("fettle_backup_job_state", "1 for the state the job is in.", kStateSet);
  MetricFamily start =
      family("fettle_backup_last_start_timestamp_seconds", "When the newest run began.", kGauge);
  MetricFamily end =
      family("fettle_backup_last_end_timestamp_seconds", "When the newest run ended.", kGauge);
  MetricFamily success = family("fettle_backup_last_success_timestamp_seconds",
                                "When the newest verified run ended.", kGauge);
  MetricFamily duration =
      family("fettle_backup_last_duration_seconds", "How long the newest good run took.", kGauge);
  MetricFamily size =
      family("fettle_backup_last_size_bytes", "What the newest good run stored.", kGauge);
  MetricFamily source = family("fettle_backup_last_source_bytes",
                               "What the newest good run's producers wrote.", kGauge);
  MetricFamily level = family(
      "fettle_backup_verification_level",
      "How far the newest good run was verified: 1 committed, 2 read again, 3 decoded.", kGauge);
  for (const JobView& job : jobs) {
    const Labels labels{{"backup", job.name}};
    const auto add = [&](MetricFamily& to, double value) {
      to.points.push_back({"", labels, value});
    };
    const auto add_with = [&](MetricFamily& to, const char* name, std::string_view label,
                              double value) {
      Labels all = labels;
      all.Set(name, label);
      to.points.push_back({"", std::move(all), value});
    };
    add_with(info, "kind", job.kind, 1);
    add(created, ToSeconds(job.state.created));
    if (job.expected_interval) add(interval, ToSeconds(*job.expected_interval));
    if (job.next_run) add(next, ToSeconds(*job.next_run));
    for (const auto& [result, count] : job.state.runs) add_with(runs, "result", result, count);
    for (const auto& [reason, count] : job.state.failures)
      add_with(failures, "reason", reason, count);
    for (const JobPhase phase : kPhases) {
      add_with(state, "state", ToString(phase), job.phase == phase ? 1 : 0);
    }
    if (job.state.last_start != Time{}) add(start, ToSeconds(job.state.last_start));
    if (job.state.last_end != Time{}) add(end, ToSeconds(job.state.last_end));
    if (job.state.last_success == Time{}) continue;
    add(success, ToSeconds(job.state.last_success));
    add(duration, ToSeconds(job.state.last_duration));
    add(size, static_cast<double>(job.state.last_size_bytes));
    add(source, static_cast<double>(job.state.last_source_bytes));
    add(level, job.state.last_level);
  }
  return {info,  created, interval, next,     runs, failures, state,
          start, end,     success,  duration, size, source,   level};
}

void WriteJob(JsonWriter& json, const JobView& job) {
  json.Field("name", job.name).Field("kind", job.kind).Field("state", ToString(job.phase));
  json.Key("places").BeginArray();
  for (const std::string& place : job.places) json.String(place);
  json.EndArray();
  const auto time = [&](const char* key, Time at) {
    if (at != Time{}) json.Field(key, FormatRfc3339(at));
  };
  time("last_start", job.state.last_start);
  time("last_end", job.state.last_end);
  time("last_success", job.state.last_success);
  if (job.next_run) time("next_run", *job.next_run);
  if (!job.state.last_success_run.empty()) {
    json.Field("last_success_run", job.state.last_success_run)
        .Field("last_size_bytes", job.state.last_size_bytes)
        .Field("last_duration_seconds", ToSeconds(job.state.last_duration))
        .Field("verification_level", job.state.last_level);
  }
  json.Field("sentence", job.state.sentence);
  if (!job.run_id.empty()) {
    json.Field("run_id", job.run_id);
    if (job.progress) {
      json.Field("progress_bytes", job.progress->raw_bytes.load())
          .Field("estimate_bytes", job.progress->estimate_bytes.load())
          .Field("verifying", job.progress->verifying.load());
    }
  }
  WriteCounts(json, "runs", job.state.runs);
}

std::string JobsJson(const std::vector<JobView>& jobs) {
  JsonWriter json;
  json.BeginObject().Key("backups").BeginArray();
  for (const JobView& job : jobs) {
    json.BeginObject();
    WriteJob(json, job);
    json.EndObject();
  }
  json.EndArray().EndObject();
  return json.Take() + "\n";
}

}  // namespace fettle::receivers::backups
