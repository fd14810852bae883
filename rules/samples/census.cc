#include "rules/samples/census.h"

#include <algorithm>
#include <functional>
#include <utility>

#include "common/labels.h"
#include "rules/samples/head.h"

namespace fettle::rules {
namespace {

// The most of what it is shown, by number; texts are made for those alone.
class Largest {
 public:
  using Text = std::function<std::string(const SymbolPair&)>;
  Largest(std::size_t top, Text text) : top_(top), text_(std::move(text)) {}

  void Offer(std::uint64_t count, SymbolPair what) {
    if (items_.size() >= 2 * top_ + 64) Prune();
    if (count >= least_) items_.push_back({count, what});
  }
  Census::Top Take() {
    Prune();
    Census::Top out;
    for (const Item& item : items_) out.emplace_back(text_(item.what), item.count);
    std::sort(out.begin(), out.end(), [](const auto& a, const auto& b) {
      return a.second != b.second ? a.second > b.second : a.first < b.first;
    });
    return out;
  }

 private:
  struct Item {
    std::uint64_t count = 0;
    SymbolPair what;
  };
  void Prune() {
    if (items_.size() <= top_) return;
    const auto end = items_.begin() + static_cast<std::ptrdiff_t>(top_);
    std::nth_element(items_.begin(), end - 1, items_.end(), [&](const Item& a, const Item& b) {
      return a.count != b.count ? a.count > b.count : text_(a.what) < text_(b.what);
    });
    items_.erase(end, items_.end());
    least_ = items_.back().count;
  }

  const std::size_t top_;
  const Text text_;
  std::vector<Item> items_;
  std::uint64_t least_ = 0;
};

}  // namespace

Census TakeCensus(const Head& head, std::size_t top) {
  const SymbolTable& symbols = head.symbols();
  const auto name_of = [&](const SymbolPair& pair) { return std::string(symbols.text(pair.name)); };
  const auto value_of = [&](const SymbolPair& pair) {
    return std::string(symbols.text(pair.value));
  };
  Largest metrics(top, value_of);
  Largest names(top, name_of);
  Largest bytes(top, name_of);
  Largest pairs(top, [&](const SymbolPair& pair) { return name_of(pair) + '=' + value_of(pair); });
  const SymbolId metric = symbols.Find(kMetricName);
  Census census{.series = head.size()};
  head.index().ForEachName([&](SymbolId name, const LabelIndex::ValuesOf& values) {
    std::uint64_t sum = 0;
    for (const auto& [value, postings] : values) {
      const std::uint64_t series = postings.size();
      sum += series * symbols.text(value).size();
      pairs.Offer(series, {name, value});
      if (name == metric) metrics.Offer(series, {name, value});
    }
    census.pairs += values.size();
    names.Offer(values.size(), {name, 0});
    bytes.Offer(sum, {name, 0});
  });
  for (SeriesId id = 0; id < head.end(); ++id) {
    if (!head.Exists(id)) continue;
    const Series& series = head.at(id);
    census.chunks += series.sealed.size() + (series.open ? 1 : 0);
    if (series.rich != nullptr) census.chunks += series.rich->runs.size();
  }
  census.series_by_metric = metrics.Take();
  census.values_by_name = names.Take();
  census.bytes_by_name = bytes.Take();
  census.series_by_pair = pairs.Take();
  return census;
}

}  // namespace fettle::rules
