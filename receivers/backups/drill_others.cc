// Scratch MariaDB and Redis, and directories.
#include <fcntl.h>

#include <filesystem>
#include <sstream>
#include <utility>

#include "common/dial.h"
#include "receivers/backups/drill.h"
#include "receivers/backups/producer.h"

namespace fettle::receivers::backups {
namespace {

namespace fs = std::filesystem;

std::string FirstLine(const std::string& text) { return text.substr(0, text.find('\n')); }

class ScratchMariadb final : public ScratchServer {
 public:
  explicit ScratchMariadb(Scratch scratch) : scratch_(std::move(scratch)) {}

  Status Init(const std::vector<Fetched>&) override {
    const std::string data = scratch_.directory + "/data";
    if (Status made =
            RunTool(scratch_, {ProgramIn(scratch_.server_dir, "mariadb-install-db"),
                               "--no-defaults", "--datadir=" + data,
                               "--auth-root-authentication-method=normal", "--skip-test-db"});
        !made) {
      return made;
    }
    server_ =
        RunInBackground(scratch_, {ProgramIn(scratch_.server_dir, "mariadbd"), "--no-defaults",
                                   "--datadir=" + data, "--socket=" + Socket(), "--skip-networking",
                                   "--pid-file=" + scratch_.directory + "/pid",
                                   "--innodb-flush-log-at-trx-commit=0", "--innodb-doublewrite=0",
                                   "--skip-log-bin", "--event-scheduler=off"});
    if (Status ready = WaitFor(scratch_, *server_,
                               [this] { return AskAs("root", "", "select 1").has_value(); });
        !ready) {
      return ready;
    }
    // The accounts of the set may change root: the drill has one of its own.
    const Result<std::string> own =
        AskAs("root", "",
              "create user drill_of_fettle@localhost; "
              "grant all on *.* to drill_of_fettle@localhost with grant option; "
              "grant proxy on ''@'%' to drill_of_fettle@localhost with grant option");
    if (!own) return tl::unexpected(own.error());
    return {};
  }

  Status Load(const std::vector<Fetched>& objects) override {
    // The accounts come last: what they forbid must not forbid the rest.
    for (const bool accounts : {false, true}) {
      for (const Fetched& one : objects) {
        if (one.object.subject.empty() != accounts) continue;
        const UniqueFd file(::open(one.path.c_str(), O_RDONLY | O_CLOEXEC));
        if (!file) return Fail(Cause::kUnavailable, "opening {} failed", one.path);
        if (Status loaded = RunTool(scratch_, Client("drill_of_fettle", {}), file.get()); !loaded) {
          return While("loading " + one.object.name, loaded.error());
        }
        if (first_.empty()) first_ = one.object.subject;
      }
    }
    const Result<std::string> tables =
        AskAs("drill_of_fettle", "",
              "select count(*) from information_schema.tables where table_schema not in "
              "('information_schema', 'performance_schema', 'mysql', 'sys')");
    if (!tables) return tl::unexpected(tables.error());
    if (*tables == "0" && !scratch_.expect_empty) {
      return Fail(Cause::kInvalid,
                  "not one table came back (expect_empty says that this is right)");
    }
    return {};
  }

  Result<std::string> Ask(const std::string& database, const std::string& question) override {
    return AskAs("drill_of_fettle", database.empty() ? first_ : database, question);
  }

 private:
  std::string Socket() const { return scratch_.directory + "/socket"; }

  std::vector<std::string> Client(const std::string& user, std::vector<std::string> more) const {
    std::vector<std::string> words = {ProgramIn(scratch_.server_dir, "mariadb"),
                                      "--no-defaults",
                                      "--socket=" + Socket(),
                                      "--user=" + user,
                                      "--batch",
                                      "--skip-column-names"};
    words.insert(words.end(), more.begin(), more.end());
    return words;
  }

  Result<std::string> AskAs(const std::string& user, const std::string& database,
                            const std::string& question) const {
    std::vector<std::string> more = {"--execute=" + question};
    if (!database.empty()) more.push_back("--database=" + database);
    const Result<std::string> said = AskTool(scratch_, Client(user, std::move(more)));
    if (!said) return said;
    return FirstLine(*said);
  }

  const Scratch scratch_;
  std::string first_;
  Background server_;
};

class ScratchRedis final : public ScratchServer {
 public:
  explicit ScratchRedis(Scratch scratch) : scratch_(std::move(scratch)) {}

  Status Init(const std::vector<Fetched>&) override { return {}; }

  Status Load(const std::vector<Fetched>& objects) override {
    const std::string file = fs::path(objects.front().path).filename().string();
    server_ = RunInBackground(
        scratch_, {ProgramIn(scratch_.server_dir, "redis-server"), "--port", "0", "--unixsocket",
                   Socket(), "--dir", scratch_.directory, "--dbfilename", file, "--save", "",
                   "--appendonly", "no", "--maxmemory", "0"});
    const Status ready = WaitFor(scratch_, *server_, [this] {
      const Result<std::string> pong = Words({"PING"});
      return pong && *pong == "PONG";
    });
    // Redis ends at once over a file that it cannot read.
    if (!ready) return Fail(Cause::kInvalid, "redis-server: {}", ready.error().message);
    const Result<std::string> keys = Words({"INFO", "keyspace"});
    if (!keys) return tl::unexpected(keys.error());
    if (keys->find("keys=") == std::string::npos && !scratch_.expect_empty) {
      return Fail(Cause::kInvalid, "not one key came back (expect_empty says that this is right)");
    }
    return {};
  }

  Result<std::string> Ask(const std::string& database, const std::string& question) override {
    std::vector<std::string> words;
    if (!database.empty()) words = {"-n", database};
    std::istringstream in(question);
    for (std::string word; in >> word;) words.push_back(word);
    const Result<std::string> said = Words(std::move(words));
    if (said && said->starts_with("ERR")) return Fail(Cause::kInvalid, "{}", *said);
    return said;
  }

 private:
  std::string Socket() const { return scratch_.directory + "/socket"; }

  Result<std::string> Words(std::vector<std::string> words) const {
    words.insert(words.begin(), {"redis-cli", "-s", Socket()});
    const Result<std::string> said = AskTool(scratch_, std::move(words));
    if (!said) return said;
    const bool info = said->find("# Keyspace") != std::string::npos;
    return info ? *said : FirstLine(*said);
  }

  const Scratch scratch_;
  Background server_;
};

// A tar is restored by unpacking it; what it is asked for is the size of a file in bytes.
class ScratchFiles final : public ScratchServer {
 public:
  explicit ScratchFiles(Scratch scratch) : scratch_(std::move(scratch)) {}

  Status Init(const std::vector<Fetched>&) override {
    return RunTool(scratch_, {"mkdir", "--mode=0700", Root()});
  }

  Status Load(const std::vector<Fetched>& objects) override {
    for (const Fetched& one : objects) {
      if (Status unpacked =
              RunTool(scratch_, {"tar", "--extract", "--no-same-owner", "--delay-directory-restore",
                                 "--file=" + one.path, "--directory=" + Root()});
          !unpacked) {
        return unpacked;
      }
    }
    const Result<std::string> any =
        AskTool(scratch_, {"find", Root(), "-type", "f", "-print", "-quit"});
    if (!any) return tl::unexpected(any.error());
    if (any->empty() && !scratch_.expect_empty) {
      return Fail(Cause::kInvalid, "not one file came back (expect_empty says that this is right)");
    }
    return {};
  }

  Result<std::string> Ask(const std::string&, const std::string& question) override {
    std::error_code failed;
    const fs::path path = (fs::path(Root()) / question).lexically_normal();
    if (!path.string().starts_with(Root() + "/")) {
      return Fail(Cause::kInvalid, "{} lies outside", question);
    }
    const auto size = fs::file_size(path, failed);
    if (failed) return Fail(Cause::kInvalid, "{}: {}", question, failed.message());
    return std::to_string(size);
  }

 private:
  std::string Root() const { return scratch_.directory + "/files"; }
  const Scratch scratch_;
};

}  // namespace

std::unique_ptr<ScratchServer> MakeScratchMariadb(Scratch scratch) {
  return std::make_unique<ScratchMariadb>(std::move(scratch));
}
std::unique_ptr<ScratchServer> MakeScratchRedis(Scratch scratch) {
  return std::make_unique<ScratchRedis>(std::move(scratch));
}
std::unique_ptr<ScratchServer> MakeScratchFiles(Scratch scratch) {
  return std::make_unique<ScratchFiles>(std::move(scratch));
}

}  // namespace fettle::receivers::backups
