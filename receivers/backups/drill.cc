#include "receivers/backups/drill.h"

#include <fcntl.h>
#include <pwd.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <cstdlib>
#include <filesystem>
#include <type_traits>
#include <utility>

#include "common/dial.h"
#include "common/duration.h"
#include "common/seal.h"
#include "receivers/backups/read_back.h"

namespace fettle::receivers::backups {
namespace {

namespace fs = std::filesystem;

// A scratch directory whose owner is the drill's user; gone with this.
class ScratchDirectory {
 public:
  static Result<ScratchDirectory> Make(const DrillSpec& drill) {
    std::error_code failed;
    const std::string above =
        drill.directory.empty() ? fs::temp_directory_path(failed).string() : drill.directory;
    std::string path = above + "/fettle-drill-XXXXXX";
    if (::mkdtemp(path.data()) == nullptr) {
      return Fail(Cause::kUnavailable, "making a directory in {} failed", above);
    }
    ScratchDirectory directory(path);
    if (::geteuid() != 0) return directory;
    // Database servers refuse to be root, and a drill should not be it either.
    const passwd* user = ::getpwnam(drill.user.c_str());
    if (user == nullptr || user->pw_uid == 0) {
      return Fail(Cause::kUnavailable, "drill.user \"{}\" is no unprivileged user", drill.user);
    }
    directory.uid_ = user->pw_uid;
    directory.gid_ = user->pw_gid;
    directory.as_user_ = {"setpriv",
                          "--reuid=" + std::to_string(user->pw_uid),
                          "--regid=" + std::to_string(user->pw_gid),
                          "--clear-groups",
                          "--no-new-privs",
                          "--"};
    if (Status given = directory.Give(path); !given) return tl::unexpected(given.error());
    return directory;
  }
  ScratchDirectory(ScratchDirectory&& other) noexcept
      : path_(std::exchange(other.path_, {})),
        as_user_(std::move(other.as_user_)),
        uid_(other.uid_),
        gid_(other.gid_) {}
  ScratchDirectory& operator=(ScratchDirectory&&) = delete;
  ~ScratchDirectory() {
    std::error_code ignored;
    if (!path_.empty()) fs::remove_all(path_, ignored);
  }

  const std::string& path() const { return path_; }
  const std::vector<std::string>& as_user() const { return as_user_; }
  Status Give(const std::string& path) const {
    if (as_user_.empty() || ::chown(path.c_str(), uid_, gid_) == 0) return {};
    return Fail(Cause::kUnavailable, "giving {} to the drill's user failed", path);
  }

 private:
  explicit ScratchDirectory(std::string path) : path_(std::move(path)) {}
  std::string path_;
  std::vector<std::string> as_user_;
  uid_t uid_ = 0;
  gid_t gid_ = 0;
};

std::unique_ptr<ScratchServer> MakeScratch(const Manifest& manifest, Scratch scratch) {
  if (manifest.objects.empty()) return nullptr;
  switch (manifest.objects.front().format) {
    case Format::kPostgresCustom:
    case Format::kPostgresGlobals:
      return MakeScratchPostgres(std::move(scratch));
    case Format::kPostgresPhysical:
      return MakeScratchCluster(std::move(scratch));
    case Format::kMariadb:
      return MakeScratchMariadb(std::move(scratch));
    case Format::kRedis:
      return MakeScratchRedis(std::move(scratch));
    case Format::kTar:
      return MakeScratchFiles(std::move(scratch));
    case Format::kOpaque:
      return nullptr;
  }
  return nullptr;
}

// What kind of end an error is.
DrillResult ResultOf(const Error& error) {
  switch (error.cause) {
    case Cause::kInvalid:
    case Cause::kNotFound:
      return DrillResult::kFailed;
    default:
      return DrillResult::kInconclusive;
  }
}

std::optional<double> NumberOf(const std::string& text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

class Drill {
 public:
  Drill(const DrillDeps& deps, const JobSpec& job, const Manifest& manifest)
      : deps_(deps), job_(job), spec_(*job.drill), manifest_(manifest), began_(deps.clock.Now()) {
    report_.run_id = manifest.run_id;
    report_.set_at = manifest.started;
  }

  DrillReport Run() {
    const Status held = Hold();
    report_.ended = deps_.clock.Now().wall;
    if (held) {
      report_.result = DrillResult::kSuccess;
      report_.sentence =
          fmt::format("set {} was restored in {:.1f} s, {} checks passed", manifest_.run_id,
                      report_.TotalSeconds(), report_.checks_passed);
    } else {
      report_.result =
          deps_.stop.stop_requested() ? DrillResult::kInconclusive : ResultOf(held.error());
      report_.sentence = fmt::format("set {}: {}", manifest_.run_id, held.error().message);
    }
    return report_;
  }

 private:
  Status Hold() {
    Result<ScratchDirectory> directory = ScratchDirectory::Make(spec_);
    if (!directory) return tl::unexpected(directory.error());
    if (Status room = HasRoom(directory->path()); !room) return room;
    Result<std::vector<Fetched>> objects = Timed("fetch", [&] { return Fetch(*directory); });
    if (!objects) return tl::unexpected(objects.error());
    Scratch scratch{.directory = directory->path(),
                    .as_user = directory->as_user(),
                    .server_dir = spec_.server_dir,
                    .timeout = spec_.timeout,
                    .stop = deps_.stop,
                    .expect_empty = spec_.expect_empty};
    if (job_.pitr && deps_.wal != nullptr) {
      const Result<Recovery> recovery = Timed("fetch", [&] {
        return PrepareRecovery(*deps_.wal, scratch, *job_.pitr, objects->front().path,
                               [&](const std::string& path) { return directory->Give(path); });
      });
      report_.blames_set = false;
      if (!recovery) return While("preparing the recovery", recovery.error());
      scratch.recovery = *recovery;
    }
    const std::unique_ptr<ScratchServer> server = MakeScratch(manifest_, scratch);
    if (!server) {
      return Fail(Cause::kFailed, "nobody but its maker can restore what a command wrote");
    }
    if (Status made = Timed("init", [&] { return server->Init(*objects); }); !made) {
      // Whatever it was, it was not the backup's fault.
      return tl::unexpected(
          Error{"the scratch server: " + made.error().message, Cause::kUnavailable});
    }
    if (Status loaded = Timed("restore", [&] { return server->Load(*objects); }); !loaded) {
      return While("restoring", loaded.error());
    }
    if (scratch.recovery) {
      const Result<double> newest = Timed("check", [&] {
        return CheckHeartbeats(*server, *job_.pitr, manifest_.ended, scratch.recovery->target);
      });
      if (!newest) return While("recovery to " + scratch.recovery->target, newest.error());
      recovered_to_ = *newest;
      report_.blames_set = true;
    }
    return Timed("check", [&] { return Check(*server); });
  }

  template <typename Step>
  std::invoke_result_t<Step> Timed(const char* phase, Step step) {
    const BootTime begin = deps_.clock.Now().boot;
    auto result = step();
    report_.phases[phase] += ToSeconds(deps_.clock.Now().boot - begin);
    return result;
  }

  // Twice the raw bytes: the file, and what the server makes of it.
  Status HasRoom(const std::string& directory) const {
    struct statvfs space {};
    if (::statvfs(directory.c_str(), &space) != 0) return {};
    const auto free = static_cast<double>(space.f_bavail) * static_cast<double>(space.f_frsize);
    const auto needed = 2.0 * static_cast<double>(manifest_.RawBytes());
    if (free >= needed) return {};
    return Fail(Cause::kLimit, "{} has {:.0f} MiB free, the drill needs about {:.0f} MiB",
                directory, free / 1048576, needed / 1048576);
  }

  Result<std::optional<SealKey>> Key() const {
    if (manifest_.key_id.empty()) return std::optional<SealKey>();
    const Secret& secret = spec_.key.empty() ? job_.seal_key : spec_.key;
    if (secret.empty()) {
      return Fail(Cause::kInvalid, "it is encrypted, and the drill has no key_file");
    }
    Result<SealKey> key = SealKey::Read(secret);
    if (!key) return Fail(Cause::kUnavailable, "reading the key: {}", key.error().message);
    if (key->Id() != manifest_.key_id) {
      return Fail(Cause::kInvalid, "it is encrypted with key {}, the drill's key is {}",
                  manifest_.key_id, key->Id());
    }
    return std::optional<SealKey>(*std::move(key));
  }

  Result<std::vector<Fetched>> Fetch(const ScratchDirectory& directory) {
    const Result<std::optional<SealKey>> key = Key();
    if (!key) return tl::unexpected(key.error());
    std::vector<Fetched> all;
    for (const StoredObject& object : manifest_.objects) {
      const std::string path = directory.path() + "/object-" + std::to_string(all.size());
      UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
      if (!fd) return Fail(Cause::kUnavailable, "creating {} failed", path);
      bool wrote = true;
      const Status read = ReadBack({deps_.destination, *key ? &**key : nullptr, deps_.stop},
                                   manifest_.run_id, object, [&](std::string_view piece) {
                                     while (wrote && !piece.empty()) {
                                       const ssize_t n =
                                           ::write(fd.get(), piece.data(), piece.size());
                                       wrote = n > 0;
                                       if (wrote) piece.remove_prefix(static_cast<std::size_t>(n));
                                     }
                                     return wrote;
                                   });
      if (!wrote) return Fail(Cause::kLimit, "writing {} failed: the disk may be full", path);
      if (!read) return tl::unexpected(read.error());
      if (Status given = directory.Give(path); !given) return tl::unexpected(given.error());
      all.push_back({object, path});
    }
    return all;
  }

  Status Check(ScratchServer& server) {
    for (const DrillCheck& check : spec_.checks) {
      const Result<std::string> answer = server.Ask(check.database, check.sql);
      const std::string wrong = !answer ? answer.error().message : Wrong(check, *answer);
      if (wrong.empty()) {
        ++report_.checks_passed;
        continue;
      }
      ++report_.checks_failed;
      if (answer || answer.error().cause == Cause::kInvalid) {
        if (first_wrong_.empty()) first_wrong_ = fmt::format("\"{}\": {}", check.sql, wrong);
      } else {
        return While("asking \"" + check.sql + "\"", answer.error());
      }
    }
    if (!first_wrong_.empty()) return Fail(Cause::kInvalid, "a check failed: {}", first_wrong_);
    return MeasureRpo(server);
  }

  static std::string Wrong(const DrillCheck& check, const std::string& answer) {
    if (check.equals && answer != *check.equals) {
      return fmt::format("it is \"{}\", not \"{}\"", answer, *check.equals);
    }
    if (!check.min && !check.max) return "";
    const std::optional<double> value = NumberOf(answer);
    if (!value) return fmt::format("\"{}\" is no number", answer);
    if (check.min && *value < *check.min) {
      return fmt::format("{} is less than {}", *value, *check.min);
    }
    if (check.max && *value > *check.max) {
      return fmt::format("{} is more than {}", *value, *check.max);
    }
    return "";
  }

  // Had everything been lost when the drill began: this much would not have come back.
  Status MeasureRpo(ScratchServer& server) {
    if (spec_.heartbeat.empty() && recovered_to_) {
      report_.rpo_seconds = ToSeconds(began_.wall) - *recovered_to_;
      return {};
    }
    if (spec_.heartbeat.empty()) {
      report_.rpo_seconds = ToSeconds(began_.wall - manifest_.started);
      return {};
    }
    const Result<std::string> answer = server.Ask("", spec_.heartbeat);
    if (!answer) return While("asking for the heartbeat", answer.error());
    const std::optional<double> at = NumberOf(*answer);
    if (!at) return Fail(Cause::kInvalid, "no heartbeat came back: \"{}\"", *answer);
    report_.rpo_seconds = ToSeconds(began_.wall) - *at;
    return {};
  }

  const DrillDeps& deps_;
  const JobSpec& job_;
  const DrillSpec& spec_;
  const Manifest& manifest_;
  const Moment began_;
  DrillReport report_;
  std::string first_wrong_;
  std::optional<double> recovered_to_;  // the newest heartbeat, in seconds
};

}  // namespace

DrillReport RunDrill(const DrillDeps& deps, const JobSpec& job, const Manifest& manifest) {
  return Drill(deps, job, manifest).Run();
}

}  // namespace fettle::receivers::backups
