// What a query answers with. Values.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/clock.h"
#include "common/histogram.h"
#include "common/labels.h"

namespace fettle::promql {

enum class ValueType { kNone, kScalar, kString, kVector, kMatrix };
// "scalar", "string", "instant vector", "range vector", "none", as messages name them.
std::string_view ToString(ValueType type);

using LabelsPtr = std::shared_ptr<const Labels>;

// One series at one moment. `histogram` set: the sample is a histogram and `value` means nothing.
struct Element {
  LabelsPtr labels{};
  double value = 0;
  HistogramPtr histogram{};
};
using Vector = std::vector<Element>;

struct Point {
  std::int64_t at = 0;  // milliseconds since the epoch
  double value = 0;
};
struct HistogramPoint {
  std::int64_t at = 0;
  HistogramPtr histogram{};
};
struct Series {
  LabelsPtr labels{};
  std::vector<Point> points{};
  std::vector<HistogramPoint> histograms{};
};
using Matrix = std::vector<Series>;

// `type` says which of the fields holds the answer.
struct Value {
  ValueType type = ValueType::kNone;
  Time at{};  // of a scalar, string or vector
  double scalar = 0;
  std::string string{};
  Vector vector{};
  Matrix matrix{};
};

// Byte offsets into the query's text, [start, end).
struct Span {
  std::size_t start = 0;
  std::size_t end = 0;
};
// "line:column" of an offset, both from 1.
std::string LineAndColumn(std::string_view text, std::size_t offset);

// What the asker should know about an answer that nevertheless stands.
struct Annotation {
  enum class Kind { kWarning, kInfo };
  Kind kind = Kind::kWarning;
  std::string text;  // "PromQL warning: …", without position
  Span where;
};
using Annotations = std::vector<Annotation>;

struct Answer {
  Value value;
  Annotations annotations;  // each text once
  std::size_t samples = 0;  // read from the store
  std::size_t samples_peak = 0;
};

}  // namespace fettle::promql
