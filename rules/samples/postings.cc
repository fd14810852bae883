#include "rules/samples/postings.h"

namespace fettle::rules {

void Postings::Resize(std::uint32_t capacity) {
  if (capacity <= 1) {
    const SeriesId kept = size_ > 0 ? *begin() : 0;
    if (capacity_ > 1) delete[] many_;
    one_ = kept;
    capacity_ = 1;
    return;
  }
  SeriesId* const room = new SeriesId[capacity];
  std::copy_n(begin(), size_, room);
  if (capacity_ > 1) delete[] many_;
  many_ = room;
  capacity_ = capacity;
}

void Postings::Add(SeriesId series) {
  // By a half: the last values of a growing label wait longest, and there are many labels.
  if (size_ == capacity_) Resize(std::max<std::uint32_t>(4, size_ + size_ / 2));
  begin()[size_++] = series;
}

void Postings::Shrink() {
  if (capacity_ > 4 && size_ < capacity_ / 2) Resize(size_);
}

}  // namespace fettle::rules
