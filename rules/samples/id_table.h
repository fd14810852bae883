// A hash table from hashes to small numbers (of symbols, of series), in 8 to 16 bytes an entry:
// open addressing, linear probing, no tombstones. What a number stands for is known to the caller,
// who says whether it is the one sought. Not safe from several threads.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

namespace fettle::rules {

class IdTable {
 public:
  static constexpr std::uint32_t kNone = std::numeric_limits<std::uint32_t>::max();

  // The number with this hash for which same(id) is true, or kNone.
  template <typename Same>
  std::uint32_t Find(std::uint32_t hash, const Same& same) const {
    if (slots_.empty()) return kNone;
    for (std::size_t at = hash & mask();; at = (at + 1) & mask()) {
      const Slot& slot = slots_[at];
      if (slot.id == kNone) return kNone;
      if (slot.hash == hash && same(slot.id)) return slot.id;
    }
  }
  // Brings the slot near: a batch asks for what it will need soon.
  void Prefetch(std::uint32_t hash) const {
    if (!slots_.empty()) __builtin_prefetch(&slots_[hash & mask()]);
  }
  // The first number with this hash, right or not; for prefetching, too.
  std::uint32_t Guess(std::uint32_t hash) const {
    if (slots_.empty()) return kNone;
    const Slot& slot = slots_[hash & mask()];
    return slot.hash == hash ? slot.id : kNone;
  }
  void Insert(std::uint32_t hash, std::uint32_t id);
  // REQUIRES: it was inserted with this hash.
  void Erase(std::uint32_t hash, std::uint32_t id);
  // Gives every number a new one.
  template <typename Map>
  void Renumber(const Map& map) {
    for (Slot& slot : slots_) {
      if (slot.id != kNone) slot.id = map(slot.id);
    }
  }
  void Clear();
  std::size_t size() const { return size_; }

 private:
  struct Slot {
    std::uint32_t hash = 0;
    std::uint32_t id = kNone;
  };
  std::size_t mask() const { return slots_.size() - 1; }
  void Place(Slot slot);
  void Grow();

  std::vector<Slot> slots_;  // a power of two, at most three quarters full
  std::size_t size_ = 0;
};

}  // namespace fettle::rules
