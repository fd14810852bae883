// SQLite as values and Results: a connection and its prepared statements (sqlite3.h stays inside
// sqlite.cc). A connection and its statements belong to one thread at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "common/result.h"

struct sqlite3;
struct sqlite3_stmt;

namespace fettle::sqlite {

// Bound, stepped, read and reset, in that order; must not outlive its connection. Parameters count
// from 1, columns from 0. What is bound as text is not copied: it must stay until Reset.
class Statement {
 public:
  Statement() = default;

  Statement& Bind(int parameter, std::string_view text);
  Statement& Bind(int parameter, std::int64_t value);
  Statement& BindBlob(int parameter, std::string_view bytes);
  Statement& BindNull(int parameter);
  // True while there is a row to read.
  Result<bool> Step();
  void Reset();
  // Step until the end, then Reset.
  Status Run();

  std::int64_t Integer(int column) const;
  std::string Text(int column) const;  // or a blob's bytes
  bool IsNull(int column) const;

 private:
  friend class Connection;
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const;
  };
  std::unique_ptr<sqlite3_stmt, Finalize> statement_;
};

// Resets on the way out, so that no statement keeps a read transaction open.
class Rows {
 public:
  explicit Rows(Statement& statement) : statement_(statement) {}
  ~Rows() { statement_.Reset(); }
  Rows(const Rows&) = delete;
  Rows& operator=(const Rows&) = delete;
  Result<bool> Next() { return statement_.Step(); }

 private:
  Statement& statement_;
};

class Connection {
 public:
  enum class Mode { kReadWriteCreate, kReadWrite, kReadOnly };
  // Waits at most `busy_ms` for locks of other processes.
  static Result<Connection> Open(const std::string& path, Mode mode, int busy_ms);

  Result<Statement> Prepare(std::string_view sql);
  // One or more statements without parameters.
  Status Execute(const std::string& sql);
  Result<std::int64_t> QueryInteger(std::string_view sql);
  // Rows changed by the last write.
  std::int64_t Changes() const;
  bool InTransaction() const;
  // Whether the last failure was a full disk.
  bool DiskWasFull() const;
  // Pages in the write-ahead log after the last commit.
  int WalPages() const { return *wal_pages_; }
  // Moves what can be moved from the write-ahead log to the file, without waiting for readers.
  Status Checkpoint();

 private:
  struct Close {
    void operator()(sqlite3* connection) const;
  };
  std::unique_ptr<int> wal_pages_ = std::make_unique<int>(0);
  std::unique_ptr<sqlite3, Close> connection_;
};

}  // namespace fettle::sqlite
