// The statements of the PostgreSQL collector, and how rows become points. Values and pure
// functions.
#pragma once

#include <string>
#include <vector>

#include "exporter/collectors/postgres.h"

namespace fettle::exporter {

// A statement, and the families that its columns are the values of.
struct PostgresCollector::Question {
  struct Value {
    std::string column;   // "" is the only one that is no label
    MetricFamily family;  // without points
  };
  std::string name;  // in logs and fettle_pg_query_failures_total
  std::string sql;
  std::vector<std::string> labels;  // columns
  std::vector<Value> values;
  Millis timeout{5'000};
};

// The built-in ones that the configuration asks for, then its own.
std::vector<PostgresCollector::Question> QuestionsOf(const PostgresCollectorConfig& config);

// NULL is unknown, so absent. A value that is no number, a column that is not there, and two rows
// with the same labels are errors.
Result<std::vector<MetricFamily>> PointsOf(const PostgresCollector::Question& question,
                                           const PostgresRows& rows, const std::string& target);

}  // namespace fettle::exporter
