#include "common/postgres_session.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "common/digest.h"
#include "common/labels.h"

namespace fettle {
namespace {

// One at a time: a prepared protocol message holds one statement.
constexpr std::array kTables = {
    "CREATE TABLE IF NOT EXISTS fettle_record(kind text COLLATE \"C\" NOT NULL,"
    " id text COLLATE \"C\" NOT NULL, key text COLLATE \"C\" NOT NULL, version bigint NOT NULL,"
    " due_at bigint, body text NOT NULL, raw bytea, change bigint NOT NULL, writer text NOT NULL,"
    " PRIMARY KEY(kind, id))",
    "CREATE INDEX IF NOT EXISTS fettle_record_by_key ON fettle_record(kind, key) WHERE key<>''",
    "CREATE INDEX IF NOT EXISTS fettle_record_by_due_at ON fettle_record(kind, due_at)"
    " WHERE due_at IS NOT NULL",
    "CREATE INDEX IF NOT EXISTS fettle_record_by_change ON fettle_record(change)",
    "CREATE TABLE IF NOT EXISTS fettle_feed(one boolean PRIMARY KEY CHECK(one),"
    " seq bigint NOT NULL, schema integer NOT NULL)",
    "CREATE TABLE IF NOT EXISTS fettle_audit(seq bigint PRIMARY KEY, at bigint NOT NULL,"
    " body text NOT NULL, raw bytea, hash text NOT NULL)",
    "CREATE TABLE IF NOT EXISTS fettle_chain(name text PRIMARY KEY, seq bigint NOT NULL,"
    " hash text NOT NULL)",
    "CREATE TABLE IF NOT EXISTS fettle_claim(resource text COLLATE \"C\" PRIMARY KEY,"
    " holder text NOT NULL, epoch bigint NOT NULL, expires_at timestamptz NOT NULL)",
    "CREATE TABLE IF NOT EXISTS fettle_replica(id text PRIMARY KEY, name text NOT NULL,"
    " address text NOT NULL, expires_at timestamptz NOT NULL)",
};

constexpr const char* kUpsert =
    "INSERT INTO fettle_record AS r VALUES($1,$2,$3,1,NULLIF($4,'')::bigint,$5,"
    "NULLIF($6,'')::bytea,$7::bigint,$8) ON CONFLICT(kind,id) DO UPDATE SET key=EXCLUDED.key,"
    "version=r.version+1,due_at=EXCLUDED.due_at,body=EXCLUDED.body,raw=EXCLUDED.raw,"
    "change=EXCLUDED.change,writer=EXCLUDED.writer RETURNING 1";
constexpr const char* kInsert =
    "INSERT INTO fettle_record VALUES($1,$2,$3,1,NULLIF($4,'')::bigint,$5,"
    "NULLIF($6,'')::bytea,$7::bigint,$8) ON CONFLICT(kind,id) DO NOTHING RETURNING 1";
constexpr const char* kUpdate =
    "UPDATE fettle_record SET key=$3,version=version+1,due_at=NULLIF($4,'')::bigint,body=$5,"
    "raw=NULLIF($6,'')::bytea,change=$7::bigint,writer=$8 WHERE kind=$1 AND id=$2"
    " AND version=$9::bigint RETURNING 1";
// Prolonged under the same epoch; taken again or from somebody else, it gets the next one.
constexpr const char* kTake =
    "INSERT INTO fettle_claim AS c VALUES($1,$2,1,clock_timestamp()+$3::bigint*interval '1 ms')"
    " ON CONFLICT(resource) DO UPDATE SET holder=EXCLUDED.holder,expires_at=EXCLUDED.expires_at,"
    "epoch=CASE WHEN c.holder=EXCLUDED.holder AND c.expires_at>clock_timestamp()"
    " THEN c.epoch ELSE c.epoch+1 END"
    " WHERE c.expires_at<=clock_timestamp() OR c.holder=EXCLUDED.holder RETURNING epoch";
constexpr const char* kColumns = "SELECT kind,id,key,version,due_at,body,raw,change";

std::int64_t Integer(const std::optional<std::string>& text) {
  std::int64_t number = 0;
  if (text) std::from_chars(text->data(), text->data() + text->size(), number);
  return number;
}

// Bodies are JSON that people may read with psql; whatever is no text goes as bytes.
struct Stored {
  std::string text;
  std::string raw;  // "" or \x…
};
Stored ToStored(const std::string& body) {
  if (IsUtf8(body) && body.find('\0') == std::string::npos) return {body, ""};
  return {"", "\\x" + Hex(body)};
}
std::string FromStored(const std::optional<std::string>& text,
                       const std::optional<std::string>& raw) {
  return raw && raw->starts_with("\\x") ? FromHex(std::string_view(*raw).substr(2))
                                        : text.value_or("");
}

Record ReadRecord(const std::vector<std::optional<std::string>>& row) {
  Record record{row[0].value_or(""), row[1].value_or(""), row[2].value_or(""),
                Integer(row[3]),     std::nullopt,        FromStored(row[5], row[6])};
  if (row[4]) record.due_at = TimeFromMillis(Integer(row[4]));
  return record;
}

bool Writes(const PostgresSession::Item& item) {
  return item.batch != nullptr &&
         !(item.batch->writes.empty() && item.batch->erasures.empty() && item.batch->audit.empty());
}

}  // namespace

Result<PostgresSession> PostgresSession::Open(const Secret& dsn, Identity who, Millis timeout) {
  Result<Postgres> connection = Postgres::Connect(dsn, timeout);
  if (!connection) return tl::unexpected<Error>(connection.error());
  PostgresSession session(*std::move(connection), std::move(who));
  if (Status prepared = session.Prepare(); !prepared) {
    return tl::unexpected<Error>(prepared.error());
  }
  return session;
}

Result<PostgresRows> PostgresSession::Ask(const std::string& sql, const Texts& parameters) {
  return connection_.Query(sql, parameters, kStatementTimeout);
}

Status PostgresSession::Do(const std::string& sql, const Texts& parameters) {
  const Result<PostgresRows> done = Ask(sql, parameters);
  if (!done) return tl::unexpected<Error>(done.error());
  return {};
}

template <typename Work>
Status PostgresSession::Transact(const std::string& begin, Work work) {
  Status status = Do(begin);
  if (status) status = work();
  if (status) return Do("COMMIT");
  (void)Do("ROLLBACK");
  return status;
}

Status PostgresSession::Prepare() {
  Status prepared = Transact("BEGIN", [this]() -> Status {
    // Two that start at once would both create the tables.
    if (Status s = Do("SELECT pg_advisory_xact_lock(338853)"); !s) return s;
    const Result<PostgresRows> there = Ask("SELECT to_regclass('fettle_feed') IS NOT NULL");
    if (!there) return tl::unexpected<Error>(there.error());
    if (there->rows.front().front() == "f") {
      for (const char* table : kTables) {
        if (Status s = Do(table); !s) return While("creating the tables", s.error());
      }
      const std::string none = Hex(AuditPoint{}.hash);
      if (Status s = Do("INSERT INTO fettle_chain VALUES('head',0,$1),('checkpoint',0,$1)", {none});
          !s) {
        return s;
      }
      return Do(fmt::format("INSERT INTO fettle_feed VALUES(true,0,{})", kSchemaVersion));
    }
    const Result<PostgresRows> schema = Ask("SELECT schema FROM fettle_feed");
    if (!schema) return tl::unexpected<Error>(schema.error());
    if (schema->rows.empty() || Integer(schema->rows.front().front()) > kSchemaVersion) {
      return Fail(Cause::kInvalid, "the tables are a newer fettle's (this one knows schema {})",
                  kSchemaVersion);
    }
    return {};
  });
  if (!prepared) return prepared;
  const Result<PostgresRows> feed = Ask("SELECT seq FROM fettle_feed");
  if (!feed) return tl::unexpected<Error>(feed.error());
  seen_ = Integer(feed->rows.front().front());
  return {};
}

// ---- writing

Result<std::int64_t> PostgresSession::NextChange(bool writes) {
  const Result<PostgresRows> row = Ask(writes ? "UPDATE fettle_feed SET seq=seq+1 RETURNING seq"
                                              : "SELECT seq FROM fettle_feed FOR UPDATE");
  if (!row) return tl::unexpected<Error>(row.error());
  return Integer(row->rows.front().front());
}

Result<std::vector<PostgresSession::Outcome>> PostgresSession::Commit(
    const std::vector<Item>& items, Time now) {
  std::vector<Outcome> outcomes;
  const bool writes = std::any_of(items.begin(), items.end(), Writes);
  const Status status = Transact("BEGIN", [&]() -> Status {
    const Result<std::int64_t> change = NextChange(writes);
    if (!change) return tl::unexpected<Error>(change.error());
    for (const Item& item : items) {
      Result<Outcome> outcome = Run(item, *change, now);
      if (!outcome) return tl::unexpected<Error>(outcome.error());
      outcomes.push_back(*std::move(outcome));
    }
    return writes ? Do("NOTIFY fettle") : Status();
  });
  if (!status) return tl::unexpected<Error>(status.error());
  return outcomes;
}

Result<PostgresSession::Outcome> PostgresSession::Run(const Item& item, std::int64_t change,
                                                      Time now) {
  if (item.batch == nullptr) return Take(item);
  Result<Status> applied = Apply(*item.batch, change, now);
  if (!applied) return tl::unexpected<Error>(applied.error());
  return Outcome{*std::move(applied), 0};
}

Result<PostgresSession::Outcome> PostgresSession::Take(const Item& item) {
  const Result<PostgresRows> granted =
      Ask(kTake, {item.resource, who_.holder, std::to_string(item.lease.count())});
  if (!granted) return tl::unexpected<Error>(granted.error());
  if (granted->rows.empty()) {
    return Outcome{Fail(Cause::kConflict, "{} is another replica's", item.resource), 0};
  }
  return Outcome{{}, Integer(granted->rows.front().front())};
}

Result<Status> PostgresSession::Apply(const Batch& batch, std::int64_t change, Time now) {
  const std::size_t parts = batch.writes.size() + batch.erasures.size() + batch.released.size();
  if (parts <= 1) return ApplyAll(batch, change, now);
  if (Status s = Do("SAVEPOINT batch"); !s) return tl::unexpected<Error>(s.error());
  Result<Status> applied = ApplyAll(batch, change, now);
  if (!applied) return applied;
  const Status ended = Do(*applied ? "RELEASE batch" : "ROLLBACK TO batch");
  if (!ended) return tl::unexpected<Error>(ended.error());
  return applied;
}

Result<Status> PostgresSession::ApplyAll(const Batch& batch, std::int64_t change, Time now) {
  for (const ClaimMark& mark : batch.held) {
    const Result<PostgresRows> held =
        Ask("SELECT 1 FROM fettle_claim WHERE resource=$1 AND holder=$2 AND epoch=$3::bigint"
            " AND expires_at>clock_timestamp()",
            {mark.resource, who_.holder, std::to_string(mark.epoch)});
    if (!held) return tl::unexpected<Error>(held.error());
    if (held->rows.empty()) {
      return Status(Fail(Cause::kConflict, "{} is no longer this replica's", mark.resource));
    }
  }
  for (const Write& write : batch.writes) {
    Result<Status> put = Put(write, change);
    if (!put || !*put) return put;
  }
  for (const Erase& erase : batch.erasures) {
    Result<Status> removed = Remove(erase);
    if (!removed || !*removed) return removed;
  }
  for (const std::string& body : batch.audit) {
    if (Status noted = Note(body, now); !noted) return tl::unexpected<Error>(noted.error());
  }
  for (const ClaimMark& mark : batch.released) {
    const Status released =
        Do("UPDATE fettle_claim SET expires_at=clock_timestamp() WHERE resource=$1 AND holder=$2"
           " AND epoch=$3::bigint",
           {mark.resource, who_.holder, std::to_string(mark.epoch)});
    if (!released) return tl::unexpected<Error>(released.error());
  }
  return Status();
}

Result<Status> PostgresSession::Put(const Write& write, std::int64_t change) {
  const Record& record = write.record;
  const Stored stored = ToStored(record.body);
  Texts values = {record.kind,
                  record.id,
                  record.key,
                  record.due_at ? std::to_string(ToMillis(*record.due_at)) : "",
                  stored.text,
                  stored.raw,
                  std::to_string(change),
                  who_.incarnation};
  const char* sql = write.expected == Write::kAnyVersion ? kUpsert
                    : write.expected == 0                ? kInsert
                                                         : kUpdate;
  if (write.expected > 0) values.push_back(std::to_string(write.expected));
  const Result<PostgresRows> done = Ask(sql, values);
  if (!done) return tl::unexpected<Error>(done.error());
  if (!done->rows.empty()) return Status();
  return Check(record.kind, record.id, write.expected);
}

Result<Status> PostgresSession::Remove(const Erase& erase) {
  if (erase.expected == Write::kAnyVersion) {
    const Status gone =
        Do("DELETE FROM fettle_record WHERE kind=$1 AND id=$2", {erase.kind, erase.id});
    if (!gone) return tl::unexpected<Error>(gone.error());
    return Status();
  }
  const Result<PostgresRows> gone =
      Ask("DELETE FROM fettle_record WHERE kind=$1 AND id=$2 AND version=$3::bigint RETURNING 1",
          {erase.kind, erase.id, std::to_string(erase.expected)});
  if (!gone) return tl::unexpected<Error>(gone.error());
  if (!gone->rows.empty()) return Status();
  return Check(erase.kind, erase.id, erase.expected);
}

Result<Status> PostgresSession::Check(const std::string& kind, const std::string& id,
                                      std::int64_t expected) {
  const Result<PostgresRows> row =
      Ask("SELECT version FROM fettle_record WHERE kind=$1 AND id=$2", {kind, id});
  if (!row) return tl::unexpected<Error>(row.error());
  return CheckVersion(kind, id, expected, row->rows.empty() ? 0 : Integer(row->rows[0][0]));
}

// ---- the audit

Result<AuditPoint> PostgresSession::Link(const std::string& name) {
  const Result<PostgresRows> row = Ask("SELECT seq, hash FROM fettle_chain WHERE name=$1", {name});
  if (!row) return tl::unexpected<Error>(row.error());
  if (row->rows.empty()) return AuditPoint{};
  return AuditPoint{Integer(row->rows[0][0]), FromHex(row->rows[0][1].value_or(""))};
}

Status PostgresSession::SaveLink(const std::string& name, const AuditPoint& point) {
  return Do("UPDATE fettle_chain SET seq=$2::bigint, hash=$3 WHERE name=$1",
            {name, std::to_string(point.seq), Hex(point.hash)});
}

Status PostgresSession::Note(const std::string& body, Time now) {
  const Result<AuditPoint> head = Link("head");
  if (!head) return tl::unexpected<Error>(head.error());
  const AuditPoint next = Append(*head, now, body);
  const Stored stored = ToStored(body);
  const Status noted =
      Do("INSERT INTO fettle_audit VALUES($1::bigint,$2::bigint,$3,NULLIF($4,'')::bytea,$5)",
         {std::to_string(next.seq), std::to_string(ToMillis(now)), stored.text, stored.raw,
          Hex(next.hash)});
  if (!noted) return noted;
  return SaveLink("head", next);
}

Result<std::vector<AuditEntry>> PostgresSession::ReadAudit(std::int64_t from_seq,
                                                           std::size_t limit) {
  const Result<PostgresRows> rows = connection_.Query(
      "SELECT seq,at,body,raw,hash FROM fettle_audit WHERE seq>=$1::bigint ORDER BY seq"
      " LIMIT $2::bigint",
      {std::to_string(from_seq), std::to_string(std::min<std::size_t>(limit, INT64_MAX))},
      kReadTimeout, SIZE_MAX, kReadBytesMax);
  if (!rows) return tl::unexpected<Error>(rows.error());
  std::vector<AuditEntry> entries;
  for (const auto& row : rows->rows) {
    entries.push_back({Integer(row[0]), TimeFromMillis(Integer(row[1])), FromStored(row[2], row[3]),
                       row[4].value_or("")});
  }
  return entries;
}

Status PostgresSession::VerifyAudit() {
  // One picture of all of it, whatever is appended or trimmed meanwhile.
  return Transact("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", [this]() -> Status {
    constexpr std::size_t kPage = 256;
    const Result<AuditPoint> checkpoint = Link("checkpoint");
    if (!checkpoint) return tl::unexpected<Error>(checkpoint.error());
    const Result<AuditPoint> head = Link("head");
    if (!head) return tl::unexpected<Error>(head.error());
    for (AuditPoint walked = *checkpoint;;) {
      const Result<std::vector<AuditEntry>> page = ReadAudit(walked.seq + 1, kPage);
      if (!page) return tl::unexpected<Error>(page.error());
      if (page->empty()) return CheckEnd(walked, *head);
      for (const AuditEntry& entry : *page) {
        Result<AuditPoint> next = Follow(walked, entry);
        if (!next) return tl::unexpected<Error>(next.error());
        walked = *std::move(next);
      }
    }
  });
}

Result<std::size_t> PostgresSession::TrimAudit(Time before, std::size_t rows_max) {
  std::size_t gone = 0;
  const Status trimmed = Transact("BEGIN", [&]() -> Status {
    if (const auto turn = NextChange(false); !turn) return tl::unexpected<Error>(turn.error());
    const Result<AuditPoint> checkpoint = Link("checkpoint");
    if (!checkpoint) return tl::unexpected<Error>(checkpoint.error());
    const Result<std::vector<AuditEntry>> oldest = ReadAudit(checkpoint->seq + 1, rows_max);
    if (!oldest) return tl::unexpected<Error>(oldest.error());
    AuditPoint walked = *checkpoint;
    for (const AuditEntry& entry : *oldest) {
      if (entry.at >= before) break;
      Result<AuditPoint> next = Follow(walked, entry);
      if (!next) return tl::unexpected<Error>(next.error());
      walked = *std::move(next);
      ++gone;
    }
    if (gone == 0) return {};
    const Status forgotten =
        Do("DELETE FROM fettle_audit WHERE seq<=$1::bigint", {std::to_string(walked.seq)});
    if (!forgotten) return forgotten;
    return SaveLink("checkpoint", walked);
  });
  if (!trimmed) return tl::unexpected<Error>(trimmed.error());
  return gone;
}

// ---- reading

Result<std::vector<Record>> PostgresSession::Read(const RecordQuery& query) {
  std::string sql = std::string(kColumns) + " FROM fettle_record WHERE kind=$1";
  Texts values = {query.kind};
  const auto with = [&](const char* condition, std::string value) {
    values.push_back(std::move(value));
    sql += fmt::format(fmt::runtime(condition), values.size());
  };
  if (!query.id.empty()) with(" AND id=${}", query.id);
  if (!query.key.empty()) with(" AND key=${} AND key<>''", query.key);
  if (query.due_by) with(" AND due_at<=${}::bigint", std::to_string(ToMillis(*query.due_by)));
  sql += query.due_by ? " ORDER BY due_at, id" : " ORDER BY id";
  with(" LIMIT ${}::bigint", std::to_string(std::min<std::size_t>(query.limit, INT64_MAX)));
  const Result<PostgresRows> rows =
      connection_.Query(sql, values, kReadTimeout, SIZE_MAX, kReadBytesMax);
  if (!rows) return tl::unexpected<Error>(rows.error());
  std::vector<Record> records;
  records.reserve(rows->rows.size());
  for (const auto& row : rows->rows) records.push_back(ReadRecord(row));
  return records;
}

// ---- the others

Result<std::vector<Record>> PostgresSession::News() {
  const Result<PostgresRows> feed = Ask("SELECT seq FROM fettle_feed");
  if (!feed) return tl::unexpected<Error>(feed.error());
  const std::int64_t newest = Integer(feed->rows.front().front());
  if (newest <= seen_) return std::vector<Record>();
  // Commits happen one after the other: what is visible now is all of it up to some number.
  const Result<PostgresRows> rows = connection_.Query(
      std::string(kColumns) +
          " FROM fettle_record WHERE change>$1::bigint AND writer<>$2 ORDER BY change, kind, id",
      {std::to_string(seen_), who_.incarnation}, kReadTimeout, SIZE_MAX, kReadBytesMax);
  if (!rows) return tl::unexpected<Error>(rows.error());
  std::vector<Record> news;
  seen_ = newest;
  for (const auto& row : rows->rows) {
    news.push_back(ReadRecord(row));
    seen_ = std::max(seen_, Integer(row[7]));
  }
  return news;
}

Result<std::vector<Replica>> PostgresSession::Beat() {
  const Status said =
      Do("INSERT INTO fettle_replica VALUES($1,$2,$3,clock_timestamp()+$4::bigint*interval '1 ms')"
         " ON CONFLICT(id) DO UPDATE SET name=EXCLUDED.name,address=EXCLUDED.address,"
         "expires_at=EXCLUDED.expires_at",
         {who_.id, who_.name, who_.address, std::to_string(kLifeSign.count())});
  if (!said) return tl::unexpected<Error>(said.error());
  const Result<PostgresRows> rows =
      Ask("SELECT name,address FROM fettle_replica WHERE expires_at>clock_timestamp() AND id<>$1"
          " ORDER BY name, id",
          {who_.id});
  if (!rows) return tl::unexpected<Error>(rows.error());
  std::vector<Replica> live = {{who_.name, who_.address}};
  for (const auto& row : rows->rows) live.push_back({row[0].value_or(""), row[1].value_or("")});
  return live;
}

void PostgresSession::Leave() {
  (void)Do("DELETE FROM fettle_replica WHERE id=$1", {who_.id});
  (void)Do(
      "UPDATE fettle_claim SET expires_at=clock_timestamp() WHERE holder=$1"
      " AND expires_at>clock_timestamp()",
      {who_.holder});
}

}  // namespace fettle
