// What an archive of the write-ahead log is worth, by the names that are in it: what is missing,
// and from when to when a recovery is possible. Pure; memory grows with gaps, not with segments.
//
// Expected are the segments of the newest timeline's ancestry: of each ancestor up to where it was
// left (that segment may be on either), from the segment where the oldest base backup begins. A
// recovery begins with a base backup and ends before the first gap after it.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "exporter/collectors/wal_names.h"

namespace fettle::exporter {

// Segments as runs without a gap, each with the time of its last one.
class WalRuns {
 public:
  struct Run {
    std::uint64_t last = 0;
    double stored = 0;  // when the last one was stored, in seconds
  };
  void Add(std::uint64_t number, double stored);
  bool Has(std::uint64_t number) const;
  bool empty() const { return runs_.empty(); }
  std::uint64_t first() const { return runs_.begin()->first; }
  std::uint64_t last() const { return runs_.rbegin()->second.last; }
  const std::map<std::uint64_t, Run>& runs() const { return runs_; }
  std::uint64_t count() const { return count_; }

 private:
  std::map<std::uint64_t, Run> runs_;  // by the first
  std::uint64_t count_ = 0;
};

struct WalInventory {
  // More gaps than these are an error: it is no archive.
  static constexpr std::size_t kRunsMax = 100'000;
  std::map<std::uint32_t, WalRuns> timelines;
  std::map<std::uint32_t, std::string> histories;  // where each is kept, by timeline
  std::vector<WalBase> bases;
  // Of one file in the archive.
  void Add(const WalName& name, std::uint64_t segment_bytes, const std::string& key, double stored);
  // 0 if there is none.
  std::uint32_t NewestTimeline() const;
  std::uint64_t Segments() const;
};

struct WalGap {
  std::string first;  // the first segment that is missing
  std::uint64_t begin = 0;
  std::uint64_t end = 0;  // the first one after it that is there
  bool acknowledged = false;
};
struct WalPoint {
  std::uint32_t timeline = 0;
  std::uint64_t number = 0;
  double stored = 0;
};
struct WalVerdict {
  std::vector<WalGap> gaps;
  std::optional<WalPoint> newest;  // the newest segment that is there
  // Both absent without a base backup from which recovery can begin.
  std::optional<double> earliest;     // when the oldest such base backup ended
  std::optional<WalPoint> reachable;  // the last segment that recovery can replay
  std::size_t bases = 0;              // of the ancestry

  std::size_t Unacknowledged() const;
  std::uint64_t Missing() const;  // segments, of unacknowledged gaps
};

// `ancestors` is the newest timeline's history. `acknowledged` are gaps that are known, by their
// first segment: they end a window as any other.
WalVerdict JudgeWal(const WalInventory& inventory, const std::vector<WalAncestor>& ancestors,
                    std::uint64_t segment_bytes, const std::set<std::string>& acknowledged);

}  // namespace fettle::exporter
