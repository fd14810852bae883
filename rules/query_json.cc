#include "rules/query_json.h"

#include <fmt/format.h>

#include <algorithm>

#include "common/number.h"
#include "rules/histogram_json.h"

namespace fettle::rules {
namespace {

constexpr std::size_t kAnnotationsShownMax = 10;

// [1435781451.781,"1"]: numbers need no escaping, so whole series are written as text.
void AppendPoint(std::int64_t at, double value, std::string& out) {
  out += '[';
  AppendTimestamp(at, out);
  out += ",\"";
  AppendSampleValue(value, out);
  out += "\"]";
}

void WriteSeries(const promql::Series& series, JsonWriter& json) {
  std::string points = "[";
  points.reserve(series.points.size() * 24);
  for (const promql::Point& point : series.points) {
    if (points.size() > 1) points += ',';
    AppendPoint(point.at, point.value, points);
  }
  points += ']';
  std::string histograms = "[";
  for (const promql::HistogramPoint& point : series.histograms) {
    if (histograms.size() > 1) histograms += ',';
    AppendHistogramPoint(point.at, *point.histogram, histograms);
  }
  histograms += ']';
  json.BeginObject().Key("metric");
  WriteLabels(*series.labels, json);
  if (!series.points.empty()) json.Key("values").Raw(points);
  if (!series.histograms.empty()) json.Key("histograms").Raw(histograms);
  json.EndObject();
}

// All elements have one time: `stamp` is [1435781451.781,"
void WriteElement(const promql::Element& element, Time at, std::string_view stamp,
                  JsonWriter& json) {
  std::string point;
  json.BeginObject().Key("metric");
  WriteLabels(*element.labels, json);
  if (element.histogram != nullptr) {
    AppendHistogramPoint(ToMillis(at), *element.histogram, point);
    json.Key("histogram").Raw(point).EndObject();
    return;
  }
  point += stamp;
  AppendSampleValue(element.value, point);
  point += "\"]";
  json.Key("value").Raw(point).EndObject();
}

}  // namespace

void AppendSampleValue(double value, std::string& out) {
  char text[kSampleTextMax];
  out.append(text, PrintSample(value, text));
}

void AppendTimestamp(std::int64_t millis, std::string& out) {
  if (millis < 0) {
    out += '-';
    millis = -millis;
  }
  fmt::format_to(std::back_inserter(out), FMT_STRING("{}"), millis / 1000);
  if (millis % 1000 != 0) {
    fmt::format_to(std::back_inserter(out), FMT_STRING(".{:03}"), millis % 1000);
  }
}

void WriteLabels(const Labels& labels, JsonWriter& json) {
  json.BeginObject();
  for (const auto& [name, value] : labels) json.Field(name, value);
  json.EndObject();
}

WrittenValue WriteValue(const promql::Value& value, std::size_t limit, JsonWriter& json) {
  WrittenValue written;
  const auto count = [&](std::size_t size) {
    written.truncated = limit > 0 && size > limit;
    return written.truncated ? limit : size;
  };
  json.BeginObject();
  switch (value.type) {
    case promql::ValueType::kScalar: {
      std::string point;
      AppendPoint(ToMillis(value.at), value.scalar, point);
      json.Field("resultType", "scalar").Key("result").Raw(point);
      break;
    }
    case promql::ValueType::kString: {
      std::string at;
      AppendTimestamp(ToMillis(value.at), at);
      json.Field("resultType", "string").Key("result").BeginArray();
      json.Raw(at).String(value.string).EndArray();
      break;
    }
    case promql::ValueType::kMatrix: {
      json.Field("resultType", "matrix").Key("result").BeginArray();
      const std::size_t shown = count(value.matrix.size());
      for (std::size_t i = 0; i < shown; ++i) WriteSeries(value.matrix[i], json);
      json.EndArray();
      break;
    }
    default: {
      json.Field("resultType", "vector").Key("result").BeginArray();
      const std::size_t shown = count(value.vector.size());
      std::string stamp = "[";
      AppendTimestamp(ToMillis(value.at), stamp);
      stamp += ",\"";
      for (std::size_t i = 0; i < shown; ++i) WriteElement(value.vector[i], value.at, stamp, json);
      json.EndArray();
    }
  }
  json.EndObject();
  return written;
}

AnnotationTexts ShowAnnotations(const promql::Annotations& annotations, std::string_view query) {
  AnnotationTexts texts;
  std::size_t more_warnings = 0;
  std::size_t more_infos = 0;
  for (const promql::Annotation& annotation : annotations) {
    const bool warning = annotation.kind == promql::Annotation::Kind::kWarning;
    std::vector<std::string>& list = warning ? texts.warnings : texts.infos;
    if (list.size() == kAnnotationsShownMax) {
      ++(warning ? more_warnings : more_infos);
      continue;
    }
    list.push_back(fmt::format("{} ({})", annotation.text,
                               promql::LineAndColumn(query, annotation.where.start)));
  }
  if (more_warnings > 0) {
    texts.warnings.push_back(fmt::format("{} more warning annotations omitted", more_warnings));
  }
  if (more_infos > 0) {
    texts.infos.push_back(fmt::format("{} more info annotations omitted", more_infos));
  }
  return texts;
}

}  // namespace fettle::rules
