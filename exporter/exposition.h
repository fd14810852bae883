// Writes metric families as Prometheus' text format 0.0.4 and OpenMetrics 1.0, escaping included.
//
// Sources: prometheus.io/docs/instrumenting/exposition_formats,
// github.com/prometheus/OpenMetrics/blob/main/specification/OpenMetrics.md.
// Pure functions; free to use from any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/exemplar_board.h"
#include "common/sample.h"

namespace fettle::exporter {

enum class Format { kText, kOpenMetrics };

// What to answer an Accept header with: the higher q wins, the text format on a tie or if neither
// is asked for.
Format Negotiate(std::string_view accept);
std::string_view ContentType(Format format);

// HELP, TYPE and the points of one family. `parts` are pieces of the same family from different
// collectors (the first one's help and type count); they are written under one heading.
// Text that is not UTF-8 becomes U+FFFD; names are ours and valid. In OpenMetrics, buckets have the
// exemplars that are on the board.
void AppendFamily(std::string& out, const std::vector<const MetricFamily*>& parts, Format format,
                  const ExemplarBoard* exemplars = nullptr);

// What OpenMetrics wants at the end; nothing in the text format.
std::string_view Ending(Format format);

// 1, 0.25, 1e-09, +Inf, NaN: the shortest text that reads back the same.
void AppendNumber(std::string& out, double value);

}  // namespace fettle::exporter
