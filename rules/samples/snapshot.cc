#include "rules/samples/snapshot.h"

#include <string>
#include <unordered_map>
#include <vector>

#include "rules/samples/log_format.h"

namespace fettle::rules {
namespace {

constexpr SeriesId kSeriesPerFrame = 256;

// One frame: some series, with names of their own for their texts.
class Frame {
 public:
  Frame(const Head& head, std::string& out) : head_(head), writer_(out) { writer_.Begin(); }

  void Add(const Series& series) {
    pairs_.clear();
    for (const SymbolPair& pair : series.labels()) {
      pairs_.push_back(NameOf(pair.name));
      pairs_.push_back(NameOf(pair.value));
    }
    writer_.Series(pairs_);
    std::size_t run = 0;
    for (const Series::Sealed& sealed : series.sealed) {
      AddRuns(series, sealed.chunk->first_time(), run);
      AddChunk(*sealed.chunk, sealed.samples, sealed.chunk->capacity());
    }
    if (series.open) {
      AddRuns(series, series.open->first_time(), run);
      AddChunk(*series.open, series.writer.samples, series.writer.bytes);
    }
    AddRuns(series, std::numeric_limits<std::int64_t>::max(), run);
    ++series_;
  }
  std::uint32_t size() const { return series_; }
  FrameWriter& writer() { return writer_; }

 private:
  std::uint32_t NameOf(SymbolId symbol) {
    const auto [at, fresh] = names_.try_emplace(symbol, static_cast<std::uint32_t>(names_.size()));
    if (fresh) writer_.Symbol(head_.symbols().text(symbol));
    return at->second;
  }
  void AddChunk(const Chunk& chunk, std::uint32_t samples, std::uint32_t used) {
    const std::span<const std::uint8_t> bytes = chunk.Bytes(used);
    writer_.Chunk(series_, chunk.first_time(), samples,
                  {reinterpret_cast<const char*>(bytes.data()), bytes.size()}, chunk.packed());
  }
  // Those that begin before.
  void AddRuns(const Series& series, std::int64_t before, std::size_t& next) {
    if (series.rich == nullptr) return;
    const std::vector<Series::Run>& runs = series.rich->runs;
    for (; next < runs.size() && runs[next].first_time() < before; ++next) {
      std::vector<SampleRun::Entry> unpacked;
      for (const auto& sample : runs[next].run->Read(runs[next].samples, unpacked)) {
        writer_.Rich(series_, sample.time, sample.start, sample.value, sample.histogram.get());
      }
    }
  }

  const Head& head_;
  FrameWriter writer_;
  std::unordered_map<SymbolId, std::uint32_t> names_;
  std::vector<std::uint32_t> pairs_;
  std::uint32_t series_ = 0;
};

void AddShelves(const Shelves& shelves, std::string& out) {
  FrameWriter writer(out);
  writer.Begin();
  shelves.exemplars.ForEach(
      [&](const Labels& series, const Exemplar& exemplar) { writer.Remark(series, exemplar); });
  for (const MetricMetadata& metadata : shelves.metadata.All()) writer.Remark(metadata);
  writer.empty() ? writer.Drop() : writer.End();
}

Status WriteAll(LogFiles::File& file, std::uint32_t number, const Head& head,
                const Shelves& shelves, std::shared_mutex& mutex,
                const std::function<void()>& between, std::uint64_t& bytes) {
  std::string out = LogHead(LogKind::kSnapshot, number);
  AddShelves(shelves, out);
  std::uint64_t series = 0;
  for (SeriesId next = 0;; next += kSeriesPerFrame) {
    bool last = false;
    {
      const std::shared_lock lock(mutex);
      last = next >= head.end();
      Frame frame(head, out);
      for (SeriesId id = next; id < head.end() && id < next + kSeriesPerFrame; ++id) {
        if (head.Exists(id) && !head.at(id).empty()) frame.Add(head.at(id));
      }
      series += frame.size();
      if (last) frame.writer().End(series);
      if (frame.writer().empty()) {
        frame.writer().Drop();
      } else {
        frame.writer().End();
      }
    }
    if (Status wrote = file.Append(out); !wrote) return wrote;
    bytes += out.size();
    out.clear();
    if (last) return file.Sync();
    between();
  }
}

}  // namespace

Result<std::uint64_t> WriteSnapshot(LogFiles& files, std::uint32_t number, const Head& head,
                                    const Shelves& shelves, std::shared_mutex& mutex,
                                    const std::function<void()>& between) {
  const std::string name = LogName(LogKind::kSnapshot, number);
  const std::string temporary = name + ".tmp";
  std::uint64_t bytes = 0;
  auto file = files.Create(temporary);
  Status written = file ? WriteAll(**file, number, head, shelves, mutex, between, bytes)
                        : Status(tl::unexpected(file.error()));
  if (written) written = files.Rename(temporary, name);
  if (written) return bytes;
  if (file) file->reset();
  (void)files.Remove(temporary);
  return tl::unexpected(written.error());
}

}  // namespace fettle::rules
