#include "rules/samples/id_table.h"

#include <utility>

#include "common/check.h"

namespace fettle::rules {

void IdTable::Place(Slot slot) {
  std::size_t at = slot.hash & mask();
  while (slots_[at].id != kNone) at = (at + 1) & mask();
  slots_[at] = slot;
}

void IdTable::Grow() {
  const std::vector<Slot> old = std::exchange(slots_, {});
  slots_.resize(old.empty() ? 16 : old.size() * 2);
  for (const Slot& slot : old) {
    if (slot.id != kNone) Place(slot);
  }
}

void IdTable::Insert(std::uint32_t hash, std::uint32_t id) {
  if (size_ + 1 > slots_.size() / 4 * 3) Grow();
  Place({hash, id});
  ++size_;
}

void IdTable::Erase(std::uint32_t hash, std::uint32_t id) {
  std::size_t hole = hash & mask();
  while (slots_[hole].id != id || slots_[hole].hash != hash) {
    FETTLE_CHECK(slots_[hole].id != kNone);
    hole = (hole + 1) & mask();
  }
  // What was pushed behind the hole by it moves up.
  for (std::size_t at = (hole + 1) & mask(); slots_[at].id != kNone; at = (at + 1) & mask()) {
    const std::size_t home = slots_[at].hash & mask();
    if (((at - home) & mask()) < ((at - hole) & mask())) continue;
    slots_[hole] = slots_[at];
    hole = at;
  }
  slots_[hole] = {};
  --size_;
}

void IdTable::Clear() {
  slots_.clear();
  slots_.shrink_to_fit();
  size_ = 0;
}

}  // namespace fettle::rules
