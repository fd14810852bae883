#include "rules/samples/sample_run.h"

#include <bit>
#include <utility>

#include "rules/samples/column.h"
#include "rules/samples/histogram_bytes.h"

namespace fettle::rules {
namespace {

using Entry = SampleRun::Entry;

bool SameBits(double a, double b) {
  return std::bit_cast<std::uint64_t>(a) == std::bit_cast<std::uint64_t>(b);
}

std::size_t BytesOf(const FloatHistogram& histogram) {
  constexpr std::size_t kCounted = sizeof(FloatHistogram) + 2 * sizeof(void*);
  return kCounted + 8 * (histogram.positive.spans.size() + histogram.positive.counts.size() +
                         histogram.negative.spans.size() + histogram.negative.counts.size() +
                         histogram.custom_bounds.size());
}

// Every number of a histogram that may differ from the next one's, in the order of the columns.
template <typename Histogram, typename Visit>
void ForEachNumber(Histogram& histogram, const Visit& visit) {
  visit(histogram.zero_count);
  visit(histogram.count);
  visit(histogram.sum);
  for (auto& count : histogram.positive.counts) visit(count);
  for (auto& count : histogram.negative.counts) visit(count);
}

const FloatHistogram* FirstOf(std::span<const Entry> entries) {
  for (const Entry& entry : entries) {
    if (entry.histogram != nullptr) return entry.histogram.get();
  }
  return nullptr;
}

// By column, a number for each entry; a marker's is its neighbour's.
std::vector<std::vector<double>> ColumnsOf(std::span<const Entry> entries,
                                           const FloatHistogram& first) {
  std::vector<std::vector<double>> columns;
  const FloatHistogram* shown = &first;
  for (const Entry& entry : entries) {
    if (entry.histogram != nullptr) shown = entry.histogram.get();
    std::size_t at = 0;
    ForEachNumber(*shown, [&](const double& number) {
      if (at == columns.size()) columns.emplace_back();
      columns[at++].push_back(number);
    });
  }
  return columns;
}

bool Same(const Entry& a, const Entry& b) {
  if (a.time != b.time || a.start != b.start || !SameBits(a.value, b.value)) return false;
  if (a.histogram == nullptr || b.histogram == nullptr) return a.histogram == b.histogram;
  std::string left;
  std::string right;
  AppendHistogram(*a.histogram, left);
  AppendHistogram(*b.histogram, right);
  return left == right;
}

template <typename Number, typename Of>
std::vector<Number> Column(std::span<const Entry> entries, const Of& of) {
  std::vector<Number> column;
  column.reserve(entries.size());
  for (const Entry& entry : entries) column.push_back(of(entry));
  return column;
}

}  // namespace

bool SameLayout(const FloatHistogram& a, const FloatHistogram& b) {
  return a.schema == b.schema && SameBits(a.zero_threshold, b.zero_threshold) &&
         a.positive.spans == b.positive.spans && a.negative.spans == b.negative.spans &&
         a.custom_bounds == b.custom_bounds;
}

std::shared_ptr<SampleRun> SampleRun::Pack(bool histograms, std::span<const Entry> entries) {
  auto run = std::make_shared<SampleRun>(histograms);
  run->open_ = {};
  run->first_time_ = entries.front().time;
  std::string& out = run->packed_;
  PackIntegers(Column<std::int64_t>(entries, [](const Entry& e) { return e.time; }), out);
  PackIntegers(Column<std::int64_t>(entries, [](const Entry& e) { return e.start; }), out);
  PackNumbers(Column<double>(entries, [](const Entry& e) { return e.value; }), out);
  if (const FloatHistogram* first = FirstOf(entries)) {
    std::string layout;
    AppendHistogram(*first, layout);
    AppendColumnVarint(layout.size(), out);
    out += layout;
    // Markers are told by a hint that no histogram has.
    PackIntegers(Column<std::int64_t>(entries,
                                      [](const Entry& e) {
                                        return e.histogram == nullptr
                                                   ? std::int64_t{-1}
                                                   : static_cast<std::int64_t>(e.histogram->hint);
                                      }),
                 out);
    for (const std::vector<double>& column : ColumnsOf(entries, *first)) PackNumbers(column, out);
  } else {
    AppendColumnVarint(0, out);
  }
  out.shrink_to_fit();
  const std::vector<Entry> again = run->Unpack(static_cast<std::uint32_t>(entries.size()));
  if (!std::equal(entries.begin(), entries.end(), again.begin(), again.end(), Same)) return nullptr;
  return run;
}

std::vector<Entry> SampleRun::Unpack(std::uint32_t samples) const {
  ColumnReader reader({reinterpret_cast<const std::uint8_t*>(packed_.data()), packed_.size()});
  std::vector<Entry> entries(samples);
  std::vector<std::int64_t> times(samples);
  std::vector<std::int64_t> starts(samples);
  std::vector<double> numbers(samples);
  std::uint64_t layout = 0;
  if (!reader.Integers(times) || !reader.Integers(starts) || !reader.Numbers(numbers) ||
      !reader.Varint(layout)) {
    return {};
  }
  for (std::uint32_t i = 0; i < samples; ++i) entries[i] = {times[i], starts[i], numbers[i]};
  if (layout == 0) return entries;
  const std::span<const std::uint8_t> bytes = reader.Take(layout);
  const HistogramPtr first =
      ReadHistogram({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  std::vector<std::int64_t> hints(samples);
  if (first == nullptr || !reader.Integers(hints)) return {};
  std::vector<std::shared_ptr<FloatHistogram>> made(samples);
  for (std::uint32_t i = 0; i < samples; ++i) {
    if (hints[i] < 0) continue;
    made[i] = std::make_shared<FloatHistogram>(*first);
    made[i]->hint = static_cast<FloatHistogram::ResetHint>(hints[i]);
  }
  std::size_t columns = 0;
  ForEachNumber(*first, [&](const double&) { ++columns; });
  std::vector<double> cells(columns * samples);
  for (std::size_t column = 0; column < columns; ++column) {
    if (!reader.Numbers(std::span(cells).subspan(column * samples, samples))) return {};
  }
  for (std::uint32_t i = 0; i < samples; ++i) {
    if (made[i] == nullptr) continue;
    std::size_t at = i;
    ForEachNumber(*made[i], [&](double& number) {
      number = cells[at];
      at += samples;
    });
    entries[i].histogram = std::move(made[i]);
  }
  return entries;
}

std::span<const Entry> SampleRun::Read(std::uint32_t samples, std::vector<Entry>& buffer) const {
  if (!packed()) return std::span(open_).first(samples);
  buffer = Unpack(samples);
  return buffer;
}

void SampleRun::Put(std::uint32_t i, Entry entry) {
  if (i == 0) first_time_ = entry.time;
  if (entry.histogram != nullptr) histogram_bytes_ += BytesOf(*entry.histogram);
  open_[i] = std::move(entry);
}

std::size_t SampleRun::bytes() const {
  return sizeof(SampleRun) + open_.size() * sizeof(Entry) + histogram_bytes_ + packed_.capacity();
}

RunStep NextInRun(const FloatHistogram* last, const FloatHistogram& next) {
  using enum FloatHistogram::ResetHint;
  if (next.hint == kGauge) return {last != nullptr && last->hint == kGauge, kGauge};
  if (next.hint == kReset || last == nullptr || last->hint == kGauge) return {};
  if (next.schema != last->schema || next.zero_threshold != last->zero_threshold ||
      next.custom_bounds != last->custom_bounds) {
    return {};
  }
  FloatHistogram counted = next;
  counted.hint = kUnknown;
  return DetectReset(counted, *last) ? RunStep() : RunStep{true, kNotReset};
}

}  // namespace fettle::rules
