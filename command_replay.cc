// `fettle replay`: what would have fired, been told and been mended between two moments. Works on a
// copy of the stored samples, or asks a server; touches nothing.
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <stdlib.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <set>

#include "command.h"
#include "common/duration.h"
#include "common/http_client.h"
#include "fettle_parts.h"
#include "rules/replay.h"

namespace fettle {
namespace {

// Long enough for whatever was kept.
constexpr Millis kRetention = std::chrono::hours(24 * 3'650);
constexpr Millis kBackDefault = std::chrono::hours(1);

// A directory that goes with the object.
class ScratchDirectory {
 public:
  ScratchDirectory() {
    std::error_code ignored;
    std::string pattern =
        (std::filesystem::temp_directory_path(ignored) / "fettle-replay-XXXXXX").string();
    if (mkdtemp(pattern.data()) != nullptr) path_ = pattern;
  }
  ~ScratchDirectory() {
    std::error_code ignored;
    if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
  }
  ScratchDirectory(const ScratchDirectory&) = delete;
  ScratchDirectory& operator=(const ScratchDirectory&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// Brings the samples of a storage path into `store`, from a copy.
Status ReadStored(const std::string& storage_path, const ScratchDirectory& scratch, Log log,
                  Time now, rules::SampleStore& store) {
  const std::filesystem::path from = std::filesystem::path(storage_path) / "samples";
  std::error_code failed;
  if (!std::filesystem::is_directory(from, failed)) {
    return Fail(Cause::kNotFound, "there are no samples in {}", from.string());
  }
  std::filesystem::copy(from, scratch.path() + "/samples", failed);
  if (scratch.path().empty() || failed) {
    return Fail("copying {}: {}", from.string(), failed.message());
  }
  return store.Persist({.files = rules::MakeLogFiles(scratch.path() + "/samples"),
                        .log = std::move(log),
                        .now = now,
                        .thread = false});
}

Result<Time> ReadTime(const std::string& text, Time fallback) {
  if (text.empty()) return fallback;
  if (const auto time = ParseRfc3339(text)) return *time;
  char* end = nullptr;
  const double seconds = std::strtod(text.c_str(), &end);
  constexpr double kSecondsMax = 1e11;
  if (end != text.c_str() + text.size() || !(std::abs(seconds) < kSecondsMax)) {
    return Fail(Cause::kInvalid, "{} is no time: seconds, or 2026-11-20T10:00:00Z",
                yaml::Shown(text));
  }
  return TimeFromMillis(static_cast<std::int64_t>(seconds * 1'000));
}

// Says each event in a line, and who would have heard and done what.
class Teller {
 public:
  explicit Teller(const FettleConfig& config) : config_(config) {
    if (config_.alertmanager) routes_.emplace(config_.alertmanager->route);
  }

  void Say(const rules::ReplayEvent& event) {
    const std::string what(rules::ToString(event.what));
    ++counts_[what];
    if (event.what == rules::ReplayEvent::What::kFailed) {
      fmt::print("{} {:8} {}: {}\n", FormatRfc3339(event.at), what, event.rule, event.error);
      return;
    }
    fmt::print("{} {:8} {}\n", FormatRfc3339(event.at), what, event.labels.ToString());
    const bool heard = event.what == rules::ReplayEvent::What::kFiring ||
                       event.what == rules::ReplayEvent::What::kResolved;
    if (!heard) return;
    SayTold(event);
    if (event.what == rules::ReplayEvent::What::kFiring) SayMended(event);
  }

  std::string Summary() const {
    std::vector<std::string> parts;
    for (const auto& [what, count] : counts_) parts.push_back(fmt::format("{} {}", count, what));
    return fmt::format("{}", fmt::join(parts, ", "));
  }

 private:
  void SayTold(const rules::ReplayEvent& event) const {
    if (!routes_) return;
    std::set<std::string> receivers;
    for (const receivers::Route* route : routes_->Match(event.labels)) {
      receivers.insert(route->receiver);
    }
    fmt::print("    told: {}\n", fmt::join(receivers, ", "));
  }

  // The first repair that matches, as the mender chooses.
  void SayMended(const rules::ReplayEvent& event) const {
    for (const receivers::RepairSpec& repair : config_.repairs.repairs) {
      if (!MatchAll(repair.matchers, event.labels)) continue;
      const std::string target = repair.target_label.empty()
                                     ? repair.target
                                     : std::string(event.labels.Get(repair.target_label));
      const std::string action =
          repair.rungs.empty() ? "" : std::string(KindOf(repair.rungs.front().action));
      fmt::print("    mended by {}: {} {} ({})\n", repair.name, action, target,
                 receivers::ToString(config_.repairs.EffectiveMode(repair)));
      return;
    }
  }

  const FettleConfig& config_;
  std::optional<receivers::RouteTree> routes_;
  std::map<std::string, int> counts_;
};

Status Run(const ReplayCommand& command) {
  yaml::Complaints complaints;
  const FettleConfig config = ReadFettleConfig(command.config_file, complaints);
  if (!complaints.empty()) return Fail(Cause::kInvalid, "{}", complaints.ToString());
  const SystemClock clock;
  const Time now = clock.Now().wall;
  LogWriter writer(clock, StderrSink(), {.level = LogLevel::kWarn});
  const ScratchDirectory scratch;
  rules::SampleStore store({.retention = kRetention});
  if (command.url.empty()) {
    if (Status read = ReadStored(command.storage_path, scratch, Log(writer, "samples"), now, store);
        !read) {
      return read;
    }
  }
  const auto to = ReadTime(command.to, store.newest().value_or(now));
  if (!to) return While("reading --to", to.error());
  const auto from = ReadTime(command.from, *to - kBackDefault);
  if (!from) return While("reading --from", from.error());
  if (*from > *to) return Fail(Cause::kInvalid, "--from is after --to");
  const promql::Engine engine({.samples = store, .clock = clock},
                              {.default_step = config.rules.evaluation_interval});
  const rules::EngineQuery own(engine);
  HttpClient http;
  const rules::RemoteQuery remote({http, clock}, {.url = command.url});
  Teller teller(config);
  const auto totals =
      rules::Replay(command.url.empty() ? static_cast<const rules::RuleQuery&>(own) : remote, store,
                    GroupsOf(config),
                    {.from = *from,
                     .to = *to,
                     .evaluation_interval = config.rules.evaluation_interval,
                     .external_labels = config.rules.external_labels},
                    [&teller](const rules::ReplayEvent& event) { teller.Say(event); });
  if (!totals) return tl::unexpected(totals.error());
  fmt::print("{} to {}: {} evaluations, {} failed; {}\n", FormatRfc3339(*from), FormatRfc3339(*to),
             totals->evaluations, totals->failures,
             teller.Summary().empty() ? "nothing would have fired" : teller.Summary());
  return {};
}

}  // namespace

int RunReplay(const ReplayCommand& command) {
  const Status ran = Run(command);
  if (ran) return 0;
  fmt::print(stderr, "fettle replay: {}\n", ran.error().message);
  return 1;
}

}  // namespace fettle
