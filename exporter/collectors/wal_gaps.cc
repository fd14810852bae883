#include "exporter/collectors/wal_gaps.h"

#include <algorithm>
#include <iterator>
#include <limits>
#include <utility>

namespace fettle::exporter {
namespace {

constexpr std::uint64_t kEver = std::numeric_limits<std::uint64_t>::max();

// The part of the ancestry that one timeline holds: [from, to).
struct Span {
  std::uint32_t timeline = 0;
  std::uint64_t from = 0;
  std::uint64_t to = kEver;
  const WalRuns* runs = nullptr;    // null: nothing of it is there
  const WalRuns* parent = nullptr;  // may hold `from`, too
};

std::vector<Span> SpansOf(const WalInventory& inventory, const std::vector<WalAncestor>& ancestors,
                          std::uint64_t segment_bytes) {
  const auto runs_of = [&](std::uint32_t timeline) -> const WalRuns* {
    const auto at = inventory.timelines.find(timeline);
    return at == inventory.timelines.end() ? nullptr : &at->second;
  };
  std::vector<Span> spans;
  std::uint64_t from = 0;
  const WalRuns* parent = nullptr;
  for (const WalAncestor& ancestor : ancestors) {
    const std::uint64_t left = ancestor.switch_lsn / segment_bytes;
    const WalRuns* runs = runs_of(ancestor.timeline);
    spans.push_back({ancestor.timeline, from, std::max(from, left), runs, parent});
    from = std::max(from, left);
    parent = runs;
  }
  const std::uint32_t newest = inventory.NewestTimeline();
  spans.push_back({newest, from, kEver, runs_of(newest), parent});
  return spans;
}

bool Has(const Span& span, std::uint64_t number) {
  if (span.runs != nullptr && span.runs->Has(number)) return true;
  return number == span.from && span.parent != nullptr && span.parent->Has(number);
}

// What is there of [from, to), as runs within it; and where each ends.
template <typename Visit>
void EachRun(const Span& span, std::uint64_t from, std::uint64_t to, const Visit& visit) {
  if (from == span.from && from < to && Has(span, from)) visit(from, from);
  if (span.runs == nullptr) return;
  const auto& runs = span.runs->runs();
  auto at = runs.upper_bound(from);
  if (at != runs.begin()) --at;
  for (; at != runs.end() && at->first < to; ++at) {
    const std::uint64_t first = std::max(at->first, from);
    const std::uint64_t last = std::min(at->second.last, to - 1);
    if (first <= last) visit(first, last);
  }
}

std::optional<WalPoint> PointAt(const std::vector<Span>& spans, std::uint64_t number) {
  for (const Span& span : spans) {
    if (number < span.from || number >= span.to) continue;
    const bool of_parent = span.runs == nullptr || !span.runs->Has(number);
    const WalRuns* runs = of_parent ? span.parent : span.runs;
    if (runs == nullptr || !runs->Has(number)) return std::nullopt;
    // Stored before the last of its run; that is known, and later by as long as the run took.
    const auto at = std::prev(runs->runs().upper_bound(number));
    return WalPoint{span.timeline, number, at->second.stored};
  }
  return std::nullopt;
}

std::optional<std::uint64_t> NewestNumber(const std::vector<Span>& spans) {
  std::optional<std::uint64_t> newest;
  for (const Span& span : spans) {
    EachRun(span, span.from, span.to, [&](std::uint64_t, std::uint64_t last) {
      newest = std::max(newest.value_or(last), last);
    });
  }
  return newest;
}

std::optional<std::uint64_t> OldestNumber(const std::vector<Span>& spans) {
  std::optional<std::uint64_t> oldest;
  for (const Span& span : spans) {
    EachRun(span, span.from, span.to, [&](std::uint64_t first, std::uint64_t) {
      oldest = std::min(oldest.value_or(first), first);
    });
  }
  return oldest;
}

bool OfAncestry(const std::vector<Span>& spans, std::uint32_t timeline, std::uint64_t number) {
  return std::any_of(spans.begin(), spans.end(), [&](const Span& span) {
    return span.timeline == timeline && number >= span.from &&
           (number < span.to || (span.to == span.from && number == span.from));
  });
}

std::vector<WalGap> GapsIn(const std::vector<Span>& spans, std::uint64_t from, std::uint64_t end,
                           std::uint64_t segment_bytes) {
  std::vector<WalGap> gaps;
  const auto add = [&](std::uint32_t timeline, std::uint64_t begin, std::uint64_t until) {
    if (begin >= until) return;
    if (!gaps.empty() && gaps.back().end == begin) {
      gaps.back().end = until;  // it goes on in the next timeline
      return;
    }
    gaps.push_back({WalFileName(timeline, begin, segment_bytes), begin, until, false});
  };
  for (const Span& span : spans) {
    std::uint64_t next = std::max(span.from, from);
    const std::uint64_t to = std::min(span.to, end);
    if (next >= to) continue;
    EachRun(span, next, to, [&](std::uint64_t first, std::uint64_t last) {
      add(span.timeline, next, first);
      next = std::max(next, last + 1);
    });
    add(span.timeline, next, to);
  }
  return gaps;
}

}  // namespace

void WalRuns::Add(std::uint64_t number, double stored) {
  if (Has(number)) return;
  ++count_;
  auto after = runs_.upper_bound(number);
  if (after != runs_.begin()) {
    const auto before = std::prev(after);
    if (before->second.last + 1 == number) {
      before->second = {number, stored};
      if (after != runs_.end() && after->first == number + 1) {
        before->second = after->second;
        runs_.erase(after);
      }
      return;
    }
  }
  Run run{number, stored};
  if (after != runs_.end() && after->first == number + 1) {
    run = after->second;
    runs_.erase(after);
  }
  runs_.emplace(number, run);
}

bool WalRuns::Has(std::uint64_t number) const {
  const auto after = runs_.upper_bound(number);
  return after != runs_.begin() && std::prev(after)->second.last >= number;
}

void WalInventory::Add(const WalName& name, std::uint64_t segment_bytes, const std::string& key,
                       double stored) {
  switch (name.kind) {
    case WalKind::kSegment:
      timelines[name.timeline].Add(name.Number(segment_bytes), stored);
      break;
    case WalKind::kHistory:
      histories[name.timeline] = key;
      break;
    case WalKind::kBackup:
      bases.push_back({name, stored});
      break;
    case WalKind::kPartial:
      break;
  }
}

std::uint32_t WalInventory::NewestTimeline() const {
  const std::uint32_t with_segments = timelines.empty() ? 0 : timelines.rbegin()->first;
  return std::max(with_segments, histories.empty() ? 0 : histories.rbegin()->first);
}

std::uint64_t WalInventory::Segments() const {
  std::uint64_t count = 0;
  for (const auto& [timeline, runs] : timelines) count += runs.count();
  return count;
}

std::size_t WalVerdict::Unacknowledged() const {
  return static_cast<std::size_t>(
      std::count_if(gaps.begin(), gaps.end(), [](const WalGap& gap) { return !gap.acknowledged; }));
}

std::uint64_t WalVerdict::Missing() const {
  std::uint64_t missing = 0;
  for (const WalGap& gap : gaps) {
    if (!gap.acknowledged) missing += gap.end - gap.begin;
  }
  return missing;
}

WalVerdict JudgeWal(const WalInventory& inventory, const std::vector<WalAncestor>& ancestors,
                    std::uint64_t segment_bytes, const std::set<std::string>& acknowledged) {
  WalVerdict verdict;
  const std::vector<Span> spans = SpansOf(inventory, ancestors, segment_bytes);
  const std::optional<std::uint64_t> newest = NewestNumber(spans);
  std::vector<std::pair<std::uint64_t, double>> bases;  // where each begins, and when it ended
  for (const WalBase& base : inventory.bases) {
    const std::uint64_t number = base.begins.Number(segment_bytes);
    if (OfAncestry(spans, base.begins.timeline, number)) bases.emplace_back(number, base.ended);
  }
  std::sort(bases.begin(), bases.end());
  verdict.bases = bases.size();
  if (!newest) return verdict;
  verdict.newest = PointAt(spans, *newest);
  // One that begins after all that is there has no WAL yet.
  while (!bases.empty() && bases.back().first > *newest) bases.pop_back();
  const std::uint64_t from = bases.empty() ? *OldestNumber(spans) : bases.front().first;
  verdict.gaps = GapsIn(spans, from, *newest + 1, segment_bytes);
  for (WalGap& gap : verdict.gaps) gap.acknowledged = acknowledged.contains(gap.first);
  if (bases.empty()) return verdict;
  // The newest base whose own beginning is there reaches furthest; those that share its stretch
  // without a gap reach as far.
  const auto missing = [&](const std::pair<std::uint64_t, double>& base) {
    return std::any_of(verdict.gaps.begin(), verdict.gaps.end(), [&](const WalGap& gap) {
      return gap.begin <= base.first && base.first < gap.end;
    });
  };
  while (!bases.empty() && missing(bases.back())) bases.pop_back();
  if (bases.empty()) return verdict;
  std::uint64_t reach = *newest;
  std::uint64_t stretch = 0;
  for (const WalGap& gap : verdict.gaps) {
    if (gap.begin > bases.back().first) {
      reach = gap.begin - 1;
      break;
    }
    stretch = gap.end;
  }
  verdict.earliest = std::lower_bound(bases.begin(), bases.end(), std::pair(stretch, 0.0))->second;
  verdict.reachable = PointAt(spans, reach);
  return verdict;
}

}  // namespace fettle::exporter
