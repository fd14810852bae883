// Exemplars of all series, the newest of them: when the shelf is full the oldest goes. Safe from
// any thread.
#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <vector>

#include "rules/exemplar.h"
#include "rules/samples/write_batch.h"

namespace fettle::rules {

class ExemplarShelf {
 public:
  static constexpr std::size_t kExemplarsMax = 10'000;
  // As OpenMetrics: of all names and values of one exemplar's labels; a longer one is refused.
  static constexpr std::size_t kLabelCharactersMax = 128;

  enum class Outcome { kKept, kKnown, kOutOfOrder, kTooLong };
  // Of one series they come in order of time.
  Outcome Add(const Labels& series, Exemplar exemplar);

  // As ExemplarSource.
  std::vector<ExemplarSeries> Find(const std::vector<Matchers>& selectors, Time from,
                                   Time to) const;
  std::size_t size() const;
  // All of them, oldest first. `visit` must not come back to the shelf.
  void ForEach(const std::function<void(const Labels&, const Exemplar&)>& visit) const;

 private:
  struct Newest {
    Exemplar exemplar;
    std::size_t kept = 0;  // how many of the series are on the shelf
  };
  struct Kept {
    std::map<Labels, Newest>::iterator series;
    Exemplar exemplar;
  };
  mutable std::mutex mutex_;  // guards the following
  std::map<Labels, Newest> newest_;
  std::deque<Kept> kept_;
};

}  // namespace fettle::rules
