#include "receivers/backups/run.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <map>
#include <utility>

#include "common/duration.h"
#include "receivers/backups/catalogue.h"
#include "receivers/backups/producer.h"
#include "receivers/backups/stream.h"

namespace fettle::receivers::backups {
namespace {

std::string HostName() {
  std::array<char, 256> name{};
  gethostname(name.data(), name.size() - 1);
  return name.data();
}

Reason ReasonOf(const Error& error) {
  switch (error.cause) {
    case Cause::kDenied:
      return Reason::kAuth;
    case Cause::kTimeout:
      return Reason::kTimeout;
    case Cause::kUnavailable:
      return Reason::kNetwork;
    case Cause::kLimit:
      return Reason::kDiskFull;
    case Cause::kNotFound:
    case Cause::kInvalid:
      return Reason::kConfig;
    default:
      return Reason::kS3Error;
  }
}

struct Failed {
  Reason reason;
  std::string sentence;
};

// The run itself: each step either goes on or says why not.
class Run {
 public:
  Run(const RunDeps& deps, const JobSpec& job,
      const std::vector<std::unique_ptr<Destination>>& destinations, const RunRequest& request,
      Progress& progress)
      : deps_(deps), job_(job), request_(request), progress_(progress), began_(deps.clock.Now()) {
    for (const auto& destination : destinations) destinations_.push_back(destination.get());
  }

  RunReport Execute() {
    RunReport report{.run_id = request_.run_id, .started = began_.wall};
    std::optional<Failed> failed = Try();
    report.ended = deps_.clock.Now().wall;
    report.size_bytes = manifest_.SizeBytes();
    report.source_bytes = manifest_.RawBytes();
    if (failed) {
      const bool late = deps_.out_of_time && deps_.out_of_time();
      if (late) failed->reason = Reason::kTimeout;
      const bool cancelled = deps_.stop.stop_requested() && !late;
      report.result = cancelled ? RunResult::kCancelled : RunResult::kFailed;
      report.reason = cancelled ? Reason::kNone : failed->reason;
      report.sentence = cancelled ? "cancelled: fettle is ending" : failed->sentence;
      report.sentence += RemoveOrphans();
      return report;
    }
    report.result = RunResult::kSuccess;
    report.level = manifest_.level;
    report.sentence = fmt::format("wrote {} objects, {} bytes, in {}, verified to level {}",
                                  manifest_.objects.size(), report.size_bytes,
                                  FormatDuration(report.ended - report.started), report.level);
    return report;
  }

 private:
  std::optional<Failed> Try() {
    if (!job_.seal_key.empty()) {
      Result<SealKey> key = SealKey::Read(job_.seal_key);
      if (!key) return Failed{Reason::kConfig, "reading the key: " + key.error().message};
      seal_.emplace(*std::move(key));
    }
    Result<Plan> plan = MakePlan(job_.source, Left());
    if (!plan) return Failed{PlanReason(plan.error()), "precheck: " + plan.error().message};
    plan_ = *std::move(plan);
    for (const Product& product : plan_.products) progress_.estimate_bytes += product.size_bytes;
    for (const Product& product : plan_.products) {
      if (auto failed = Produce(product)) return failed;
    }
    if (manifest_.RawBytes() < job_.min_bytes) {
      return Failed{Reason::kDumpIncomplete,
                    fmt::format("it wrote {} bytes, and expect.min_bytes is {}",
                                manifest_.RawBytes(), job_.min_bytes)};
    }
    progress_.verifying = true;
    if (auto failed = Verify()) return failed;
    Describe();
    const std::string manifest = Write(manifest_);
    manifest_begun_ = true;
    for (Destination* destination : destinations_) {
      const Status put =
          destination->PutNew(SetPrefix(request_.run_id) + std::string(kManifestName), manifest);
      if (!put) return Failed{Why(put.error()), "writing the manifest: " + put.error().message};
    }
    return std::nullopt;
  }

  // Objects of a set that will never be whole. Once a manifest may be there, nothing is touched:
  // what it names must stay. Says what could not be removed.
  std::string RemoveOrphans() {
    if (manifest_begun_) return "";
    for (Destination* destination : destinations_) {
      for (const std::string& key : begun_) {
        const Status removed = destination->Remove(key);
        if (!removed)
          return "; what it had stored could not be removed: " + removed.error().message;
      }
    }
    return "";
  }

  // Why a destination failed.
  Reason Why(const Error& error) const {
    const bool throttled = error.cause == Cause::kUnavailable &&
                           std::any_of(destinations_.begin(), destinations_.end(),
                                       [](const Destination* one) { return one->Throttled(); });
    return throttled ? Reason::kS3Throttled : ReasonOf(error);
  }

  static Reason PlanReason(const Error& error) {
    if (error.cause == Cause::kConflict) return Reason::kVersionMismatch;
    return error.cause == Cause::kFailed ? Reason::kConfig : ReasonOf(error);
  }

  Millis Left() const {
    const Micros spent = deps_.clock.Now().boot - began_.boot;
    return std::max(Millis(1), job_.max_runtime - std::chrono::duration_cast<Millis>(spent));
  }

  std::optional<Failed> Produce(const Product& product) {
    const std::string key =
        SetPrefix(request_.run_id) + product.object_name + (seal_ ? ".zst.enc" : ".zst");
    Result<Stream> stream =
        Stream::Begin(destinations_, key, product.size_bytes, seal_ ? &*seal_ : nullptr);
    if (!stream) return Failed{Why(stream.error()), stream.error().message};
    ProcessSpec process = product.process;
    process.timeout = Left();
    process.stop = deps_.stop;
    process.on_output = [&](std::string_view piece) {
      progress_.raw_bytes += static_cast<std::int64_t>(piece.size());
      return stream->Write(piece).has_value();
    };
    const Result<ProcessResult> ended = RunProcess(process);
    if (!stream->failure()) {
      const Error& error = stream->failure().error();
      return Failed{Why(error), "storing " + product.object_name + ": " + error.message};
    }
    const std::string& program = product.process.argv.front();
    if (!ended) {
      const Reason reason = ended.error().cause == Cause::kTimeout    ? Reason::kTimeout
                            : ended.error().cause == Cause::kNotFound ? Reason::kConfig
                                                                      : Reason::kDumpExit;
      return Failed{reason, program + ": " + ended.error().message};
    }
    const std::vector<int>& good = product.exit_codes_good;
    if (ended->signal != 0 || std::find(good.begin(), good.end(), ended->exit_code) == good.end()) {
      return Failed{Reason::kDumpExit, program + ": " + ended->Describe()};
    }
    if (std::string gap = product.missing(stream->head(), stream->tail()); !gap.empty()) {
      return Failed{Reason::kDumpIncomplete, program + " exited 0, but " + gap};
    }
    begun_.push_back(key);
    Result<StoredObject> stored = stream->Complete();
    if (!stored) {
      return Failed{Why(stored.error()),
                    "completing " + product.object_name + ": " + stored.error().message};
    }
    stored->format = product.format;
    stored->subject = product.subject;
    manifest_.objects.push_back(*std::move(stored));
    return std::nullopt;
  }

  std::optional<Failed> Verify() {
    manifest_.run_id = request_.run_id;
    manifest_.level = job_.verify_level;
    for (Destination* destination : destinations_) {
      const Result<int> proven =
          ProveSet({*destination, seal_ ? &*seal_ : nullptr, deps_.stop},
                   ReadersOf(job_.source, Left()), manifest_, job_.verify_level);
      if (!proven) {
        const bool differs = proven.error().cause == Cause::kInvalid;
        return Failed{differs ? Reason::kChecksum : Why(proven.error()),
                      "verifying: " + proven.error().message};
      }
      manifest_.level = std::min(manifest_.level, *proven);
    }
    return std::nullopt;
  }

  void Describe() {
    manifest_.job = job_.name;
    manifest_.trigger = request_.trigger;
    manifest_.host = HostName();
    manifest_.source = KindOf(job_.source);
    manifest_.started = began_.wall;
    // A clock that was set back in between does not make a run end before it began.
    manifest_.ended = std::max(deps_.clock.Now().wall, began_.wall);
    manifest_.key_id = seal_ ? seal_->Id() : "";
    manifest_.facts = plan_.facts;
  }

  const RunDeps& deps_;
  const JobSpec& job_;
  const RunRequest& request_;
  Progress& progress_;
  const Moment began_;
  std::vector<Destination*> destinations_;
  bool manifest_begun_ = false;
  std::optional<SealKey> seal_;
  Plan plan_;
  std::vector<std::string> begun_;  // keys of objects that may be there
  Manifest manifest_;
};

}  // namespace

std::string_view ToString(RunResult result) {
  switch (result) {
    case RunResult::kSuccess:
      return "success";
    case RunResult::kFailed:
      return "failed";
    case RunResult::kCancelled:
      return "cancelled";
    case RunResult::kUnknown:
      return "unknown";
  }
  return "";
}

std::string_view ToString(Reason reason) {
  switch (reason) {
    case Reason::kNone:
      return "none";
    case Reason::kDumpExit:
      return "dump_exit";
    case Reason::kDumpIncomplete:
      return "dump_incomplete";
    case Reason::kAuth:
      return "auth";
    case Reason::kNetwork:
      return "network";
    case Reason::kS3Error:
      return "s3_error";
    case Reason::kS3Throttled:
      return "s3_throttled";
    case Reason::kChecksum:
      return "checksum";
    case Reason::kDiskFull:
      return "disk_full";
    case Reason::kTimeout:
      return "timeout";
    case Reason::kConfig:
      return "config";
    case Reason::kVersionMismatch:
      return "version_mismatch";
  }
  return "";
}

bool IsPermanent(Reason reason) {
  return reason == Reason::kAuth || reason == Reason::kConfig || reason == Reason::kVersionMismatch;
}

Readers ReadersOf(const Source& source, Millis timeout) {
  const auto* postgres = std::get_if<PostgresSource>(&source);
  return {postgres != nullptr ? postgres->client_dir : "", timeout};
}

std::string MakeRunId(Time now, Random& random) {
  std::string id;
  for (const char c : FormatRfc3339(now).substr(0, 19)) {
    if (c != '-' && c != ':') id += c;
  }
  id += "Z-";
  constexpr std::string_view kBase32 = "abcdefghijklmnopqrstuvwxyz234567";
  for (int i = 0; i < 6; ++i) id += kBase32[random.Next() % kBase32.size()];
  return id;
}

RunReport ExecuteRun(const RunDeps& deps, const JobSpec& job,
                     const std::vector<std::unique_ptr<Destination>>& destinations,
                     const RunRequest& request, Progress& progress) {
  return Run(deps, job, destinations, request, progress).Execute();
}

RunReport ResolveInterrupted(const JobSpec& job,
                             const std::vector<std::unique_ptr<Destination>>& destinations,
                             const std::string& run_id, Time started, Time now) {
  RunReport report{.run_id = run_id,
                   .result = RunResult::kSuccess,
                   .sentence = "its manifest was written before fettle ended",
                   .started = started,
                   .ended = now,
                   .level = 0};
  for (const auto& destination : destinations) {
    const Result<Manifest> manifest = FetchManifest(*destination, run_id);
    if (manifest) {
      report.ended = manifest->ended;
      report.size_bytes = manifest->SizeBytes();
      report.source_bytes = manifest->RawBytes();
      report.level = manifest->level;
      continue;
    }
    // Every copy must be whole for the run to be good.
    report.result = RunResult::kUnknown;
    report.level = 0;
    report.sentence = fmt::format("fettle ended while \"{}\" ran; {} has no manifest of it",
                                  job.name, destination->Place());
    if (Status swept = destination->Sweep(SetPrefix(run_id)); !swept) {
      report.sentence += "; its leftovers could not be swept: " + swept.error().message;
    }
  }
  return report;
}

}  // namespace fettle::receivers::backups
