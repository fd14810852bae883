// Reads a metrics page as others expose it: the text format 0.0.4 and OpenMetrics 1.0, one entry at
// a time, without a copy. Accepts and refuses what Prometheus 3.5 does.
//
// Sources: prometheus.io/docs/instrumenting/exposition_formats,
// github.com/prometheus/OpenMetrics/blob/main/specification/OpenMetrics.md.
// Any bytes may be given. Not safe from several threads; views into the page.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/labels.h"
#include "common/result.h"
#include "common/sample.h"

namespace fettle::exporter {

enum class PageFormat { kText, kOpenMetrics };

class PageParser {
 public:
  // Refused beyond these, with the whole page: one line is no place for a book.
  static constexpr std::size_t kLabelsMax = 1'000;

  enum class What { kEnd, kSeries, kType, kHelp, kUnit, kComment };

  PageParser(std::string_view page, PageFormat format) : rest_(page), format_(format) {}

  // The next entry, or why the page is none: "line 3: …". After an error there is no further one.
  Result<What> Next();

  // Of kSeries. The text of name and labels, as it stands there: the same text, the same series.
  std::string_view series() const { return series_; }
  double value() const { return value_; }
  std::optional<std::int64_t> time_ms() const { return time_ms_; }
  // name="value" pairs in order of names, empty values included; __name__ is one of them. le and
  // quantile are written as OpenMetrics would ("1.0"). kInvalid for a name given twice, no name, or
  // text that is not UTF-8.
  Result<std::vector<Labels::Pair>> ReadLabels() const;
  struct Exemplar {
    std::string_view labels;  // "{trace_id=\"a\"}"
    double value = 0;
    std::optional<std::int64_t> time_ms{};
  };
  const std::optional<Exemplar>& exemplar() const { return exemplar_; }
  static Result<Labels> ReadExemplarLabels(std::string_view text);

  // Of kType, kHelp and kUnit.
  std::string_view name() const { return name_; }
  std::string_view text() const { return text_; }  // of help as written, escapes included
  MetricType type() const { return type_; }        // the newest; what series() belongs to

 private:
  Result<What> ReadLine(std::string_view line);
  Result<What> ReadMeta(std::string_view line);
  Result<What> ReadComment(std::string_view line);
  Status ReadSeries(std::string_view line);
  Status ReadExemplar(std::string_view text);
  Status ReadType(std::string_view word);
  tl::unexpected<Error> Wrong(std::string_view what) const;

  std::string_view rest_;
  const PageFormat format_;
  std::size_t line_ = 0;
  bool ended_ = false;
  std::string_view series_;
  double value_ = 0;
  std::optional<std::int64_t> time_ms_;
  std::optional<Exemplar> exemplar_;
  std::string_view name_;
  std::string_view text_;
  MetricType type_ = MetricType::kUnknown;
};

// Which format an answer's Content-Type says; `fallback` where it says nothing that is known. An
// error without one: guessing has cost people their data.
Result<PageFormat> FormatOf(std::string_view content_type, std::optional<PageFormat> fallback);

// The text of a HELP line with its escapes taken off.
std::string Unescaped(std::string_view help, PageFormat format);

}  // namespace fettle::exporter
