// The numbers of the series that have one label, ascending, in 16 bytes and 4 a series: most values
// of wide labels belong to one series, which is kept in place.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

namespace fettle::rules {

using SeriesId = std::uint32_t;

class Postings {
 public:
  Postings() = default;
  Postings(Postings&& other) noexcept { Swap(other); }
  Postings& operator=(Postings&& other) noexcept {
    Swap(other);
    return *this;
  }
  ~Postings() {
    if (capacity_ > 1) delete[] many_;
  }

  // REQUIRES: greater than all that are there.
  void Add(SeriesId series);
  template <typename Gone>
  void RemoveIf(const Gone& gone) {
    SeriesId* const end = std::remove_if(begin(), begin() + size_, gone);
    size_ = static_cast<std::uint32_t>(end - begin());
    Shrink();
  }
  template <typename Map>
  void Renumber(const Map& map) {
    std::transform(begin(), begin() + size_, begin(), map);
  }

  std::span<const SeriesId> view() const { return {capacity_ > 1 ? many_ : &one_, size_}; }
  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }

 private:
  SeriesId* begin() { return capacity_ > 1 ? many_ : &one_; }
  void Shrink();
  void Resize(std::uint32_t capacity);
  void Swap(Postings& other) {
    std::swap(size_, other.size_);
    std::swap(capacity_, other.capacity_);
    std::swap(many_, other.many_);
  }

  std::uint32_t size_ = 0;
  std::uint32_t capacity_ = 1;
  union {
    SeriesId one_;
    SeriesId* many_ = nullptr;
  };
};

}  // namespace fettle::rules
