#include "rules/matrix_writer.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "common/check.h"
#include "common/json.h"
#include "common/number.h"
#include "rules/histogram_json.h"
#include "rules/query_json.h"

namespace fettle::rules {
namespace {

constexpr std::string_view kBegin = R"({"resultType":"matrix","result":[)";
constexpr std::string_view kValues = R"(,"values":)";
// Points are written to a block on the stack, and the block to the text.
constexpr std::size_t kPointsPerBlock = 128;
constexpr std::size_t kPointBytesMax = 32 + kSampleTextMax + 2;
// As much is asked for at once; what more there is grows as it comes.
constexpr std::size_t kReservedBytesMax = 256 * 1024 * 1024;

}  // namespace

MatrixWriter::MatrixWriter(std::string prefix, std::size_t limit)
    : limit_(limit), out_(std::move(prefix)) {
  out_ += kBegin;
}

void MatrixWriter::MakeStamps(const promql::Grid& grid) {
  stamps_.resize(grid.steps);
  for (std::size_t step = 0; step < grid.steps; ++step) {
    std::string text = ",[";
    AppendTimestamp(grid.At(step), text);
    text += ",\"";
    FETTLE_CHECK(text.size() <= Stamp::kBytes);
    std::memcpy(stamps_[step].text, text.data(), text.size());
    stamps_[step].size = text.size();
  }
}

void MatrixWriter::BeginSeries(const promql::Row& row, std::string& out) {
  JsonWriter json;
  json.BeginObject();
  for (const auto& [name, value] : *row.labels) {
    if (!row.Hides(name)) json.Field(name, value);
  }
  json.EndObject();
  out += out.back() == '[' ? R"({"metric":)" : R"(,{"metric":)";
  out += json.Take();
}

// Numbers, then histograms, each where there are any.
void MatrixWriter::WriteMixed(const promql::Grid& grid, const std::vector<double>& cells,
                              std::span<const HistogramPtr> histograms) {
  std::vector<double> numbers = cells;
  std::string points;
  bool any = false;
  for (std::size_t step = 0; step < grid.steps; ++step) {
    if (promql::IsHistogramCell(cells[step])) {
      points += points.empty() ? '[' : ',';
      AppendHistogramPoint(grid.At(step), *histograms[HistogramPlace(cells[step])], points);
      numbers[step] = promql::Absent();
    }
    any = any || !promql::IsAbsent(numbers[step]);
  }
  if (any) {
    out_ += kValues;
    const std::size_t begin = out_.size();
    WritePoints(grid, numbers);
    out_[begin] = '[';  // where the first point's comma was
    out_ += ']';
  }
  if (!points.empty()) out_ += R"(,"histograms":)" + points + ']';
}

void MatrixWriter::WritePoints(const promql::Grid& grid, const std::vector<double>& cells) {
  std::array<char, kPointsPerBlock * kPointBytesMax> block;
  for (std::size_t step = 0; step < grid.steps;) {
    const std::size_t until = std::min(step + kPointsPerBlock, grid.steps);
    char* to = block.data();
    for (; step < until; ++step) {
      if (promql::IsAbsent(cells[step])) continue;
      const Stamp& stamp = stamps_[step];
      std::memcpy(to, stamp.text, Stamp::kBytes);  // a constant size is one or two moves
      to = PrintSample(cells[step], to + stamp.size);
      *to++ = '"';
      *to++ = ']';
    }
    out_.append(block.data(), to);
  }
}

void MatrixWriter::Take(const promql::Row& row, const promql::Grid& grid,
                        const std::vector<double>& cells, std::size_t,
                        std::span<const HistogramPtr> histograms) {
  if (limit_ > 0 && series_ == limit_) {
    truncated_ = true;
    return;
  }
  ++series_;
  if (stamps_.size() != grid.steps) MakeStamps(grid);
  if (!in_pieces_) BeginSeries(row, out_);
  if (!in_pieces_ && !row.histograms) out_ += kValues;
  const std::size_t begin = out_.size();
  if (row.histograms) {
    WriteMixed(grid, cells, histograms);
  } else {
    WritePoints(grid, cells);
  }
  if (in_pieces_) {
    pieces_.push_back({row, begin, out_.size(), row.histograms});
  } else if (row.histograms) {
    out_ += '}';
  } else {
    out_[begin] = '[';
    out_ += "]}";
  }
  if (series_ == 1) {
    // The others are about as long.
    const std::size_t all = out_.size() * std::min(expected_, kReservedBytesMax / out_.size());
    out_.reserve(all + all / 16);
  }
}

promql::RowSink* MatrixWriter::Later() {
  later_ = std::make_unique<MatrixWriter>("", limit_);
  prefix_ = std::move(out_);
  out_.clear();
  later_->out_.clear();
  in_pieces_ = later_->in_pieces_ = true;
  return later_.get();
}

// Both halves are sorted by labels; a series may be in one alone.
std::string MatrixWriter::Join() {
  std::string out = std::move(prefix_);
  constexpr std::size_t kLabelBytes = 256;  // a guess
  const std::size_t series = std::max(pieces_.size(), later_->pieces_.size());
  out.reserve(out.size() + out_.size() + later_->out_.size() + series * kLabelBytes);
  auto early = pieces_.begin();
  auto late = later_->pieces_.begin();
  std::size_t written = 0;
  while (early != pieces_.end() || late != later_->pieces_.end()) {
    if (limit_ > 0 && written++ == limit_) {
      truncated_ = true;
      break;
    }
    const bool take_late = early == pieces_.end() ||
                           (late != later_->pieces_.end() && !FinallyBefore(early->row, late->row));
    const bool take_early = early != pieces_.end() && (late == later_->pieces_.end() ||
                                                       !FinallyBefore(late->row, early->row));
    BeginSeries(take_early ? early->row : late->row, out);
    if (take_early && early->mixed) {
      out.append(out_, early->begin, early->end - early->begin);
      out += '}';
    } else {
      out += kValues;
      const std::size_t begin = out.size();
      if (take_early) out.append(out_, early->begin, early->end - early->begin);
      if (take_late) out.append(later_->out_, late->begin, late->end - late->begin);
      out[begin] = '[';
      out += "]}";
    }
    early += take_early ? 1 : 0;
    late += take_late ? 1 : 0;
  }
  truncated_ = truncated_ || later_->truncated_;
  return out;
}

std::string MatrixWriter::Finish() {
  std::string out = later_ ? Join() : std::move(out_);
  out += "]}";
  return out;
}

}  // namespace fettle::rules
