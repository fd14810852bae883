#include "exporter/collectors/postgres.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "exporter/collectors/postgres_queries.h"

namespace fettle::exporter {
namespace {

class Session final : public SqlSession {
 public:
  explicit Session(Postgres connection) : connection_(std::move(connection)) {}
  Result<PostgresRows> Query(const std::string& sql, Millis timeout) override {
    return connection_.Query(sql, {}, timeout, PostgresCollector::kRowsMax);
  }

 private:
  Postgres connection_;
};

MetricFamily UpFamily(const std::string& target, bool up) {
  return {"fettle_pg_up",
          "1 if PostgreSQL answers.",
          MetricType::kGauge,
          {{"", {{"target", target}}, up ? 1.0 : 0.0}}};
}

}  // namespace

SqlConnector ConnectTo(PostgresConnection connection) {
  return
      [connection = std::move(connection)](Millis timeout) -> Result<std::unique_ptr<SqlSession>> {
        Result<Postgres> connected = Postgres::Connect(connection.dsn, timeout);
        if (!connected) return tl::unexpected(connected.error());
        return std::unique_ptr<SqlSession>(std::make_unique<Session>(*std::move(connected)));
      };
}

PostgresCollector::PostgresCollector(Deps deps, PostgresCollectorConfig config)
    : deps_(std::move(deps)), config_(std::move(config)), questions_(QuestionsOf(config_)) {}
PostgresCollector::~PostgresCollector() = default;

std::vector<MetricFamily> PostgresCollector::WhenDown() const {
  return {UpFamily(config_.target, false)};
}

Status PostgresCollector::Connected(Millis timeout) {
  if (session_ != nullptr && session_->Query("select 1", timeout)) return {};
  Result<std::unique_ptr<SqlSession>> fresh = deps_.connect(timeout);
  session_ = fresh ? *std::move(fresh) : nullptr;
  return fresh ? Status{} : tl::unexpected(fresh.error());
}

Millis PostgresCollector::Left(const CollectContext& context, Millis most) const {
  const auto left = std::chrono::floor<Millis>(context.deadline - deps_.clock.Now().boot);
  return std::clamp(left, Millis(0), most);
}

Result<std::vector<MetricFamily>> PostgresCollector::Collect(const CollectContext& context) {
  constexpr Millis kConnectMax{5'000};
  if (Status connected = Connected(Left(context, kConnectMax)); !connected) {
    return tl::unexpected(connected.error());
  }
  std::vector<MetricFamily> all{UpFamily(config_.target, true)};
  for (const Question& question : questions_) {
    Result<std::vector<MetricFamily>> families = Ask(question, context);
    if (families) {
      failing_.erase(question.name);
      std::move(families->begin(), families->end(), std::back_inserter(all));
      continue;
    }
    deps_.metrics
        .Counter("fettle_pg_query_failures_total",
                 "Queries to PostgreSQL that failed; their series are absent.",
                 {{"target", config_.target}, {"query", question.name}})
        .Increment();
    if (failing_.insert(question.name).second) {
      deps_.log.Warn("a query failed; its series are absent until it succeeds",
                     {{"target", config_.target},
                      {"query", question.name},
                      {"err", families.error().message}});
    }
    if (families.error().retryable()) {
      // Not the query's fault: whether the server is still there is asked now, not next turn.
      if (Status again = Connected(Left(context, kConnectMax)); !again) {
        return tl::unexpected(again.error());
      }
    }
  }
  return all;
}

Result<PostgresRows> PostgresCollector::ReadOnly(const std::string& sql, Millis timeout) {
  constexpr Millis kFrameMax{2'000};
  if (const auto begun = session_->Query("begin read only", kFrameMax); !begun) return begun;
  Result<PostgresRows> rows = session_->Query(sql, timeout);
  if (const auto ended = session_->Query("rollback", kFrameMax); !ended && rows) return ended;
  return rows;
}

Result<std::vector<MetricFamily>> PostgresCollector::Ask(const Question& question,
                                                         const CollectContext& context) {
  const Millis timeout = Left(context, question.timeout);
  if (timeout == Millis(0)) return Fail(Cause::kTimeout, "the turn's time is over");
  const Result<PostgresRows> rows = ReadOnly(question.sql, timeout);
  if (!rows) return tl::unexpected(rows.error());
  return PointsOf(question, *rows, config_.target);
}

}  // namespace fettle::exporter
