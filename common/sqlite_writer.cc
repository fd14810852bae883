#include "common/sqlite_writer.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "common/digest.h"

namespace fettle {
namespace {

// Locks of other processes are those of people and their sqlite3 shells.
constexpr int kBusyMs = 5'000;

constexpr const char* kSchema = R"(
CREATE TABLE record(
  kind TEXT NOT NULL,
  id TEXT NOT NULL,
  key TEXT NOT NULL,
  version INTEGER NOT NULL,
  due_at INTEGER,
  body TEXT NOT NULL,
  PRIMARY KEY(kind, id));
CREATE INDEX record_by_key ON record(kind, key, id) WHERE key <> '';
CREATE INDEX record_by_due_at ON record(kind, due_at, id) WHERE due_at IS NOT NULL;
CREATE TABLE audit(
  seq INTEGER PRIMARY KEY,
  at INTEGER NOT NULL,
  body TEXT NOT NULL,
  hash BLOB NOT NULL);
CREATE TABLE chain(
  name TEXT PRIMARY KEY,
  seq INTEGER NOT NULL,
  hash BLOB NOT NULL) WITHOUT ROWID;
INSERT INTO chain VALUES ('head', 0, zeroblob(32)), ('checkpoint', 0, zeroblob(32));
)";

// SQLite gives its -wal and -shm files the permissions of the database.
Status CreatePrivateFile(const std::string& path) {
  const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) return Fail(Cause::kDenied, "open {}: {}", path, std::strerror(errno));
  close(fd);
  return {};
}

Status CreateSchema(sqlite::Connection& connection) {
  const Result<std::int64_t> version = connection.QueryInteger("PRAGMA user_version");
  if (!version) return tl::unexpected<Error>(version.error());
  const Result<std::int64_t> owner = connection.QueryInteger("PRAGMA application_id");
  if (!owner) return tl::unexpected<Error>(owner.error());
  const Result<std::int64_t> tables = connection.QueryInteger("SELECT count(*) FROM sqlite_master");
  if (!tables) return tl::unexpected<Error>(tables.error());
  if (*tables != 0 && *owner != SqliteWriter::kApplicationId) {
    return Fail(Cause::kInvalid, "the file is a database of another program");
  }
  if (*version > SqliteWriter::kSchemaVersion) {
    return Fail(Cause::kInvalid,
                "the file was written by a newer fettle (schema {}, this one knows {})", *version,
                SqliteWriter::kSchemaVersion);
  }
  if (*tables != 0) return {};
  return connection.Execute(
      fmt::format("BEGIN; {} PRAGMA application_id={}; "
                  "PRAGMA user_version={}; COMMIT;",
                  kSchema, SqliteWriter::kApplicationId, SqliteWriter::kSchemaVersion));
}

}  // namespace

Result<AuditPoint> ReadLink(sqlite::Connection& connection, std::string_view name) {
  Result<sqlite::Statement> select =
      connection.Prepare("SELECT seq, hash FROM chain WHERE name=?1");
  if (!select) return tl::unexpected<Error>(select.error());
  select->Bind(1, name);
  Result<bool> row = select->Step();
  if (!row) return tl::unexpected<Error>(row.error());
  if (!*row) return AuditPoint{};
  return AuditPoint{select->Integer(0), select->Text(1)};
}

Result<SqliteWriter> SqliteWriter::Open(const std::string& path) {
  if (Status status = CreatePrivateFile(path); !status) {
    return tl::unexpected<Error>(status.error());
  }
  Result<sqlite::Connection> connection =
      sqlite::Connection::Open(path, sqlite::Connection::Mode::kReadWrite, kBusyMs);
  if (!connection) return tl::unexpected<Error>(connection.error());
  SqliteWriter writer(std::move(*connection));
  Status status = writer.connection_.Execute(
      "PRAGMA page_size=8192; PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
      "PRAGMA journal_size_limit=67108864; PRAGMA temp_store=MEMORY; PRAGMA cache_size=-2048;");
  if (status) status = CreateSchema(writer.connection_);
  if (status) status = writer.Prepare();
  if (!status) return tl::unexpected<Error>(status.error());
  return writer;
}

Status SqliteWriter::Prepare() {
  struct Wanted {
    sqlite::Statement& statement;
    const char* sql;
  };
  for (const Wanted& wanted : {
           Wanted{
               upsert_,
               "INSERT INTO record VALUES(?1,?2,?3,1,?4,?5) ON CONFLICT(kind,id) DO UPDATE SET "
               "key=excluded.key, version=version+1, due_at=excluded.due_at, body=excluded.body"},
           Wanted{insert_,
                  "INSERT INTO record VALUES(?1,?2,?3,1,?4,?5) ON CONFLICT(kind,id) DO NOTHING"},
           Wanted{update_,
                  "UPDATE record SET key=?3, version=version+1, due_at=?4, body=?5 "
                  "WHERE kind=?1 AND id=?2 AND version=?6"},
           Wanted{remove_, "DELETE FROM record WHERE kind=?1 AND id=?2"},
           Wanted{remove_version_, "DELETE FROM record WHERE kind=?1 AND id=?2 AND version=?3"},
           Wanted{version_, "SELECT version FROM record WHERE kind=?1 AND id=?2"},
           Wanted{note_, "INSERT INTO audit VALUES(?1,?2,?3,?4)"},
           Wanted{save_link_, "UPDATE chain SET seq=?2, hash=?3 WHERE name=?1"},
           Wanted{oldest_, "SELECT seq, at, body, hash FROM audit ORDER BY seq LIMIT ?1"},
           Wanted{forget_, "DELETE FROM audit WHERE seq<=?1"},
           Wanted{begin_, "BEGIN IMMEDIATE"},
           Wanted{commit_, "COMMIT"},
           Wanted{rollback_, "ROLLBACK"},
           Wanted{savepoint_, "SAVEPOINT batch"},
           Wanted{release_, "RELEASE batch"},
           Wanted{undo_, "ROLLBACK TO batch"},
       }) {
    Result<sqlite::Statement> statement = connection_.Prepare(wanted.sql);
    if (!statement) return tl::unexpected<Error>(statement.error());
    wanted.statement = std::move(*statement);
  }
  Result<AuditPoint> head = ReadLink(connection_, "head");
  if (!head) return tl::unexpected<Error>(head.error());
  head_ = std::move(*head);
  return {};
}

template <typename Work>
Status SqliteWriter::Transact(Work work) {
  const AuditPoint before = head_;
  Status status = begin_.Run();
  if (status) status = work();
  if (status) status = commit_.Run();
  disk_was_full_ = !status && connection_.DiskWasFull();
  if (status) return {};
  // SQLite rolls back by itself after some failures (a full disk, an I/O error).
  if (connection_.InTransaction()) (void)rollback_.Run();
  head_ = before;
  return status;
}

Result<std::vector<Status>> SqliteWriter::Commit(const std::vector<const Batch*>& batches,
                                                 Time now) {
  std::vector<Status> outcomes;
  outcomes.reserve(batches.size());
  Status status = Transact([&]() -> Status {
    const AuditPoint before = head_;
    for (const Batch* batch : batches) {
      Status outcome = Apply(*batch, now);
      if (!outcome && outcome.error().cause != Cause::kConflict) return outcome;
      outcomes.push_back(std::move(outcome));
    }
    if (head_ == before) return {};
    return SaveLink("head", head_);
  });
  if (!status) return tl::unexpected<Error>(status.error());
  return outcomes;
}

// Of a batch with one write, SQLite itself undoes what fails; audit entries cannot conflict and
// come after.
Status SqliteWriter::Apply(const Batch& batch, Time now) {
  if (batch.writes.size() + batch.erasures.size() <= 1) return ApplyAll(batch, now);
  if (Status status = savepoint_.Run(); !status) return status;
  Status outcome = ApplyAll(batch, now);
  if (!outcome) {
    if (outcome.error().cause != Cause::kConflict) return outcome;
    if (Status status = undo_.Run(); !status) return status;
  }
  if (Status status = release_.Run(); !status) return status;
  return outcome;
}

Status SqliteWriter::ApplyAll(const Batch& batch, Time now) {
  for (const Write& write : batch.writes) {
    if (Status status = Put(write); !status) return status;
  }
  for (const Erase& erase : batch.erasures) {
    if (Status status = Remove(erase); !status) return status;
  }
  for (const std::string& body : batch.audit) {
    if (Status status = Note(body, now); !status) return status;
  }
  return {};
}

Result<std::int64_t> SqliteWriter::VersionOf(const std::string& kind, const std::string& id) {
  const sqlite::Rows rows(version_.Bind(1, kind).Bind(2, id));
  Result<bool> row = version_.Step();
  if (!row) return tl::unexpected<Error>(row.error());
  return *row ? version_.Integer(0) : 0;
}

Status SqliteWriter::Put(const Write& write) {
  const Record& record = write.record;
  sqlite::Statement& statement = write.expected == Write::kAnyVersion ? upsert_
                                 : write.expected == 0                ? insert_
                                                                      : update_;
  statement.Bind(1, record.kind).Bind(2, record.id).Bind(3, record.key).Bind(5, record.body);
  if (record.due_at) {
    statement.Bind(4, ToMillis(*record.due_at));
  } else {
    statement.BindNull(4);
  }
  if (write.expected > 0) statement.Bind(6, write.expected);
  if (Status status = statement.Run(); !status) return status;
  if (connection_.Changes() == 1) return {};
  Result<std::int64_t> version = VersionOf(record.kind, record.id);
  if (!version) return tl::unexpected<Error>(version.error());
  return CheckVersion(record.kind, record.id, write.expected, *version);
}

Status SqliteWriter::Remove(const Erase& erase) {
  if (erase.expected == Write::kAnyVersion) {
    return remove_.Bind(1, erase.kind).Bind(2, erase.id).Run();
  }
  remove_version_.Bind(1, erase.kind).Bind(2, erase.id).Bind(3, erase.expected);
  if (Status status = remove_version_.Run(); !status) return status;
  if (connection_.Changes() == 1) return {};
  Result<std::int64_t> version = VersionOf(erase.kind, erase.id);
  if (!version) return tl::unexpected<Error>(version.error());
  return CheckVersion(erase.kind, erase.id, erase.expected, *version);
}

Status SqliteWriter::Note(const std::string& body, Time now) {
  AuditPoint next = Append(head_, now, body);
  note_.Bind(1, next.seq).Bind(2, ToMillis(now)).Bind(3, body).BindBlob(4, next.hash);
  if (Status status = note_.Run(); !status) return status;
  head_ = std::move(next);
  return {};
}

Status SqliteWriter::SaveLink(std::string_view name, const AuditPoint& point) {
  return save_link_.Bind(1, name).Bind(2, point.seq).BindBlob(3, point.hash).Run();
}

Result<std::size_t> SqliteWriter::TrimAudit(Time before, std::size_t rows_max) {
  Result<AuditPoint> checkpoint = ReadLink(connection_, "checkpoint");
  if (!checkpoint) return tl::unexpected<Error>(checkpoint.error());
  AuditPoint walked = *checkpoint;
  {
    sqlite::Rows rows(oldest_.Bind(1, static_cast<std::int64_t>(rows_max)));
    for (;;) {
      Result<bool> row = rows.Next();
      if (!row) return tl::unexpected<Error>(row.error());
      if (!*row) break;
      const Time at = TimeFromMillis(oldest_.Integer(1));
      if (at >= before) break;
      Result<AuditPoint> next =
          Follow(walked, AuditEntry{oldest_.Integer(0), at, oldest_.Text(2), Hex(oldest_.Text(3))});
      if (!next) return tl::unexpected<Error>(next.error());
      walked = std::move(*next);
    }
  }
  if (walked.seq == checkpoint->seq) return std::size_t{0};
  Status status = Transact([&]() -> Status {
    if (Status forgotten = forget_.Bind(1, walked.seq).Run(); !forgotten) return forgotten;
    return SaveLink("checkpoint", walked);
  });
  if (!status) return tl::unexpected<Error>(status.error());
  return static_cast<std::size_t>(walked.seq - checkpoint->seq);
}

Status SqliteWriter::Probe() {
  return Transact([&] { return SaveLink("head", head_); });
}

}  // namespace fettle
