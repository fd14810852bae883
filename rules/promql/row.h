// How values travel inside the engine: a vector over all steps of a query is a list of rows, one a
// series, and a row is a column of numbers, one a step.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/labels.h"
#include "common/sample.h"
#include "rules/promql/value.h"
#include "rules/samples/histogram_cell.h"

namespace fettle::promql {

// The moments a (sub)query is evaluated at: start, start + step, …; `steps` of them.
struct Grid {
  std::int64_t start = 0;  // milliseconds since the epoch
  std::int64_t step = 1;
  std::size_t steps = 1;
  std::int64_t At(std::size_t i) const { return start + static_cast<std::int64_t>(i) * step; }
  std::int64_t last() const { return At(steps - 1); }
  Grid Single() const { return {start, step, 1}; }
};

// "No value at this step" is the stale marker: as a signalling NaN it is never the outcome of any
// arithmetic, so a row of plain doubles needs no second array.
inline double Absent() { return StaleNaN(); }
inline bool IsAbsent(double cell) { return IsStaleNaN(cell); }

using Cells = std::vector<double>;

using rules::HistogramCell;
using rules::IsHistogramCell;

// __name__, __type__, __unit__: what goes when a value is no longer that metric.
bool IsMetricMetadata(std::string_view label);

// The labels of one row. Removing the metric's name is noted, not done: most rows end in an
// aggregation that never looks.
struct Row {
  LabelsPtr labels;
  bool nameless = false;   // as if the metadata labels were not there
  bool drop_name = false;  // delayed name removal: the name goes at the very end
  // Some of its cells may be histograms (HistogramCell, see Evaluation). Where no row says so,
  // every present cell is a number.
  bool histograms = false;

  std::string_view Get(std::string_view label) const;
  // As the world sees them: without metadata if nameless.
  LabelsPtr Seen() const;
  // As they are answered: also without metadata if drop_name.
  LabelsPtr Final() const;
  // Whether the answer lacks this label of `labels`.
  bool Hides(std::string_view label) const {
    return (nameless || drop_name) && IsMetricMetadata(label);
  }
};
// Final() compared without making it.
bool FinallyBefore(const Row& a, const Row& b);

// A 128-bit hash of labels, as good as the labels themselves for telling rows apart.
struct LabelsKey {
  std::uint64_t low = 0;
  std::uint64_t high = 0;
  bool operator==(const LabelsKey&) const = default;
};
struct LabelsKeyHash {
  std::size_t operator()(const LabelsKey& key) const { return static_cast<std::size_t>(key.low); }
};

// Makes keys and labels of rows; keeps a buffer, so one a thread.
class LabelsKeyer {
 public:
  LabelsKey All(const Row& row);
  // Of the named labels (sorted) alone, or of all others but __name__.
  LabelsKey Only(const Row& row, const std::vector<std::string>& names);
  LabelsKey Without(const Row& row, const std::vector<std::string>& names);

 private:
  void Add(std::string_view name, std::string_view value);
  LabelsKey Hash() const;
  std::string buffer_;
};

bool AnyHistograms(const std::vector<Row>& rows);

// The same selections as labels. `names` sorted.
Labels KeepLabels(const Row& row, const std::vector<std::string>& names);
Labels DropLabels(const Row& row, const std::vector<std::string>& names);

}  // namespace fettle::promql
