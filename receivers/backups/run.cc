#include "receivers/backups/run.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <map>
#include <utility>

#include "common/duration.h"
#include "common/json.h"
#include "receivers/backups/producer.h"

namespace fettle::receivers::backups {
namespace {

constexpr std::string_view kManifest = "manifest.json";
constexpr std::size_t kManifestBytesMax = 4 * 1024 * 1024;

std::string SetPrefix(const std::string& run_id) { return "sets/" + run_id + "/"; }

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
    for (const StoredObject& object : objects_) {
      report.size_bytes += object.size_bytes;
      report.source_bytes += object.raw_bytes;
    }
    if (failed) {
      const bool cancelled = deps_.stop.stop_requested();
      report.result = cancelled ? RunResult::kCancelled : RunResult::kFailed;
      report.reason = cancelled ? Reason::kNone : failed->reason;
      report.sentence = cancelled ? "cancelled: fettle is ending" : failed->sentence;
      report.sentence += RemoveOrphans();
      return report;
    }
    report.result = RunResult::kSuccess;
    report.level = kLevelReadAgain;
    report.sentence = fmt::format("wrote {} objects, {} bytes, in {}", objects_.size(),
                                  report.size_bytes, FormatDuration(report.ended - report.started));
    return report;
  }

 private:
  std::optional<Failed> Try() {
    Result<Plan> plan = MakePlan(job_.source, Left());
    if (!plan) return Failed{PlanReason(plan.error()), "precheck: " + plan.error().message};
    plan_ = *std::move(plan);
    for (const Product& product : plan_.products) progress_.estimate_bytes += product.size_bytes;
    for (const Product& product : plan_.products) {
      if (auto failed = Produce(product)) return failed;
    }
    if (auto failed = Verify()) return failed;
    const std::string manifest = Manifest();
    manifest_begun_ = true;
    for (Destination* destination : destinations_) {
      const Status put =
          destination->PutNew(SetPrefix(request_.run_id) + std::string(kManifest), manifest);
      if (!put) return Failed{Why(put.error()), "writing the manifest: " + put.error().message};
    }
    return std::nullopt;
  }

  // Objects of a set that will never be whole. Once a manifest may be there, nothing is touched:
  // what it names must stay. Says what could not be removed.
  std::string RemoveOrphans() {
    if (manifest_begun_) return "";
    for (Destination* destination : destinations_) {
      for (const StoredObject& object : objects_) {
        const Status removed = destination->Remove(SetPrefix(request_.run_id) + object.name);
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
    const std::string key = SetPrefix(request_.run_id) + product.object_name;
    Result<Stream> stream = Stream::Begin(destinations_, key, product.size_bytes);
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
    if (!ended->succeeded()) return Failed{Reason::kDumpExit, program + ": " + ended->Describe()};
    if (std::string gap = product.missing(stream->head(), stream->tail()); !gap.empty()) {
      return Failed{Reason::kDumpIncomplete, program + " exited 0, but " + gap};
    }
    Result<StoredObject> stored = stream->Complete();
    if (!stored) {
      return Failed{Why(stored.error()),
                    "completing " + product.object_name + ": " + stored.error().message};
    }
    objects_.push_back(*std::move(stored));
    return std::nullopt;
  }

  std::optional<Failed> Verify() {
    for (Destination* destination : destinations_) {
      for (const StoredObject& object : objects_) {
        const Status verified =
            VerifyStored(*destination, SetPrefix(request_.run_id) + object.name, object);
        if (!verified) {
          const bool differs = verified.error().cause == Cause::kInvalid;
          return Failed{differs ? Reason::kChecksum : Why(verified.error()),
                        "verifying: " + verified.error().message};
        }
      }
    }
    return std::nullopt;
  }

  std::string Manifest() const {
    const Time now = deps_.clock.Now().wall;
    JsonWriter json;
    json.BeginObject()
        .Field("schema", 1)
        .Field("job", job_.name)
        .Field("run_id", request_.run_id)
        .Field("trigger", request_.trigger)
        .Field("host", HostName())
        .Field("started", FormatRfc3339(began_.wall))
        .Field("ended", FormatRfc3339(now))
        .Field("source", KindOf(job_.source))
        .Field("verification_level", kLevelReadAgain);
    json.Key("source_info").BeginObject();
    for (const auto& [key, value] : plan_.facts) json.Field(key, value);
    json.EndObject().Key("objects").BeginArray();
    for (const StoredObject& object : objects_) {
      json.BeginObject()
          .Field("name", object.name)
          .Field("size_bytes", object.size_bytes)
          .Field("raw_bytes", object.raw_bytes)
          .Field("sha256", object.sha256_hex)
          .EndObject();
    }
    json.EndArray().EndObject();
    return json.Take() + "\n";
  }

  const RunDeps& deps_;
  const JobSpec& job_;
  const RunRequest& request_;
  Progress& progress_;
  const Moment began_;
  std::vector<Destination*> destinations_;
  bool manifest_begun_ = false;
  Plan plan_;
  std::vector<StoredObject> objects_;
};

// The manifest of a run at one destination, if it is there and readable.
std::optional<Json> ReadManifest(Destination& destination, const std::string& run_id) {
  std::string text;
  const Status read =
      destination.Read(SetPrefix(run_id) + std::string(kManifest), [&](std::string_view piece) {
        text += piece;
        return text.size() <= kManifestBytesMax;
      });
  if (!read) return std::nullopt;
  Result<Json> json = Json::Parse(text);
  if (!json || (*json)["run_id"].StringOr("") != run_id) return std::nullopt;
  return *std::move(json);
}

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
                   .level = kLevelReadAgain};
  for (const auto& destination : destinations) {
    const std::optional<Json> manifest = ReadManifest(*destination, run_id);
    if (manifest) {
      if (Result<Time> ended = ParseRfc3339((*manifest)["ended"].StringOr(""))) {
        report.ended = *ended;
      }
      report.size_bytes = 0;
      report.source_bytes = 0;
      for (const Json& object : (*manifest)["objects"].Items()) {
        report.size_bytes += object["size_bytes"].IntegerOr(0);
        report.source_bytes += object["raw_bytes"].IntegerOr(0);
      }
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
