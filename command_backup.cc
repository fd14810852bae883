// `fettle backup`: asks the running daemon, follows what it does, and for the day it is gone reads
// the places itself.
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <thread>

#include "command.h"
#include "command_ask.h"
#include "common/dial.h"
#include "common/duration.h"
#include "common/http_client.h"
#include "fettle_backups.h"
#include "fettle_config.h"
#include "receivers/backups/catalogue.h"
#include "receivers/backups/run.h"

namespace fettle {
namespace {

namespace backups = receivers::backups;

constexpr Millis kFollowEvery{500};

int Say(const std::string& problem) {
  std::fputs(fmt::format("fettle: {}\n", problem).c_str(), stderr);
  return 1;
}

std::string Bytes(double bytes) {
  for (const char* unit : {"B", "KiB", "MiB", "GiB"}) {
    if (bytes < 1024) return fmt::format("{:.{}f} {}", bytes, unit[0] == 'B' ? 0 : 1, unit);
    bytes /= 1024;
  }
  return fmt::format("{:.1f} TiB", bytes);
}

// One line that is written over again, on a terminal; nothing elsewhere.
class ProgressLine {
 public:
  void Show(const std::string& text) {
    if (!terminal_) return;
    fmt::print(stderr, "\r\033[K{}", text);
    shown_ = true;
  }
  ~ProgressLine() {
    if (shown_) fmt::print(stderr, "\r\033[K");
  }

 private:
  const bool terminal_ = isatty(STDERR_FILENO) == 1;
  bool shown_ = false;
};

// What is done of what is expected, and how fast it went since it was last asked.
class Rate {
 public:
  std::string Line(double done, double expected) {
    const BootTime now = SystemClock().Now().boot;
    const double seconds = ToSeconds(now - last_at_);
    const double rate = seconds > 0 ? std::max(0.0, done - last_) / seconds : 0;
    last_ = done;
    last_at_ = now;
    const std::string share =
        expected > 0 ? fmt::format(" {:.0f} %", std::min(100.0, 100 * done / expected)) : "";
    return fmt::format("{}{} at {}/s", Bytes(done), share, Bytes(rate));
  }

 private:
  double last_ = 0;
  BootTime last_at_ = SystemClock().Now().boot;
};

std::string PathOf(const BackupCommand& command) {
  return "/api/fettle/v1/backups/" + PercentEncode(command.name);
}

void PrintJobs(const Json& answer) {
  for (const Json& job : answer["backups"].Items()) {
    fmt::print("{:<20} {:<11} last good {:<25} {}\n", job["name"].StringOr(""),
               job["state"].StringOr(""), job["last_success"].StringOr("never"),
               job["sentence"].StringOr(""));
  }
}

void PrintSets(const Json& detail) {
  for (const Json& place : detail["stored"].Items()) {
    fmt::print(
        "{}{}\n", place["place"].StringOr(""),
        place["up"].BoolOr(false) ? "" : ": " + place["sentence"].StringOr("not looked yet"));
    for (const Json& set : place["sets"].Items()) {
      fmt::print("  {:<26} {:>10}  level {}  {}{}{}\n", set["run_id"].StringOr(""),
                 Bytes(set["size_bytes"].NumberOr(0)), set["verification_level"].IntegerOr(0),
                 set["good"].BoolOr(false) ? "good" : "NOT GOOD",
                 set["held"].BoolOr(false) ? ", held" : "",
                 set["keep"].exists() ? (set["keep"].BoolOr(true) ? ", kept: " : ", to go: ") +
                                            set["why"].StringOr("")
                                      : "");
    }
    for (const Json& orphan : place["orphans"].Items()) {
      fmt::print("  {:<26} {:>10}  no manifest\n", orphan["run_id"].StringOr(""),
                 Bytes(orphan["bytes"].NumberOr(0)));
    }
    const Json retention = place["retention"];
    if (retention["removals"].IntegerOr(0) > 0) {
      fmt::print("  retention: {} sets to go, plan {}, blocked: {}\n",
                 retention["removals"].IntegerOr(0), retention["plan"].StringOr(""),
                 retention["blocked"].StringOr(""));
    }
  }
  const Json drill = detail["drill"];
  if (drill["ended"].exists()) {
    fmt::print("drill {} at {}: {}\n", drill["result"].StringOr(""), drill["ended"].StringOr(""),
               drill["sentence"].StringOr(""));
  }
  if (detail["restorable"].exists()) {
    fmt::print("restorable: {}\n", detail["restorable"].BoolOr(false) ? "yes" : "NO");
  }
}

int List(const BackupCommand& command) {
  const bool one = !command.name.empty();
  const Result<Json> answer = AskDaemon(
      command.client, {.method = "GET", .url = one ? PathOf(command) : "/api/fettle/v1/backups"});
  if (!answer) return Say(answer.error().message);
  if (!one) {
    PrintJobs(*answer);
    return 0;
  }
  const Json job = (*answer)["job"];
  fmt::print("{} {} last good {}\n", job["name"].StringOr(""), job["state"].StringOr(""),
             job["last_success"].StringOr("never"));
  PrintSets(*answer);
  return 0;
}

// Until the run that was asked for has ended, with its retries.
int FollowRun(const BackupCommand& command, const Json& before) {
  ProgressLine line;
  Rate rate;
  for (;;) {
    std::this_thread::sleep_for(kFollowEvery);
    const Result<Json> answer =
        AskDaemon(command.client, {.method = "GET", .url = PathOf(command)});
    if (!answer) return Say(answer.error().message);
    const Json job = (*answer)["job"];
    const std::string state = job["state"].StringOr("");
    if (state == "running") {
      const std::string text =
          rate.Line(job["progress_bytes"].NumberOr(0), job["estimate_bytes"].NumberOr(0));
      line.Show(job["verifying"].BoolOr(false) ? "verifying what was stored" : text);
      continue;
    }
    line.Show(state == "retry_wait" ? "waits to try again: " + job["sentence"].StringOr("") : "");
    if (state == "retry_wait" || job["last_end"].StringOr("") == before["last_end"].StringOr("")) {
      continue;
    }
    if (state != "idle") return Say(job["sentence"].StringOr("it failed"));
    fmt::print("{}: {}\n", job["last_success_run"].StringOr(""), job["sentence"].StringOr(""));
    return 0;
  }
}

// Until the chore that was asked for has ended.
int FollowChore(const BackupCommand& command, std::int64_t done_before) {
  ProgressLine line;
  for (int turn = 0;; ++turn) {
    const Result<Json> answer =
        AskDaemon(command.client, {.method = "GET", .url = PathOf(command)});
    if (!answer) return Say(answer.error().message);
    if ((*answer)["chores_done"].IntegerOr(0) > done_before) {
      const std::string said = (*answer)["said"].StringOr("");
      if (!(*answer)["said_well"].BoolOr(false)) return Say(said);
      fmt::print("{}\n", said);
      return 0;
    }
    line.Show(fmt::format("{} … {} s", (*answer)["chore"].StringOr(command.verb),
                          turn * kFollowEvery.count() / 1000));
    std::this_thread::sleep_for(kFollowEvery);
  }
}

int AskAndFollow(const BackupCommand& command) {
  const Result<Json> before = AskDaemon(command.client, {.method = "GET", .url = PathOf(command)});
  if (!before) return Say(before.error().message);
  std::string path =
      PathOf(command) + "/" + command.verb + "?level=" + std::to_string(command.level);
  if (!command.set.empty()) path += "&set=" + PercentEncode(command.set);
  if (!command.plan.empty()) path += "&plan=" + PercentEncode(command.plan);
  const Result<Json> asked = AskDaemon(command.client, {.method = "POST", .url = path});
  if (!asked) return Say(asked.error().message);
  if (command.no_wait) return 0;
  if (command.verb == "run") return FollowRun(command, (*before)["job"]);
  return FollowChore(command, (*before)["chores_done"].IntegerOr(0));
}

// The places of one job, opened by the configuration alone.
class Alone {
 public:
  Status Open(const BackupCommand& command) {
    if (command.config_file.empty()) {
      return Fail("--config.file is missing: it names the places and their keys");
    }
    yaml::Complaints complaints;
    FettleConfig config = ReadFettleConfig(command.config_file, complaints);
    if (!complaints.empty()) return Fail("{}", complaints.ToString());
    const auto job = std::find_if(config.backups.begin(), config.backups.end(),
                                  [&](const auto& one) { return one.name == command.name; });
    if (job == config.backups.end()) {
      return Fail("{} has no backup job named \"{}\"", command.config_file, command.name);
    }
    job_ = *job;
    const Secret secret =
        command.key_file.empty() ? job_.seal_key : Secret::FromFile(command.key_file);
    if (!secret.empty()) {
      Result<SealKey> key = SealKey::Read(secret);
      if (!key) return While("reading the key", key.error());
      key_.emplace(*std::move(key));
    }
    for (const backups::Target& target : job_.to) {
      places_.push_back(OpenPlace({transport_, clock_, random_, metrics_, log_}, target, {}));
    }
    return {};
  }

  // The newest whole set of the first place that has one, or the one that is named.
  Result<std::pair<backups::Destination*, backups::Manifest>> Choose(const std::string& run_id) {
    std::string why;
    for (const auto& place : places_) {
      if (!run_id.empty()) {
        Result<backups::Manifest> manifest = backups::FetchManifest(*place, run_id);
        if (manifest) return std::pair(place.get(), *std::move(manifest));
        why = manifest.error().message;
        continue;
      }
      const Result<backups::Catalogue> catalogue = backups::ReadCatalogue(*place);
      if (!catalogue) {
        why = catalogue.error().message;
        continue;
      }
      for (auto set = catalogue->sets.rbegin(); set != catalogue->sets.rend(); ++set) {
        if (set->Whole()) return std::pair(place.get(), set->manifest);
      }
      why = place->Place() + " holds no whole set";
    }
    return Fail("{}", why);
  }

  const SealKey* key() const { return key_ ? &*key_ : nullptr; }
  const backups::JobSpec& job() const { return job_; }

 private:
  SystemClock clock_;
  SystemRandom random_;
  Metrics metrics_;
  LogWriter log_{clock_, StderrSink(), {.level = LogLevel::kError}};
  HttpClient transport_;
  backups::JobSpec job_;
  std::optional<SealKey> key_;
  std::vector<std::unique_ptr<backups::Destination>> places_;
};

int VerifyAlone(const BackupCommand& command) {
  Alone alone;
  if (Status opened = alone.Open(command); !opened) return Say(opened.error().message);
  const auto chosen = alone.Choose(command.set);
  if (!chosen) return Say(chosen.error().message);
  const auto& [place, manifest] = *chosen;
  const Result<int> proven = backups::ProveSet(
      {*place, alone.key()}, backups::ReadersOf(alone.job().source, alone.job().max_runtime),
      manifest, command.level);
  if (!proven) return Say(proven.error().message);
  fmt::print("set {} at {} is good to level {}\n", manifest.run_id, place->Place(), *proven);
  return 0;
}

// "leads.pgc" of "leads.pgc.zst.enc".
std::string UnpackedName(std::string name) {
  for (const std::string_view ending : {".enc", ".zst"}) {
    if (name.ends_with(ending)) name.resize(name.size() - ending.size());
  }
  return name;
}

std::string HintOf(const backups::StoredObject& object, const std::string& path) {
  using backups::Format;
  switch (object.format) {
    case Format::kPostgresCustom:
      return "pg_restore --create --exit-on-error --dbname=postgres " + path;
    case Format::kPostgresGlobals:
      return "psql --file=" + path + " postgres   (before the databases)";
    case Format::kPostgresPhysical:
      return "tar --extract --directory=DATA --file=" + path + "; pg_verifybackup DATA";
    case Format::kMariadb:
      return "mariadb < " + path;
    case Format::kRedis:
      return "stop Redis, put it in place of dump.rdb, start Redis";
    case Format::kTar:
      return "tar --extract --directory=DIRECTORY --file=" + path;
    case Format::kOpaque:
      return "as its command says";
  }
  return "";
}

Status WriteUnpacked(const Alone& alone, backups::Destination& place,
                     const backups::Manifest& manifest, const backups::StoredObject& object,
                     const std::string& path) {
  constexpr mode_t kOwnerOnly = 0600;
  const UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, kOwnerOnly));
  if (!fd) return Fail("creating {} failed: it must not be there, and its directory must", path);
  ProgressLine line;
  Rate rate;
  double done = 0;
  BootTime shown{};
  bool wrote = true;
  const Status read =
      backups::ReadBack({place, alone.key()}, manifest.run_id, object, [&](std::string_view piece) {
        done += static_cast<double>(piece.size());
        while (wrote && !piece.empty()) {
          const ssize_t n = ::write(fd.get(), piece.data(), piece.size());
          wrote = n > 0;
          if (wrote) piece.remove_prefix(static_cast<std::size_t>(n));
        }
        const BootTime now = SystemClock().Now().boot;
        if (now - shown > kFollowEvery) {
          line.Show(object.name + ": " + rate.Line(done, static_cast<double>(object.raw_bytes)));
          shown = now;
        }
        return wrote;
      });
  if (!wrote) return Fail("writing {} failed: the disk may be full", path);
  if (read && ::fsync(fd.get()) != 0) return Fail("writing {} failed", path);
  if (!read) ::unlink(path.c_str());  // what is not whole must not look as if it were
  return read;
}

int Restore(BackupCommand command) {
  Alone alone;
  if (Status opened = alone.Open(command); !opened) return Say(opened.error().message);
  // The daemon knows more of its sets than a list shows; without it the newest whole one is taken.
  if (command.set.empty() && !command.standalone) {
    const Result<Json> detail =
        AskDaemon(command.client, {.method = "GET", .url = PathOf(command)});
    if (!detail) {
      return Say(detail.error().message + " (--standalone restores without the daemon)");
    }
    for (const Json& place : (*detail)["stored"].Items()) {
      for (const Json& set : place["sets"].Items()) {
        if (set["good"].BoolOr(false)) command.set = set["run_id"].StringOr("");
      }
      if (!command.set.empty()) break;
    }
    if (command.set.empty()) return Say("the daemon knows of no good set");
  }
  const auto chosen = alone.Choose(command.set);
  if (!chosen) return Say(chosen.error().message);
  const auto& [place, manifest] = *chosen;
  fmt::print("set {} of {}, from {}\n", manifest.run_id, FormatRfc3339(manifest.started),
             place->Place());
  std::error_code failed;
  std::filesystem::create_directories(command.to, failed);
  for (const backups::StoredObject& object : manifest.objects) {
    const std::string path = command.to + "/" + UnpackedName(object.name);
    if (Status wrote = WriteUnpacked(alone, *place, manifest, object, path); !wrote) {
      return Say(wrote.error().message);
    }
    fmt::print("{}\n    {}\n", path, HintOf(object, path));
  }
  return 0;
}

}  // namespace

int RunBackup(const BackupCommand& command) {
  if (command.verb == "list") return List(command);
  if (command.verb == "restore") return Restore(command);
  if (command.verb == "verify" && command.standalone) return VerifyAlone(command);
  return AskAndFollow(command);
}

}  // namespace fettle
