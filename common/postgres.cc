#include "common/postgres.h"

#include <libpq-fe.h>
#include <poll.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cerrno>
#include <future>
#include <map>
#include <memory>
#include <system_error>
#include <thread>
#include <utility>

#include "common/deadline.h"
#include "common/dial.h"

namespace fettle {
namespace {

// How long past its deadline a statement gets to be cancelled, so that the connection stays of use.
constexpr Millis kCancelGrace{1'000};
// libpq's own sockets, also the one that cancels, give up on a silent network after this.
constexpr const char* kTcpUserTimeoutMs = "30000";

struct ConnectionFree {
  void operator()(PGconn* connection) const { PQfinish(connection); }
};
struct ResultFree {
  void operator()(PGresult* result) const { PQclear(result); }
};
struct NotifyFree {
  void operator()(PGnotify* notice) const { PQfreemem(notice); }
};
struct OptionsFree {
  void operator()(PQconninfoOption* options) const { PQconninfoFree(options); }
};
struct CancelFree {
  void operator()(PGcancel* cancel) const { PQfreeCancel(cancel); }
};
using ConnectionPtr = std::unique_ptr<PGconn, ConnectionFree>;
using ResultPtr = std::unique_ptr<PGresult, ResultFree>;

struct Parameter {
  std::string keyword;
  std::string value;
};
using ParameterList = std::vector<Parameter>;

const std::string* Find(const ParameterList& list, std::string_view keyword) {
  for (const Parameter& parameter : list) {
    if (parameter.keyword == keyword) return &parameter.value;
  }
  return nullptr;
}

void SetDefault(ParameterList& list, std::string keyword, std::string value) {
  if (Find(list, keyword) == nullptr) list.push_back({std::move(keyword), std::move(value)});
}

// libpq's complaints quote what they could not read, which may be the password: ours do not.
Result<ParameterList> ParseDsn(const std::string& dsn) {
  char* complaint = nullptr;
  const std::unique_ptr<PQconninfoOption, OptionsFree> options(
      PQconninfoParse(dsn.c_str(), &complaint));
  PQfreemem(complaint);
  if (!options) {
    return Fail(Cause::kInvalid,
                "the dsn is neither key=value pairs nor a postgresql:// URI as libpq reads them");
  }
  ParameterList list;
  for (const PQconninfoOption* option = options.get(); option->keyword != nullptr; ++option) {
    if (option->val != nullptr) list.push_back({option->keyword, option->val});
  }
  return list;
}

// libpq looks names up without a deadline. Where there is one host by name, we look it up and hand
// over every address; lists of hosts are left to libpq.
Status ResolveBeforehand(ParameterList& list, const Deadline& deadline) {
  const std::string* host = Find(list, "host");
  if (host == nullptr || host->empty() || Find(list, "hostaddr") != nullptr) return {};
  if (host->front() == '/' || host->front() == '@' || host->find(',') != std::string::npos) {
    return {};
  }
  const Result<std::vector<std::string>> found = ResolveHost(*host, deadline.Left());
  if (!found) return tl::unexpected(found.error());
  if (found->empty()) return Fail(Cause::kNotFound, "{} has no address", *host);
  const std::string name = *host;
  std::string hosts;
  std::string addresses;
  for (const std::string& address : *found) {
    hosts += (hosts.empty() ? "" : ",") + name;
    addresses += (addresses.empty() ? "" : ",") + address;
  }
  for (Parameter& parameter : list) {
    if (parameter.keyword == "host") parameter.value = hosts;
  }
  list.push_back({"hostaddr", addresses});
  return {};
}

void ReplaceAll(std::string& text, const std::string& what, std::string_view with) {
  for (std::size_t at = text.find(what); at != std::string::npos;
       at = text.find(what, at + with.size())) {
    text.replace(at, what.size(), with);
  }
}

Cause CauseOf(std::string_view state) {
  if (state.starts_with("28") || state == "42501") return Cause::kDenied;
  if (state == "57014") return Cause::kTimeout;
  if (state.starts_with("08") || state.starts_with("53") || state.starts_with("57P")) {
    return Cause::kUnavailable;
  }
  if (state == "3D000" || state == "42P01" || state == "42704") return Cause::kNotFound;
  if (state.starts_with("42") || state.starts_with("22")) return Cause::kInvalid;
  if (state == "40001" || state == "40P01") return Cause::kConflict;
  return Cause::kFailed;
}

// "FATAL:  28P01: password …": verbose messages carry the state where libpq has no other way to
// tell it. Takes it out of the text.
std::string TakeState(std::string& text) {
  for (std::size_t at = text.find(":  "); at != std::string::npos; at = text.find(":  ", at + 1)) {
    const std::string_view rest = std::string_view(text).substr(at + 3);
    const bool is_state = rest.size() > 7 && rest[5] == ':' && rest[6] == ' ' &&
                          std::all_of(rest.begin(), rest.begin() + 5, [](unsigned char c) {
                            return std::isdigit(c) != 0 || std::isupper(c) != 0;
                          });
    if (!is_state) continue;
    std::string state(rest.substr(0, 5));
    text.erase(at + 3, 7);
    return state;
  }
  return "";
}

// One line, without the source location of the server's code.
std::string OneLine(const std::string& text) {
  std::string out;
  std::size_t begin = 0;
  while (begin < text.size()) {
    std::size_t end = text.find('\n', begin);
    if (end == std::string::npos) end = text.size();
    const std::string line = text.substr(begin, end - begin);
    begin = end + 1;
    if (line.empty() || line.starts_with("LOCATION:")) continue;
    const std::size_t first = line.find_first_not_of(" \t");
    if (first == std::string::npos) continue;
    out += (out.empty() ? "" : "; ") + line.substr(first);
  }
  return out;
}

}  // namespace

struct Postgres::Impl {
  ConnectionPtr connection;
  std::string password;
  bool broken = false;

  // PQerrorMessage in one line, never with the password.
  std::string Message(std::string text) const {
    text = OneLine(text);
    if (!password.empty()) ReplaceAll(text, password, "<secret>");
    return text;
  }
  Status Wait(short events, const Deadline& deadline) const;
  Status SendAll(const Deadline& deadline) const;
  Result<ResultPtr> NextResult(const Deadline& deadline) const;
  void Cancel(const Deadline& grace);
  void Drain(const Deadline& deadline);
  Result<PostgresRows> Collect(const Deadline& deadline, std::size_t rows_max,
                               std::size_t bytes_max);
};

Status Postgres::Impl::Wait(short events, const Deadline& deadline) const {
  pollfd wait{PQsocket(connection.get()), events, 0};
  for (;;) {
    if (deadline.Passed()) return Fail(Cause::kTimeout, "no answer in time");
    const int ready = poll(&wait, 1, deadline.PollMillis());
    if (ready > 0) return {};
    if (ready < 0 && errno != EINTR) {
      return Fail(Cause::kUnavailable, "{}", std::generic_category().message(errno));
    }
  }
}

Status Postgres::Impl::SendAll(const Deadline& deadline) const {
  for (;;) {
    const int left = PQflush(connection.get());
    if (left == 0) return {};
    if (left < 0) {
      return Fail(Cause::kUnavailable, "{}", Message(PQerrorMessage(connection.get())));
    }
    if (Status waited = Wait(POLLIN | POLLOUT, deadline); !waited) return waited;
    PQconsumeInput(connection.get());
  }
}

// A null pointer after the last one.
Result<ResultPtr> Postgres::Impl::NextResult(const Deadline& deadline) const {
  while (PQisBusy(connection.get()) != 0) {
    if (Status waited = Wait(POLLIN, deadline); !waited) return tl::unexpected(waited.error());
    if (PQconsumeInput(connection.get()) == 0) {
      return Fail(Cause::kUnavailable, "{}", Message(PQerrorMessage(connection.get())));
    }
  }
  return ResultPtr(PQgetResult(connection.get()));
}

// PQcancel opens a connection of its own and blocks without a deadline, so a thread does it. It is
// waited for: a cancellation that arrives late would hit the next statement.
void Postgres::Impl::Cancel(const Deadline& grace) {
  const std::shared_ptr<PGcancel> cancel(PQgetCancel(connection.get()), CancelFree{});
  if (!cancel) return;
  auto done = std::make_shared<std::promise<void>>();
  std::future<void> ended = done->get_future();
  try {
    std::thread([cancel, done] {
      std::array<char, 256> reason{};
      PQcancel(cancel.get(), reason.data(), static_cast<int>(reason.size()));
      done->set_value();
    }).detach();
  } catch (const std::system_error&) {  // no thread to be had
    broken = true;
    return;
  }
  if (ended.wait_for(grace.Left()) != std::future_status::ready) broken = true;
}

// Reads what is left of an answer nobody wants; a connection that cannot do so is given up.
void Postgres::Impl::Drain(const Deadline& deadline) {
  for (;;) {
    const Result<ResultPtr> next = NextResult(deadline);
    if (!next) {
      broken = true;
      return;
    }
    if (!*next) return;
  }
}

Result<PostgresRows> Postgres::Impl::Collect(const Deadline& deadline, std::size_t rows_max,
                                             std::size_t bytes_max) {
  PostgresRows out;
  std::size_t bytes = 0;
  for (;;) {
    Result<ResultPtr> next = NextResult(deadline);
    if (!next) return tl::unexpected(next.error());
    if (!*next) return out;
    const PGresult* result = next->get();
    const ExecStatusType status = PQresultStatus(result);
    if (status == PGRES_COPY_IN || status == PGRES_COPY_OUT || status == PGRES_COPY_BOTH) {
      broken = true;
      return Fail(Cause::kInvalid, "COPY is not for here");
    }
    if (status != PGRES_TUPLES_OK && status != PGRES_SINGLE_TUPLE && status != PGRES_COMMAND_OK) {
      const char* state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
      const char* primary = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
      const std::string text = primary == nullptr ? PQresultErrorMessage(result) : primary;
      return Fail(state == nullptr ? Cause::kUnavailable : CauseOf(state), "{}", Message(text));
    }
    const int columns = PQnfields(result);
    if (out.columns.empty()) {
      for (int i = 0; i < columns; ++i) out.columns.emplace_back(PQfname(result, i));
    }
    for (int row = 0; row < PQntuples(result); ++row) {
      if (out.rows.size() >= rows_max) {
        return Fail(Cause::kLimit, "the answer has more than {} rows", rows_max);
      }
      auto& values = out.rows.emplace_back();
      for (int i = 0; i < columns; ++i) {
        if (PQgetisnull(result, row, i) != 0) {
          values.emplace_back(std::nullopt);
          continue;
        }
        const auto size = static_cast<std::size_t>(PQgetlength(result, row, i));
        bytes += size;
        values.emplace_back(std::string(PQgetvalue(result, row, i), size));
      }
      if (bytes > bytes_max) {
        return Fail(Cause::kLimit, "the answer has more than {} bytes", bytes_max);
      }
    }
  }
}

Postgres::Postgres(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Postgres::Postgres(Postgres&&) noexcept = default;
Postgres& Postgres::operator=(Postgres&&) noexcept = default;
Postgres::~Postgres() = default;

Result<std::map<std::string, std::string>> PostgresEnvironment(const Secret& dsn) {
  const Result<std::string> text = dsn.Reveal();
  if (!text) return While("reading the dsn", text.error());
  const std::unique_ptr<PQconninfoOption, OptionsFree> options(
      PQconninfoParse(text->c_str(), nullptr));
  if (!options) return tl::unexpected(ParseDsn(*text).error());
  std::map<std::string, std::string> environment;
  for (const PQconninfoOption* option = options.get(); option->keyword != nullptr; ++option) {
    if (option->val != nullptr && option->envvar != nullptr) {
      environment[option->envvar] = option->val;
    }
  }
  return environment;
}

Result<Postgres> Postgres::Connect(const Secret& dsn, Millis timeout) {
  constexpr std::string_view kIntention = "connecting to postgres";
  const Deadline deadline(timeout);
  const Result<std::string> text = dsn.Reveal();
  if (!text) return While(kIntention, text.error());
  Result<ParameterList> list = ParseDsn(*text);
  if (!list) return While(kIntention, list.error());
  if (Status resolved = ResolveBeforehand(*list, deadline); !resolved) {
    return While(kIntention, resolved.error());
  }
  SetDefault(*list, "application_name", "fettle");
  SetDefault(*list, "tcp_user_timeout", kTcpUserTimeoutMs);
  SetDefault(*list, "client_encoding", "UTF8");

  std::vector<const char*> keywords;
  std::vector<const char*> values;
  for (const Parameter& parameter : *list) {
    keywords.push_back(parameter.keyword.c_str());
    values.push_back(parameter.value.c_str());
  }
  keywords.push_back(nullptr);
  values.push_back(nullptr);

  auto impl = std::make_unique<Impl>();
  if (const std::string* password = Find(*list, "password")) impl->password = *password;
  impl->connection.reset(PQconnectStartParams(keywords.data(), values.data(), 0));
  PGconn* connection = impl->connection.get();
  if (connection == nullptr) return Fail("{}: out of memory", kIntention);
  PQsetErrorVerbosity(connection, PQERRORS_VERBOSE);
  PQsetNoticeProcessor(
      connection, [](void*, const char*) {}, nullptr);

  for (PostgresPollingStatusType want = PGRES_POLLING_WRITING; want != PGRES_POLLING_OK;) {
    if (want == PGRES_POLLING_FAILED || PQstatus(connection) == CONNECTION_BAD) {
      std::string message = PQerrorMessage(connection);
      const std::string state = TakeState(message);
      return Fail(state.empty() ? Cause::kUnavailable : CauseOf(state), "{}: {}", kIntention,
                  impl->Message(message));
    }
    const short events = want == PGRES_POLLING_READING ? POLLIN : POLLOUT;
    if (Status waited = impl->Wait(events, deadline); !waited) {
      return While(kIntention, waited.error());
    }
    want = PQconnectPoll(connection);
  }
  PQsetErrorVerbosity(connection, PQERRORS_DEFAULT);
  PQsetnonblocking(connection, 1);
  return Postgres(std::move(impl));
}

Result<PostgresRows> Postgres::Query(const std::string& sql,
                                     const std::vector<std::string>& parameters, Millis timeout,
                                     std::size_t rows_max, std::size_t bytes_max) {
  constexpr std::string_view kIntention = "querying postgres";
  PGconn* connection = impl_->connection.get();
  if (impl_->broken || PQstatus(connection) != CONNECTION_OK) {
    return Fail(Cause::kUnavailable, "{}: the connection is broken", kIntention);
  }
  const Deadline deadline(timeout);
  std::vector<const char*> values;
  for (const std::string& parameter : parameters) values.push_back(parameter.c_str());
  if (PQsendQueryParams(connection, sql.c_str(), static_cast<int>(values.size()), nullptr,
                        values.data(), nullptr, nullptr, 0) != 1) {
    return Fail(Cause::kUnavailable, "{}: {}", kIntention,
                impl_->Message(PQerrorMessage(connection)));
  }
  // Row by row, so that an answer beyond the limit is never held whole.
  PQsetSingleRowMode(connection);
  const Status sent = impl_->SendAll(deadline);
  Result<PostgresRows> rows = sent ? impl_->Collect(deadline, rows_max, bytes_max)
                                   : Result<PostgresRows>(tl::unexpected(sent.error()));
  if (rows) return rows;
  Error error = rows.error();
  const Deadline grace(kCancelGrace);
  if (error.cause == Cause::kTimeout || error.cause == Cause::kLimit) impl_->Cancel(grace);
  if (error.cause == Cause::kTimeout && deadline.Passed()) {
    error.message = fmt::format("no answer within {} ms; it was told to stop", timeout.count());
  }
  if (!impl_->broken) impl_->Drain(grace);
  return While(kIntention, error);
}

Result<bool> Postgres::WaitForNotice(int wake_fd, Millis timeout) {
  PGconn* connection = impl_->connection.get();
  const auto heard = [&] {
    bool others = false;
    while (const auto notice = std::unique_ptr<PGnotify, NotifyFree>(PQnotifies(connection))) {
      others = others || notice->be_pid != PQbackendPID(connection);
    }
    return others;
  };
  if (heard()) return true;
  const Deadline deadline(timeout);
  std::array<pollfd, 2> wait{pollfd{PQsocket(connection), POLLIN, 0}, pollfd{wake_fd, POLLIN, 0}};
  if (poll(wait.data(), wait.size(), deadline.PollMillis()) < 0 && errno != EINTR) {
    return Fail(Cause::kUnavailable, "{}", std::generic_category().message(errno));
  }
  if (PQconsumeInput(connection) == 0 || PQstatus(connection) != CONNECTION_OK) {
    return Fail(Cause::kUnavailable, "{}", impl_->Message(PQerrorMessage(connection)));
  }
  return heard();
}

int Postgres::ServerVersion() const { return PQserverVersion(impl_->connection.get()); }

}  // namespace fettle
