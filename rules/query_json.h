// Answers of queries as Prometheus' API writes them. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/json.h"
#include "common/labels.h"
#include "rules/promql/value.h"

namespace fettle::rules {

// {"resultType":…,"result":…}. At most `limit` series (0: all); whether some were left out.
struct WrittenValue {
  bool truncated = false;
};
WrittenValue WriteValue(const promql::Value& value, std::size_t limit, JsonWriter& json);

void WriteLabels(const Labels& labels, JsonWriter& json);

// "1.5", "1e-07", "NaN", "+Inf", as samples' values are written.
void AppendSampleValue(double value, std::string& out);
// 1435781451.781: seconds, with three decimals if there are any.
void AppendTimestamp(std::int64_t millis, std::string& out);

// Texts with their positions in the query, at most ten of a kind and how many more there are.
struct AnnotationTexts {
  std::vector<std::string> warnings;
  std::vector<std::string> infos;
};
AnnotationTexts ShowAnnotations(const promql::Annotations& annotations, std::string_view query);

}  // namespace fettle::rules
