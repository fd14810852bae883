#include "rules/samples/series.h"

#include <algorithm>
#include <array>
#include <limits>
#include <span>

#include "common/check.h"
#include "common/sample.h"

namespace fettle::rules {
namespace {

// A chunk begins small and grows in steps of at most a half: between two steps a sixth of it waits.
constexpr std::array<std::uint32_t, 10> kCapacities = {48,  96,  144, 208,  304,
                                                       432, 640, 944, 1360, 2040};
static_assert(kCapacities.back() == Chunk::kSamplesMax * Chunk::kSampleBytesMax);

// Markers have none of their own.
bool OneLayout(std::span<const SampleRun::Entry> a, std::span<const SampleRun::Entry> b) {
  const auto first = [](std::span<const SampleRun::Entry> of) -> const FloatHistogram* {
    const auto found = std::find_if(of.begin(), of.end(),
                                    [](const auto& entry) { return entry.histogram != nullptr; });
    return found == of.end() ? nullptr : found->histogram.get();
  };
  const FloatHistogram* const left = first(a);
  const FloatHistogram* const right = first(b);
  return left == nullptr || right == nullptr || SameLayout(*left, *right);
}

}  // namespace

std::int64_t Series::first_time() const {
  std::int64_t first = std::numeric_limits<std::int64_t>::max();
  if (open) first = open->first_time();
  if (!sealed.empty()) first = sealed.front().chunk->first_time();
  if (rich != nullptr && !rich->runs.empty()) {
    first = std::min(first, rich->runs.front().first_time());
  }
  return first;
}

std::ptrdiff_t Series::Append(const FloatPoint& point, const WriteBatch::More& more) {
  const bool in_run = rich != nullptr && rich->open && IsStaleNaN(point.value);
  if (more.histogram != nullptr || more.start != 0 || in_run) return AppendRich(point, more);
  const std::ptrdiff_t packed = CloseRun();
  return packed + AppendFloat(point.time, point.value);
}

// The open chunk is complete: it is packed, together with the one before if that has room. Readers
// keep the old ones.
std::ptrdiff_t Series::Seal() {
  if (!open) return 0;
  std::array<std::int64_t, Chunk::kSamplesMax> times;
  std::array<double, Chunk::kSamplesMax> values;
  const auto read = [&](const Chunk& chunk, std::uint32_t samples, std::uint32_t at) {
    constexpr auto kAll = std::numeric_limits<std::int64_t>::max();
    (void)chunk.Read(samples, std::numeric_limits<std::int64_t>::min(), kAll, times.data() + at,
                     values.data() + at);
  };
  // What lies between two chunks may be a run.
  const bool joins = !sealed.empty() && rich == nullptr &&
                     sealed.back().samples + writer.samples <= Chunk::kSamplesMax;
  std::uint32_t samples = 0;
  std::uint32_t bytes_max = writer.bytes;
  std::ptrdiff_t grown = -static_cast<std::ptrdiff_t>(open->capacity());
  if (joins) {
    samples = sealed.back().samples;
    read(*sealed.back().chunk, samples, 0);
    bytes_max += sealed.back().chunk->capacity();
  }
  read(*open, writer.samples, samples);
  samples += writer.samples;
  ChunkPtr packed = Chunk::Pack(std::span<const std::int64_t>(times).first(samples),
                                std::span<const double>(values).first(samples), bytes_max);
  if (packed && joins) {
    grown += static_cast<std::ptrdiff_t>(packed->capacity()) - sealed.back().chunk->capacity();
    sealed.back() = {std::move(packed), writer.last_time, samples};
  } else {
    if (!packed || joins) {
      packed = open->Copy(writer.bytes, writer.bytes);
      samples = writer.samples;
    }
    grown += packed->capacity();
    sealed.reserve(sealed.size() + 1);
    sealed.push_back({std::move(packed), writer.last_time, samples});
  }
  open = {};
  return grown;
}

std::ptrdiff_t Series::AppendFloat(std::int64_t time, double value) {
  std::ptrdiff_t grown = 0;
  if (!open) {
    open = ChunkPtr(Chunk::New(time, kCapacities.front()));
    writer = {};
    grown = kCapacities.front();
  }
  if (!open->Append(writer, time, value)) {
    const std::uint32_t old = open->capacity();
    // A restored chunk is full, whatever its size.
    const std::uint32_t next = *std::lower_bound(kCapacities.begin(), kCapacities.end(),
                                                 writer.bytes + Chunk::kSampleBytesMax);
    open = open->Copy(writer.bytes, next);
    grown += static_cast<std::ptrdiff_t>(next) - old;
    const bool fits = open->Append(writer, time, value);
    FETTLE_CHECK(fits);
  }
  return writer.samples < kOpenSamplesMax ? grown : grown + Seal();
}

// A run of histograms ends where counting began anew, where the buckets' layout changes, and after
// a stale marker; readers are told so by the hints.
std::ptrdiff_t Series::AppendRich(const FloatPoint& point, const WriteBatch::More& more) {
  if (rich == nullptr) rich = std::make_unique<Rich>();
  const bool histograms = more.histogram != nullptr || rich->last_histogram != nullptr;
  const bool goes_on = rich->open && rich->runs.back().run->histograms() == histograms &&
                       rich->in_run < SampleRun::kSamplesMax;
  HistogramPtr stored = more.histogram;
  const RunStep step = stored == nullptr ? RunStep{.goes_on = true}
                                         : NextInRun(goes_on ? rich->last_histogram.get() : nullptr,
                                                     *more.histogram);
  if (stored != nullptr && stored->hint != step.hint) {
    auto hinted = std::make_shared<FloatHistogram>(*stored);
    hinted->hint = step.hint;
    stored = std::move(hinted);
  }
  std::ptrdiff_t grown = Seal();
  const bool begins = !goes_on || !step.goes_on;
  const bool other_layout = stored != nullptr && rich->last_histogram != nullptr &&
                            !SameLayout(*stored, *rich->last_histogram);
  if (begins || other_layout) grown += PackRun();
  if (begins || other_layout || rich->runs.back().run->packed() ||
      rich->runs.back().samples == SampleRun::kOpenSamplesMax) {
    rich->runs.push_back({std::make_shared<SampleRun>(histograms), point.time, 0, begins});
    grown += static_cast<std::ptrdiff_t>(rich->runs.back().run->bytes());
  }
  rich->in_run = begins ? 1 : rich->in_run + 1;
  Run& last = rich->runs.back();
  grown -= static_cast<std::ptrdiff_t>(last.run->bytes());
  last.run->Put(last.samples++, {point.time, more.start, point.value, stored});
  grown += static_cast<std::ptrdiff_t>(last.run->bytes());
  last.last_time = point.time;
  rich->open = true;
  rich->last_histogram = std::move(stored);
  writer = {.last_time = point.time, .last_value = point.value};
  return last.samples < SampleRun::kOpenSamplesMax ? grown : grown + PackRun();
}

// What comes next is no part of the last run.
std::ptrdiff_t Series::CloseRun() {
  if (rich == nullptr || !rich->open) return 0;
  rich->open = false;
  rich->last_histogram = nullptr;
  return PackRun();
}

// The open run is complete: it is packed, together with the one it goes on with, if that has the
// same layout. Readers keep the old ones.
std::ptrdiff_t Series::PackRun() {
  if (rich->runs.empty() || rich->runs.back().run->packed()) return 0;
  Run& last = rich->runs.back();
  const bool histograms = last.run->histograms();
  std::ptrdiff_t grown = -static_cast<std::ptrdiff_t>(last.run->bytes());
  std::vector<SampleRun::Entry> unpacked;
  const std::span<const SampleRun::Entry> fresh = last.run->Read(last.samples, unpacked);
  if (!last.begins && rich->runs.size() > 1) {
    Run& before = rich->runs[rich->runs.size() - 2];
    std::vector<SampleRun::Entry> both;
    const auto old = before.run->Read(before.samples, both);
    if (before.run->packed() && OneLayout(old, fresh)) {
      both.insert(both.end(), fresh.begin(), fresh.end());
      if (SampleRunPtr packed = SampleRun::Pack(histograms, both)) {
        grown += static_cast<std::ptrdiff_t>(packed->bytes()) -
                 static_cast<std::ptrdiff_t>(before.run->bytes());
        before = {std::move(packed), last.last_time, static_cast<std::uint32_t>(both.size()),
                  before.begins};
        rich->runs.pop_back();
        return grown;
      }
    }
  }
  SampleRunPtr packed = SampleRun::Pack(histograms, fresh);
  if (packed == nullptr) return 0;  // then it stays as it is
  grown += static_cast<std::ptrdiff_t>(packed->bytes());
  last.run = std::move(packed);
  return grown;
}

std::ptrdiff_t Series::Restore(RestoredChunk chunk) {
  const std::ptrdiff_t grown =
      CloseRun() + Seal() + static_cast<std::ptrdiff_t>(chunk.chunk->capacity());
  writer = chunk.writer;
  if (chunk.chunk->packed()) {
    sealed.push_back({std::move(chunk.chunk), writer.last_time, writer.samples});
    return grown;
  }
  open = std::move(chunk.chunk);
  return writer.samples < kOpenSamplesMax ? grown : grown + Seal();
}

Series::Loss Series::Expire(std::int64_t before) {
  Loss loss;
  auto keep = sealed.begin();
  for (; keep != sealed.end() && keep->last_time < before; ++keep) {
    loss.samples += keep->samples;
    loss.bytes += keep->chunk->capacity();
  }
  if (keep != sealed.begin()) sealed.erase(sealed.begin(), keep);
  if (open && writer.last_time < before) {
    loss.samples += writer.samples;
    loss.bytes += open->capacity();
    open = {};
    writer = {};
  }
  if (rich != nullptr) {
    std::erase_if(rich->runs, [&](const Run& run) {
      if (run.last_time >= before) return false;
      loss.samples += run.samples;
      loss.bytes += run.run->bytes();
      return true;
    });
    rich->open = rich->open && !rich->runs.empty();
  }
  return loss;
}

}  // namespace fettle::rules
