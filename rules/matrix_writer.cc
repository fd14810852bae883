#include "rules/matrix_writer.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "common/check.h"
#include "common/json.h"
#include "common/number.h"
#include "rules/query_json.h"

namespace fettle::rules {
namespace {

constexpr std::string_view kBegin = R"({"resultType":"matrix","result":[)";
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

void MatrixWriter::WriteRow(const promql::Row& row) {
  JsonWriter json;
  json.BeginObject();
  for (const auto& [name, value] : *row.labels) {
    if (!row.Hides(name)) json.Field(name, value);
  }
  json.EndObject();
  out_ += series_ > 1 ? R"(,{"metric":)" : R"({"metric":)";
  out_ += json.Take();
}

void MatrixWriter::Take(const promql::Row& row, const promql::Grid& grid,
                        const std::vector<double>& cells, std::size_t) {
  if (limit_ > 0 && series_ == limit_) {
    truncated_ = true;
    return;
  }
  ++series_;
  if (stamps_.size() != grid.steps) MakeStamps(grid);
  WriteRow(row);
  out_ += R"(,"values":)";
  const std::size_t first = out_.size();
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
  out_[first] = '[';  // where the first point's comma was
  out_ += "]}";
  if (series_ == 1) {
    // The others are about as long.
    const std::size_t all = out_.size() * std::min(expected_, kReservedBytesMax / out_.size());
    out_.reserve(all + all / 16);
  }
}

std::string MatrixWriter::Finish() {
  out_ += "]}";
  return std::move(out_);
}

}  // namespace fettle::rules
