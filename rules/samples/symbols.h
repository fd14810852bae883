// Texts of label names and values, each kept once, by number. A series holds numbers: labels repeat
// themselves a thousand times over.
//
// Not safe from several threads; the store locks around it. Views stay valid while the symbol does.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "rules/samples/id_table.h"

namespace fettle::rules {

using SymbolId = std::uint32_t;

class SymbolTable {
 public:
  static constexpr SymbolId kNone = IdTable::kNone;

  // kNone if nobody uses the text.
  SymbolId Find(std::string_view text) const;
  // One more user of the text.
  SymbolId Take(std::string_view text);
  // One user less; the last takes the text away, and its number may be given again.
  void Drop(SymbolId symbol);

  std::string_view text(SymbolId symbol) const {
    const Entry& entry = entries_[symbol];
    return {entry.text.get(), entry.size};
  }
  std::size_t size() const { return ids_.size(); }
  void Clear();

  // What the write-ahead log calls the symbol, and in which of its segments.
  struct LogName {
    std::uint32_t segment = 0;
    std::uint32_t number = 0;
  };
  LogName& log_name(SymbolId symbol) { return entries_[symbol].log_name; }

 private:
  struct Entry {
    std::unique_ptr<char[]> text;
    std::uint32_t size = 0;
    std::uint32_t users = 0;
    LogName log_name;
  };
  std::vector<Entry> entries_;
  std::vector<SymbolId> free_;
  IdTable ids_;
};

}  // namespace fettle::rules
