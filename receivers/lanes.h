// Hands for telling, a few for each integration, so that a receiver that hangs delays nobody but
// itself. Made when first needed; kept over a reload, because work may still be under way.
// Belongs to the brain.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>

#include "common/brain.h"
#include "common/hands.h"

namespace fettle::receivers {

class Lanes {
 public:
  // How many tellings of one integration may be under way at once.
  static constexpr std::size_t kHandsPerLane = 4;
  using MakeHands = std::function<std::unique_ptr<Hands>(const std::string& name)>;

  Lanes(Brain& brain, MakeHands make) : brain_(brain), make_(std::move(make)) {}

  // False if too much waits in this lane already. `done` runs on the brain after `work`.
  bool Do(const std::string& lane, Hands::Work work, Brain::Task done);
  // Lanes that are not named go, once nothing is under way in them.
  void KeepOnly(std::set<std::string> names);

 private:
  struct Lane {
    std::unique_ptr<Hands> hands;
    std::size_t under_way = 0;
  };
  void Drop();

  Brain& brain_;
  const MakeHands make_;
  std::map<std::string, Lane> lanes_;
  std::set<std::string> kept_;
};

}  // namespace fettle::receivers
