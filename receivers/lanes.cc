#include "receivers/lanes.h"

namespace fettle::receivers {

bool Lanes::Do(const std::string& name, Hands::Work work, Brain::Task done) {
  Lane& lane = lanes_[name];
  if (lane.hands == nullptr) lane.hands = make_(name);
  const bool taken =
      lane.hands->Do([this, name, work = std::move(work), done = std::move(done)]() mutable {
        work();
        brain_.Finish([this, name, done = std::move(done)](const Moment& now) {
          --lanes_.at(name).under_way;
          Drop();
          done(now);
        });
      });
  if (taken) ++lane.under_way;
  return taken;
}

void Lanes::KeepOnly(std::set<std::string> names) {
  kept_ = std::move(names);
  Drop();
}

void Lanes::Drop() {
  std::erase_if(lanes_, [this](const auto& entry) {
    return entry.second.under_way == 0 && !kept_.contains(entry.first);
  });
}

}  // namespace fettle::receivers
