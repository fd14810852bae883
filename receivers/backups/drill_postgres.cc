// Scratch PostgreSQL: for dumps a fresh cluster, for a base backup the cluster itself.
#include <dirent.h>
#include <fcntl.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <utility>

#include "common/dial.h"
#include "common/postgres.h"
#include "receivers/backups/drill.h"
#include "receivers/backups/producer.h"

namespace fettle::receivers::backups {
namespace {

namespace fs = std::filesystem;

constexpr Millis kConnectTimeout{2'000};
constexpr const char* kSuperuser = "drill_of_fettle";

// How many tables the archive's list names.
int TablesIn(const std::string& list) {
  int tables = 0;
  std::istringstream lines(list);
  for (std::string line; std::getline(lines, line);) {
    const bool comment = line.starts_with(';');
    if (!comment && line.find(" TABLE ") != std::string::npos &&
        line.find(" TABLE DATA ") == std::string::npos &&
        line.find(" TABLE ATTACH ") == std::string::npos) {
      ++tables;
    }
  }
  return tables;
}

// What both kinds share: a server on a socket in the scratch directory, and how it is asked.
class ScratchPostgresBase : public ScratchServer {
 public:
  explicit ScratchPostgresBase(Scratch scratch) : scratch_(std::move(scratch)) {
    if (scratch_.server_dir.empty()) scratch_.server_dir = FindPostgres();
  }

  Result<std::string> Ask(const std::string& database, const std::string& question) override {
    Result<Postgres> server = Connect(database.empty() ? first_ : database);
    if (!server) return tl::unexpected(server.error());
    const Result<PostgresRows> rows = server->Query(question, {}, scratch_.timeout);
    if (!rows) {
      const bool slow = rows.error().cause == Cause::kTimeout;
      return tl::unexpected(Error{rows.error().message, slow ? Cause::kTimeout : Cause::kInvalid});
    }
    if (rows->rows.empty() || rows->rows[0].empty()) {
      return Fail(Cause::kInvalid, "it has no answer");
    }
    return rows->rows[0][0].value_or("");
  }

 protected:
  std::string Program(const std::string& name) const {
    return ProgramIn(scratch_.server_dir, name);
  }
  std::string data() const { return scratch_.directory + "/data"; }

  Result<Postgres> Connect(const std::string& database) const {
    std::string quoted;
    for (const char c : database) {
      if (c == '\\' || c == '\'') quoted += '\\';
      quoted += c;
    }
    return Postgres::Connect(Secret::FromText(fmt::format("host={} user={} dbname='{}'",
                                                          scratch_.directory, superuser_, quoted)),
                             kConnectTimeout);
  }

  // Nothing of it outlives the drill, so it does not wait for the disk; and it must never archive.
  Status StartServer(const std::vector<std::string>& more = {}) {
    std::vector<std::string> argv = {Program("postgres"), "-D", data()};
    for (const char* setting :
         {"fsync=off", "full_page_writes=off", "synchronous_commit=off", "autovacuum=off",
          "archive_mode=off", "listen_addresses=", "ssl=off", "shared_buffers=64MB",
          "max_wal_size=1GB", "logging_collector=off", "log_destination=stderr",
          "unix_socket_permissions=0700", "hot_standby=on"}) {
      argv.insert(argv.end(), {"-c", setting});
    }
    argv.insert(argv.end(), {"-c", "unix_socket_directories=" + scratch_.directory});
    for (const std::string& setting : more) argv.insert(argv.end(), {"-c", setting});
    server_ = RunInBackground(scratch_, std::move(argv));
    return WaitFor(scratch_, *server_, [this] { return Connect("postgres").has_value(); });
  }

  // What is broken inside although it loaded.
  Status LooksSound(const std::string& database) {
    const Result<std::string> invalid =
        Ask(database, "select count(*) from pg_index where not indisvalid");
    if (!invalid) return tl::unexpected(invalid.error());
    if (*invalid != "0") return Fail(Cause::kInvalid, "{} indexes are invalid", *invalid);
    return {};
  }

  Scratch scratch_;
  std::string superuser_ = kSuperuser;
  std::string first_ = "postgres";
  Background server_;
};

constexpr const char* kCountTables =
    "select count(*) from pg_class c join pg_namespace n on n.oid = c.relnamespace where "
    "c.relkind in ('r', 'p') and c.relpersistence <> 't' and n.nspname not in ('pg_catalog', "
    "'information_schema')";

class ScratchPostgres final : public ScratchPostgresBase {
 public:
  using ScratchPostgresBase::ScratchPostgresBase;

  Status Init(const std::vector<Fetched>&) override {
    if (Status made = RunTool(scratch_, {Program("initdb"), "--pgdata=" + data(), "--no-sync",
                                         "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8",
                                         std::string("--username=") + kSuperuser});
        !made) {
      return made;
    }
    return StartServer();
  }

  Status Load(const std::vector<Fetched>& objects) override {
    bool roles = false;
    for (const Fetched& one : objects) {
      if (one.object.format != Format::kPostgresGlobals) continue;
      roles = true;
      // Errors of single statements are expected: tablespaces have no directory here.
      if (Status loaded = RunTool(
              scratch_,
              Words("psql", {"--no-psqlrc", "--quiet", "--dbname=postgres", "--file=" + one.path}));
          !loaded && loaded.error().cause != Cause::kUnavailable) {
        return loaded;
      }
    }
    bool any = false;
    int tables = 0;
    for (const Fetched& one : objects) {
      if (one.object.format != Format::kPostgresCustom) continue;
      const Result<int> restored = Restore(one, roles);
      if (!restored) return tl::unexpected(restored.error());
      tables += *restored;
      any = true;
    }
    if (!any) return Fail(Cause::kInvalid, "the set holds no database");
    if (tables == 0 && !scratch_.expect_empty) {
      return Fail(Cause::kInvalid,
                  "not one table came back (expect_empty says that this is right)");
    }
    return {};
  }

 private:
  std::vector<std::string> Words(const char* program, std::vector<std::string> more) const {
    std::vector<std::string> words = {Program(program), "--host=" + scratch_.directory,
                                      "--username=" + superuser_, "--no-password"};
    words.insert(words.end(), more.begin(), more.end());
    return words;
  }

  Result<int> Restore(const Fetched& one, bool roles) {
    const std::string& name = one.object.subject;
    const bool taken = name == "postgres";
    if (!taken) {
      if (Status made = RunTool(scratch_, Words("createdb", {"--template=template0", "--", name}));
          !made) {
        return tl::unexpected(made.error());
      }
    }
    if (first_ == "postgres" && !taken) first_ = name;
    std::vector<std::string> words = Words(
        "pg_restore", {"--exit-on-error", "--no-owner", "--no-tablespaces", "--dbname=" + name});
    // Without its roles nobody can be given anything.
    if (!roles) words.push_back("--no-privileges");
    words.push_back(one.path);
    if (Status loaded = RunTool(scratch_, std::move(words)); !loaded) {
      return While("database " + name, loaded.error());
    }
    const Result<std::string> list = AskTool(scratch_, {Program("pg_restore"), "--list", one.path});
    if (!list) return tl::unexpected(list.error());
    const Result<std::string> came = Ask(name, kCountTables);
    if (!came) return tl::unexpected(came.error());
    const int stored = TablesIn(*list);
    const int tables = std::atoi(came->c_str());
    if (tables < stored) {
      return Fail(Cause::kInvalid, "database {}: {} tables came back of {}", name, tables, stored);
    }
    if (Status sound = LooksSound(name); !sound) return tl::unexpected(sound.error());
    return tables;
  }
};

class ScratchCluster final : public ScratchPostgresBase {
 public:
  using ScratchPostgresBase::ScratchPostgresBase;

  Status Init(const std::vector<Fetched>&) override {
    return RunTool(scratch_, {"mkdir", "--mode=0700", data()});
  }

  Status Load(const std::vector<Fetched>& objects) override {
    for (const Fetched& one : objects) {
      if (Status unpacked = RunTool(
              scratch_, {"tar", "--extract", "--file=" + one.path, "--directory=" + data()});
          !unpacked) {
        return unpacked;
      }
    }
    if (Status verified = RunTool(scratch_, {Program("pg_verifybackup"), "--quiet", data()});
        !verified) {
      return verified;
    }
    // Its own configuration names ports, files and archives of another machine.
    if (Status set = Configure(); !set) return set;
    if (scratch_.recovery) return Recover();
    if (Status found = FindSuperuser(); !found) return found;
    if (Status started = StartServer(); !started) {
      return Fail(Cause::kInvalid, "the cluster does not start: {}", started.error().message);
    }
    return LooksSound("postgres");
  }

 private:
  Status Configure() {
    std::error_code ignored;
    for (const char* name : {"postgresql.conf", "postgresql.auto.conf", "pg_hba.conf",
                             "pg_ident.conf", "standby.signal", "recovery.signal"}) {
      fs::remove(data() + "/" + name, ignored);
    }
    for (const auto& [name, text] :
         {std::pair("postgresql.conf", ""), std::pair("pg_hba.conf", "local all all trust\n"),
          std::pair("pg_ident.conf", "")}) {
      std::ofstream out(data() + "/" + name);
      out << text;
      if (!out.flush()) return Fail(Cause::kUnavailable, "writing {} failed", name);
      out.close();
      fs::permissions(data() + "/" + name, fs::perms(0644), ignored);
    }
    return {};
  }

  // Who its superuser is, it says itself: in single-user mode, before anybody can connect.
  Status FindSuperuser() {
    const Result<std::string> said =
        AskTool(scratch_,
                {Program("postgres"), "--single", "-D", data(), "-c", "archive_mode=off", "-c",
                 "restore_command=", "postgres"},
                Question("select 'superuser is ' || rolname from pg_roles where oid = 10\n"));
    if (!said) return tl::unexpected(said.error());
    constexpr std::string_view kBefore = "superuser is ";
    const std::size_t at = said->rfind(kBefore);
    const std::size_t end = at == std::string::npos ? at : said->find('"', at);
    if (end == std::string::npos) return Fail(Cause::kInvalid, "the cluster has no superuser");
    superuser_ = said->substr(at + kBefore.size(), end - at - kBefore.size());
    return {};
  }

  // Replays the archive up to the moment, and stays there: without a target PostgreSQL would stop
  // at the first gap and call that the end.
  Status Recover() {
    superuser_ = scratch_.recovery->role;
    std::ofstream(data() + "/recovery.signal").close();
    Result<std::vector<std::string>> settings = StandbySettings();
    if (!settings) return tl::unexpected(settings.error());
    for (const std::string& setting :
         {"restore_command=cp \"" + scratch_.recovery->wal_directory + "/%f\" \"%p\"",
          "recovery_target_time=" + scratch_.recovery->target,
          std::string("recovery_target_action=pause"), std::string("log_min_messages=fatal"),
          std::string("recovery_target_timeline=latest")}) {
      settings->push_back(setting);
    }
    Status replayed = StartServer(*settings);
    if (replayed) {
      replayed = WaitFor(
          scratch_, *server_,
          [this] {
            const auto state = Ask("postgres", "select pg_get_wal_replay_pause_state()");
            return state && *state == "paused";
          },
          scratch_.timeout);
    }
    if (replayed) return LooksSound("postgres");
    // A server that ended says why; one that did not come in time says nothing of the archive.
    const bool ended = replayed.error().cause == Cause::kFailed;
    return Fail(ended ? Cause::kInvalid : Cause::kUnavailable, "recovery did not come to {}: {}",
                scratch_.recovery->target, replayed.error().message);
  }

  // What a standby must have as many of as its primary had, or it refuses.
  Result<std::vector<std::string>> StandbySettings() {
    const Result<std::string> said = AskTool(scratch_, {Program("pg_controldata"), data()});
    if (!said) return tl::unexpected(said.error());
    std::vector<std::string> settings;
    for (const auto& [name, words] :
         {std::pair("max_connections", "max_connections setting:"),
          std::pair("max_worker_processes", "max_worker_processes setting:"),
          std::pair("max_wal_senders", "max_wal_senders setting:"),
          std::pair("max_prepared_transactions", "max_prepared_xacts setting:"),
          std::pair("max_locks_per_transaction", "max_locks_per_xact setting:")}) {
      const std::size_t at = said->find(words);
      if (at == std::string::npos) continue;
      const std::size_t begin = said->find_first_not_of(' ', at + std::string_view(words).size());
      settings.push_back(
          fmt::format("{}={}", name, said->substr(begin, said->find('\n', begin) - begin)));
    }
    return settings;
  }

  // A file of one line to read from; open as long as this.
  int Question(const std::string& text) {
    const std::string path = scratch_.directory + "/question";
    std::ofstream(path) << text;
    question_ = UniqueFd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    return question_.get();
  }

  UniqueFd question_;
};

}  // namespace

std::string FindPostgres() {
  std::string best;
  int newest = 0;
  std::error_code failed;
  for (const auto& entry : fs::directory_iterator("/usr/lib/postgresql", failed)) {
    const int major = std::atoi(entry.path().filename().c_str());
    if (major > newest && fs::exists(entry.path() / "bin/initdb")) {
      newest = major;
      best = (entry.path() / "bin").string();
    }
  }
  return best;
}

std::unique_ptr<ScratchServer> MakeScratchPostgres(Scratch scratch) {
  return std::make_unique<ScratchPostgres>(std::move(scratch));
}
std::unique_ptr<ScratchServer> MakeScratchCluster(Scratch scratch) {
  return std::make_unique<ScratchCluster>(std::move(scratch));
}

}  // namespace fettle::receivers::backups
