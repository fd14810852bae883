// Writes the answer of a range query as it is computed, series by series: nothing is held but the
// text. One query each; one thread, and another for Later().
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "common/labels.h"
#include "rules/promql/engine.h"
#include "rules/promql/row.h"

namespace fettle::rules {

class MatrixWriter final : public promql::RowSink {
 public:
  // `prefix` comes before {"resultType":"matrix",…}. At most `limit` series (0: all).
  MatrixWriter(std::string prefix, std::size_t limit);
  void Expect(std::size_t rows) override { expected_ = rows; }
  void Take(const promql::Row& row, const promql::Grid& grid, const std::vector<double>& cells,
            std::size_t present, std::span<const HistogramPtr> histograms) override;
  // Then Finish() puts the points of both together.
  promql::RowSink* Later() override;

  // The whole text; once.
  std::string Finish();
  // Whether series were left out. After Finish().
  bool truncated() const { return truncated_; }

 private:
  // What stands before a value, alike in all series: ,[1435781451.781,"
  struct Stamp {
    static constexpr std::size_t kBytes = 32;
    char text[kBytes];
    std::size_t size;
  };
  // Points of one series within `out_`, where there are two halves to put together.
  struct Piece {
    promql::Row row;
    std::size_t begin = 0;
    std::size_t end = 0;
    bool mixed = false;  // with histograms, and complete: such rows come whole
  };
  void MakeStamps(const promql::Grid& grid);
  void BeginSeries(const promql::Row& row, std::string& out);
  void WritePoints(const promql::Grid& grid, const std::vector<double>& cells);
  void WriteMixed(const promql::Grid& grid, const std::vector<double>& cells,
                  std::span<const HistogramPtr> histograms);
  std::string Join();

  const std::size_t limit_;
  std::size_t expected_ = 0;
  std::size_t series_ = 0;
  bool truncated_ = false;
  std::vector<Stamp> stamps_;
  std::string out_;
  std::string prefix_;  // of the whole, where `out_` is pieces
  bool in_pieces_ = false;
  std::vector<Piece> pieces_;
  std::unique_ptr<MatrixWriter> later_;
};

}  // namespace fettle::rules
