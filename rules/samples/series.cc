#include "rules/samples/series.h"

#include <algorithm>
#include <array>
#include <limits>

#include "common/check.h"
#include "common/sample.h"

namespace fettle::rules {
namespace {

// A chunk begins small and grows in steps of at most a half: between two steps a sixth of it waits.
constexpr std::array<std::uint32_t, 10> kCapacities = {48,  96,  144, 208,  304,
                                                       432, 640, 944, 1360, 2040};
static_assert(kCapacities.back() == Chunk::kSamplesMax * Chunk::kSampleBytesMax);

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
  if (rich != nullptr) {
    rich->open = false;
    rich->last_histogram = nullptr;
  }
  return AppendFloat(point.time, point.value);
}

// The open chunk is complete: it gives back what it did not use. Readers keep the old one.
std::ptrdiff_t Series::Seal() {
  if (!open) return 0;
  const std::ptrdiff_t less = static_cast<std::ptrdiff_t>(open->capacity()) - writer.bytes;
  sealed.reserve(sealed.size() + 1);
  sealed.push_back({open->Copy(writer.bytes, writer.bytes), writer.last_time, writer.samples});
  open = {};
  return -less;
}

std::ptrdiff_t Series::AppendFloat(std::int64_t time, double value) {
  if (open && open->Append(writer, time, value)) return 0;
  std::ptrdiff_t grown = 0;
  if (open && writer.samples < Chunk::kSamplesMax) {
    const std::uint32_t old = open->capacity();
    // A restored chunk is full, whatever its size.
    const std::uint32_t next = *std::lower_bound(kCapacities.begin(), kCapacities.end(),
                                                 writer.bytes + Chunk::kSampleBytesMax);
    open = open->Copy(writer.bytes, next);
    grown = static_cast<std::ptrdiff_t>(next) - old;
  } else {
    grown = Seal() + kCapacities.front();
    open = ChunkPtr(Chunk::New(time, kCapacities.front()));
    writer = {};
  }
  const bool fits = open->Append(writer, time, value);
  FETTLE_CHECK(fits);
  return grown;
}

// A run of histograms ends where counting began anew, where the buckets' layout changes, and after
// a stale marker; readers are told so by the hints.
std::ptrdiff_t Series::AppendRich(const FloatPoint& point, const WriteBatch::More& more) {
  if (rich == nullptr) rich = std::make_unique<Rich>();
  const bool histograms = more.histogram != nullptr || rich->last_histogram != nullptr;
  const bool goes_on = rich->open && rich->runs.back().run->histograms() == histograms &&
                       rich->runs.back().samples < SampleRun::kSamplesMax;
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
  if (!goes_on || !step.goes_on) {
    rich->runs.push_back({std::make_shared<SampleRun>(histograms), point.time, 0});
    grown += static_cast<std::ptrdiff_t>(sizeof(SampleRun));
  }
  Run& last = rich->runs.back();
  last.run->Put(last.samples++, {point.time, more.start, point.value, stored});
  last.last_time = point.time;
  rich->open = true;
  rich->last_histogram = std::move(stored);
  writer = {.last_time = point.time, .last_value = point.value};
  return grown;
}

std::ptrdiff_t Series::Restore(RestoredChunk chunk) {
  const std::ptrdiff_t grown = Seal() + static_cast<std::ptrdiff_t>(chunk.chunk->capacity());
  if (rich != nullptr) {
    rich->open = false;
    rich->last_histogram = nullptr;
  }
  open = std::move(chunk.chunk);
  writer = chunk.writer;
  return grown;
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
      loss.bytes += sizeof(SampleRun);
      return true;
    });
    rich->open = rich->open && !rich->runs.empty();
  }
  return loss;
}

}  // namespace fettle::rules
