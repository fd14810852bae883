#include "rules/samples/selection.h"

#include <algorithm>
#include <span>
#include <utility>

#include "rules/samples/histogram_cell.h"

namespace fettle::rules {

void Selection::Read(std::size_t series, std::int64_t from_exclusive, std::int64_t to,
                     SampleColumns& into) const {
  const Entry& entry = series_[series];
  if (entry.runs) return ReadRuns(series, from_exclusive, to, into);
  into.histograms.clear();
  into.starts.clear();
  const std::span chunks = std::span(chunks_).subspan(entry.first_chunk, entry.chunks);
  std::size_t room = 0;
  for (const ChunkRef& ref : chunks) room += ref.samples;
  into.times.resize(room);
  into.values.resize(room);
  std::size_t size = 0;
  for (std::size_t i = 0; i < chunks.size(); ++i) {
    if (chunks[i].chunk->first_time() > to) break;
    // Not worth decoding if the next chunk begins before the time wanted.
    if (i + 1 < chunks.size() && chunks[i + 1].chunk->first_time() <= from_exclusive) continue;
    size += chunks[i].chunk->Read(chunks[i].samples, from_exclusive, to, into.times.data() + size,
                                  into.values.data() + size);
  }
  into.times.resize(size);
  into.values.resize(size);
}

void Selection::ReadRuns(std::size_t series, std::int64_t from_exclusive, std::int64_t to,
                         SampleColumns& into) const {
  const Entry& entry = series_[series];
  into.Clear();
  std::vector<std::int64_t> times(Chunk::kSamplesMax);
  std::vector<double> values(Chunk::kSamplesMax);
  std::vector<SampleRun::Entry> unpacked;
  bool started = false;
  for (const ChunkRef& ref : std::span(chunks_).subspan(entry.first_chunk, entry.chunks)) {
    if (ref.first_time() > to) break;
    if (!ref.run) {
      const std::size_t read =
          ref.chunk->Read(ref.samples, from_exclusive, to, times.data(), values.data());
      into.times.insert(into.times.end(), times.begin(), times.begin() + static_cast<int>(read));
      into.values.insert(into.values.end(), values.begin(),
                         values.begin() + static_cast<int>(read));
      into.starts.resize(into.times.size(), 0);
      continue;
    }
    for (const SampleRun::Entry& sample : ref.run->Read(ref.samples, unpacked)) {
      if (sample.time <= from_exclusive || sample.time > to) continue;
      into.times.push_back(sample.time);
      into.starts.push_back(sample.start);
      started = started || sample.start != 0;
      if (sample.histogram == nullptr) {
        into.values.push_back(sample.value);
      } else {
        into.values.push_back(HistogramCell(into.histograms.size()));
        into.histograms.push_back(sample.histogram);
      }
    }
  }
  if (!started) into.starts.clear();
}

std::optional<Sample> Selection::Last(std::size_t series) const {
  SampleColumns samples;
  Read(series, from_exclusive_, to_, samples);
  if (samples.times.empty()) return std::nullopt;
  const double value = samples.values.back();
  const HistogramPtr histogram =
      IsHistogramCell(value) ? samples.histograms[HistogramPlace(value)] : nullptr;
  return Sample{*labels(series), value, TimeFromMillis(samples.times.back()), histogram};
}

}  // namespace fettle::rules
