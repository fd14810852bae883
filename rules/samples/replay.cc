#include "rules/samples/replay.h"

#include <algorithm>
#include <cstdlib>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "rules/samples/log_format.h"

namespace fettle::rules {
namespace {

constexpr std::size_t kLabelsMax = 10'000;
// What the store takes; nothing else was ever written.
constexpr std::int64_t kTimeMax = std::numeric_limits<std::int64_t>::max() / 4;

// One file's entries, played to a head.
class Player {
 public:
  Player(Head& head, Shelves& shelves, std::int64_t oldest)
      : head_(head), shelves_(shelves), oldest_(oldest) {}

  // False if the frame means nothing.
  bool Play(std::string_view body) {
    FrameReader reader(body);
    LogEntry entry;
    while (reader.Next(entry)) {
      if (!Take(entry)) return false;
    }
    return !reader.bad();
  }
  // Numbers begin anew.
  void Forget() {
    symbols_.clear();
    series_.clear();
  }
  std::size_t samples() const { return samples_; }
  bool complete() const { return complete_; }

 private:
  struct Named {
    std::vector<std::uint32_t> symbols;
    Series* series = nullptr;  // once it has a sample
  };

  bool Take(LogEntry& entry) {
    switch (entry.tag) {
      case LogTag::kSymbol:
        symbols_.emplace_back(entry.text);
        return true;
      case LogTag::kSeries:
        if (entry.symbols.empty() || entry.symbols.size() > kLabelsMax) return false;
        for (const std::uint32_t symbol : entry.symbols) {
          if (symbol >= symbols_.size()) return false;
        }
        series_.push_back({std::move(entry.symbols)});
        return true;
      case LogTag::kFloat:
      case LogTag::kWhole:
      case LogTag::kStale:
      case LogTag::kHistogram:
      case LogTag::kStarted:
        return entry.series < series_.size() && Append(series_[entry.series], entry);
      case LogTag::kChunk:
      case LogTag::kPacked:
        return entry.series < series_.size() && Restore(series_[entry.series], entry);
      case LogTag::kExemplar:
        // What snapshot and segment both hold is known the second time.
        if (ToMillis(entry.exemplar.at) >= oldest_) {
          (void)shelves_.exemplars.Add(entry.labels, entry.exemplar);
        }
        return true;
      case LogTag::kMetadata:
        (void)shelves_.metadata.Put(entry.metadata);
        return true;
      case LogTag::kEnd:
        complete_ = true;
        return true;
    }
    return false;
  }

  Series& Find(Named& named) {
    if (named.series == nullptr) {
      labels_.clear();
      for (std::size_t i = 0; i + 1 < named.symbols.size(); i += 2) {
        labels_.push_back({symbols_[named.symbols[i]], symbols_[named.symbols[i + 1]]});
      }
      const std::uint64_t hash = Head::HashOf(labels_);
      named.series = head_.Find(labels_, hash);
      if (named.series == nullptr) named.series = &head_.Create(labels_, hash);
    }
    return *named.series;
  }

  bool Append(Named& named, const LogEntry& entry) {
    if (entry.time < oldest_ || std::abs(entry.time) > kTimeMax) return true;
    Series& series = Find(named);
    // The snapshot may have it.
    if (!series.empty() && entry.time <= series.last_time()) return true;
    head_.Append(series, {entry.time, entry.value}, {entry.histogram, entry.start});
    ++samples_;
    return true;
  }

  bool Restore(Named& named, const LogEntry& entry) {
    const auto bytes =
        std::span(reinterpret_cast<const std::uint8_t*>(entry.text.data()), entry.text.size());
    if (entry.count > Chunk::kSamplesMax) return false;
    const auto restore = entry.tag == LogTag::kPacked ? RestorePacked : RestoreChunk;
    auto chunk = restore(entry.time, static_cast<std::uint32_t>(entry.count), bytes);
    if (!chunk || entry.time < -kTimeMax || chunk->writer.last_time > kTimeMax) return false;
    if (chunk->writer.last_time < oldest_) return true;
    Series& series = Find(named);
    if (!series.empty() && entry.time <= series.last_time()) return true;
    samples_ += entry.count;
    head_.Restore(series, *std::move(chunk));
    return true;
  }

  Head& head_;
  Shelves& shelves_;
  const std::int64_t oldest_;
  std::vector<std::string> symbols_;
  std::vector<Named> series_;
  std::vector<LabelView> labels_;
  std::size_t samples_ = 0;
  bool complete_ = false;
};

struct Files {
  std::optional<std::uint32_t> snapshot;
  std::uint64_t snapshot_bytes = 0;
  std::vector<std::pair<std::uint32_t, std::uint64_t>> segments;  // number, size; ascending
  std::vector<std::string> old;                                   // not needed any more
  std::uint32_t highest = 0;
};

Result<Files> Look(LogFiles& files) {
  Result<std::vector<LogFiles::Entry>> entries = files.List();
  if (!entries) return tl::unexpected(entries.error());
  Files found;
  for (const LogFiles::Entry& entry : *entries) {
    const std::optional<LogFile> file = ParseLogName(entry.name);
    if (!file) {
      if (entry.name.ends_with(".tmp")) found.old.push_back(entry.name);
      continue;
    }
    found.highest = std::max(found.highest, file->number);
    if (file->kind == LogKind::kSegment) {
      found.segments.emplace_back(file->number, entry.size);
    } else if (!found.snapshot || *found.snapshot < file->number) {
      if (found.snapshot) found.old.push_back(LogName(LogKind::kSnapshot, *found.snapshot));
      found.snapshot = file->number;
      found.snapshot_bytes = entry.size;
    } else {
      found.old.push_back(entry.name);
    }
  }
  std::sort(found.segments.begin(), found.segments.end());
  while (found.snapshot && !found.segments.empty() &&
         found.segments.front().first < *found.snapshot) {
    found.old.push_back(LogName(LogKind::kSegment, found.segments.front().first));
    found.segments.erase(found.segments.begin());
  }
  return found;
}

// Each frame stands alone, so a damaged one is left out. False if anything was.
bool PlaySnapshot(LogFiles& files, std::uint32_t number, Player& player) {
  auto source = files.Open(LogName(LogKind::kSnapshot, number));
  if (!source) return false;
  LogReader reader(*std::move(source));
  if (!reader.ReadHead(LogKind::kSnapshot, number)) return false;
  bool good = true;
  for (;;) {
    const LogReader::What what = reader.Next();
    if (what == LogReader::What::kFrame) {
      player.Forget();
      good = player.Play(reader.body()) && good;
      continue;
    }
    if (what == LogReader::What::kDamaged && reader.Skip()) {
      good = false;
      continue;
    }
    return good && what == LogReader::What::kEnd && player.complete();
  }
}

void PlaySegment(LogFiles& files, const Log& log, std::uint32_t number, std::uint64_t size,
                 Player& player, Replayed& replayed) {
  const std::string name = LogName(LogKind::kSegment, number);
  auto source = files.Open(name);
  if (!source) {
    ++replayed.damaged_segments;
    return log.Error("a segment of samples cannot be read", {{"err", source.error().message}});
  }
  LogReader reader(*std::move(source));
  player.Forget();
  const bool begins = reader.ReadHead(LogKind::kSegment, number);
  // Of a file shorter than its head nothing was promised, either.
  LogReader::What what = size < kLogHeadBytes ? LogReader::What::kTorn : LogReader::What::kDamaged;
  if (begins) {
    do {
      what = reader.Next();
    } while (what == LogReader::What::kFrame && player.Play(reader.body()));
  }
  if (what == LogReader::What::kEnd) return;
  if (what == LogReader::What::kTorn) {
    ++replayed.torn_tails;
    log.Warn("a segment of samples ends in the middle of a write; cut",
             {{"file", name}, {"bytes", std::to_string(reader.good_bytes())}});
    (void)(begins ? files.Truncate(name, reader.good_bytes()) : files.Remove(name));
    return;
  }
  ++replayed.damaged_segments;
  log.Error("a segment of samples is damaged; the rest of it is left out",
            {{"file", name}, {"byte", std::to_string(reader.good_bytes())}});
}

}  // namespace

Result<Replayed> Replay(LogFiles& files, const Log& log, std::int64_t oldest, Head& head,
                        Shelves& shelves) {
  Result<Files> found = Look(files);
  if (!found) return tl::unexpected(found.error());
  Replayed replayed{.next_segment = found->highest + 1, .snapshot_bytes = found->snapshot_bytes};
  Player player(head, shelves, oldest);
  if (found->snapshot && !PlaySnapshot(files, *found->snapshot, player)) {
    ++replayed.damaged_snapshots;
    log.Error("the snapshot of samples is damaged; what could be read of it was",
              {{"file", LogName(LogKind::kSnapshot, *found->snapshot)}});
  }
  for (const auto& [number, size] : found->segments) {
    PlaySegment(files, log, number, size, player, replayed);
    replayed.segment_bytes += size;
  }
  for (const std::string& name : found->old) (void)files.Remove(name);
  replayed.samples = player.samples();
  return replayed;
}

}  // namespace fettle::rules
