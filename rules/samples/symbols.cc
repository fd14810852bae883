#include "rules/samples/symbols.h"

#include <xxhash.h>

#include <cstring>

#include "common/check.h"

namespace fettle::rules {
namespace {

std::uint32_t HashOf(std::string_view text) {
  return static_cast<std::uint32_t>(XXH3_64bits(text.data(), text.size()));
}

}  // namespace

SymbolId SymbolTable::Find(std::string_view text) const {
  return ids_.Find(HashOf(text), [&](SymbolId id) { return this->text(id) == text; });
}

SymbolId SymbolTable::Take(std::string_view text) {
  SymbolId id = Find(text);
  if (id == kNone) {
    if (free_.empty()) {
      id = static_cast<SymbolId>(entries_.size());
      entries_.emplace_back();
    } else {
      id = free_.back();
      free_.pop_back();
    }
    Entry& entry = entries_[id];
    entry.text.reset(new char[text.size()]);
    std::memcpy(entry.text.get(), text.data(), text.size());
    entry.size = static_cast<std::uint32_t>(text.size());
    ids_.Insert(HashOf(text), id);
  }
  ++entries_[id].users;
  return id;
}

void SymbolTable::Drop(SymbolId symbol) {
  Entry& entry = entries_[symbol];
  FETTLE_CHECK(entry.users > 0);
  if (--entry.users > 0) return;
  ids_.Erase(HashOf(text(symbol)), symbol);
  entry = {};
  free_.push_back(symbol);
}

void SymbolTable::Clear() {
  entries_.clear();
  free_.clear();
  ids_.Clear();
}

}  // namespace fettle::rules
