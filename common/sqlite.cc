#include "common/sqlite.h"

#include <sqlite3.h>

#include "common/check.h"

namespace fettle::sqlite {
namespace {

// What an operator can do something about, in a sentence; the rest in SQLite's words.
tl::unexpected<Error> Explain(sqlite3* connection) {
  const int extended = sqlite3_extended_errcode(connection);
  const char* text = sqlite3_errmsg(connection);
  switch (extended & 0xff) {
    case SQLITE_FULL:
      return Fail(Cause::kUnavailable, "the disk is full");
    case SQLITE_READONLY:
      return Fail(Cause::kUnavailable, "the file or its file system is read-only ({})", text);
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
    case SQLITE_AUTH:
      return Fail(Cause::kUnavailable, "the file cannot be opened ({})", text);
    case SQLITE_IOERR:
      return Fail(Cause::kUnavailable, "the disk does not read or write ({}, code {})", text,
                  extended);
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return Fail(Cause::kUnavailable, "another process holds the file's lock ({})", text);
    case SQLITE_CORRUPT:
      return Fail("the file is damaged ({}): move it away to begin anew, or restore it", text);
    case SQLITE_NOTADB:
      return Fail("the file is no SQLite database: move it away to begin anew");
    default:
      return Fail("{} (code {})", text, extended);
  }
}

int RememberWalPages(void* pages, sqlite3*, const char*, int count) {
  *static_cast<int*>(pages) = count;
  return SQLITE_OK;
}

}  // namespace

void Statement::Finalize::operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }

Statement& Statement::Bind(int parameter, std::string_view text) {
  // A null pointer would bind NULL; an empty text is not that.
  const char* data = text.data() == nullptr ? "" : text.data();
  FETTLE_CHECK(sqlite3_bind_text64(statement_.get(), parameter, data, text.size(), SQLITE_STATIC,
                                   SQLITE_UTF8) == SQLITE_OK);
  return *this;
}

Statement& Statement::Bind(int parameter, std::int64_t value) {
  FETTLE_CHECK(sqlite3_bind_int64(statement_.get(), parameter, value) == SQLITE_OK);
  return *this;
}

Statement& Statement::BindBlob(int parameter, std::string_view bytes) {
  FETTLE_CHECK(sqlite3_bind_blob64(statement_.get(), parameter, bytes.data(), bytes.size(),
                                   SQLITE_STATIC) == SQLITE_OK);
  return *this;
}

Statement& Statement::BindNull(int parameter) {
  FETTLE_CHECK(sqlite3_bind_null(statement_.get(), parameter) == SQLITE_OK);
  return *this;
}

Result<bool> Statement::Step() {
  switch (sqlite3_step(statement_.get())) {
    case SQLITE_ROW:
      return true;
    case SQLITE_DONE:
      return false;
    default:
      return Explain(sqlite3_db_handle(statement_.get()));
  }
}

void Statement::Reset() {
  sqlite3_reset(statement_.get());
  sqlite3_clear_bindings(statement_.get());
}

Status Statement::Run() {
  for (;;) {
    Result<bool> row = Step();
    if (row && *row) continue;
    Reset();
    if (!row) return tl::unexpected<Error>(row.error());
    return {};
  }
}

std::int64_t Statement::Integer(int column) const {
  return sqlite3_column_int64(statement_.get(), column);
}

std::string Statement::Text(int column) const {
  const void* data = sqlite3_column_blob(statement_.get(), column);
  const int size = sqlite3_column_bytes(statement_.get(), column);
  if (data == nullptr) return "";
  return std::string(static_cast<const char*>(data), static_cast<std::size_t>(size));
}

bool Statement::IsNull(int column) const {
  return sqlite3_column_type(statement_.get(), column) == SQLITE_NULL;
}

void Connection::Close::operator()(sqlite3* connection) const { sqlite3_close_v2(connection); }

Result<Connection> Connection::Open(const std::string& path, Mode mode, int busy_ms) {
  int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
  if (mode == Mode::kReadOnly) flags |= SQLITE_OPEN_READONLY;
  if (mode == Mode::kReadWrite) flags |= SQLITE_OPEN_READWRITE;
  if (mode == Mode::kReadWriteCreate) flags |= SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
  sqlite3* raw = nullptr;
  const int code = sqlite3_open_v2(path.c_str(), &raw, flags, nullptr);
  Connection connection;
  connection.connection_.reset(raw);
  if (raw == nullptr) return Fail("no memory for a connection");
  if (code != SQLITE_OK) return Explain(raw);
  sqlite3_busy_timeout(raw, busy_ms);
  sqlite3_wal_hook(raw, RememberWalPages, connection.wal_pages_.get());
  return connection;
}

Result<Statement> Connection::Prepare(std::string_view sql) {
  sqlite3_stmt* raw = nullptr;
  const int code = sqlite3_prepare_v3(connection_.get(), sql.data(), static_cast<int>(sql.size()),
                                      SQLITE_PREPARE_PERSISTENT, &raw, nullptr);
  if (code != SQLITE_OK) return Explain(connection_.get());
  Statement statement;
  statement.statement_.reset(raw);
  return statement;
}

Status Connection::Execute(const std::string& sql) {
  if (sqlite3_exec(connection_.get(), sql.c_str(), nullptr, nullptr, nullptr) != SQLITE_OK) {
    return Explain(connection_.get());
  }
  return {};
}

Result<std::int64_t> Connection::QueryInteger(std::string_view sql) {
  Result<Statement> statement = Prepare(sql);
  if (!statement) return tl::unexpected<Error>(statement.error());
  Result<bool> row = statement->Step();
  if (!row) return tl::unexpected<Error>(row.error());
  return *row ? statement->Integer(0) : 0;
}

std::int64_t Connection::Changes() const { return sqlite3_changes64(connection_.get()); }

bool Connection::InTransaction() const { return sqlite3_get_autocommit(connection_.get()) == 0; }

bool Connection::DiskWasFull() const {
  return (sqlite3_errcode(connection_.get()) & 0xff) == SQLITE_FULL;
}

Status Connection::Checkpoint() {
  const int code = sqlite3_wal_checkpoint_v2(connection_.get(), nullptr, SQLITE_CHECKPOINT_PASSIVE,
                                             nullptr, nullptr);
  if (code != SQLITE_OK && (code & 0xff) != SQLITE_BUSY) return Explain(connection_.get());
  return {};
}

}  // namespace fettle::sqlite
