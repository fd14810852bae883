#include "rules/alert_queue.h"

#include <utility>

namespace fettle::rules {

std::size_t AlertQueue::Push(std::shared_ptr<const Alert> alert, Time now) {
  Waiting waiting{.alert = std::move(alert)};
  waiting.fingerprint = waiting.alert->labels.Fingerprint();
  waiting.resolved = waiting.alert->ResolvedAt(now);
  const auto known = newest_.find(waiting.fingerprint);
  if (known != newest_.end() && known->second->resolved == waiting.resolved) {
    known->second->alert = std::move(waiting.alert);
    return 0;
  }
  const std::uint64_t fingerprint = waiting.fingerprint;
  newest_[fingerprint] = waiting_.insert(waiting_.end(), std::move(waiting));
  return DropOldest();
}

std::size_t AlertQueue::DropOldest() {
  std::size_t dropped = 0;
  for (; waiting_.size() > size_max_; ++dropped) {
    const auto newest = newest_.find(waiting_.front().fingerprint);
    if (newest != newest_.end() && newest->second == waiting_.begin()) newest_.erase(newest);
    waiting_.pop_front();
  }
  return dropped;
}

AlertQueue::Taken AlertQueue::Take(std::size_t most, Time now) {
  Taken taken;
  while (!waiting_.empty() && taken.alerts.size() < most) {
    const auto newest = newest_.find(waiting_.front().fingerprint);
    if (newest != newest_.end() && newest->second == waiting_.begin()) newest_.erase(newest);
    Waiting waiting = std::move(waiting_.front());
    waiting_.pop_front();
    if (!waiting.resolved && waiting.alert->ResolvedAt(now)) {
      ++taken.expired;
    } else {
      taken.alerts.push_back(std::move(waiting));
    }
  }
  return taken;
}

std::size_t AlertQueue::GiveBack(std::vector<Waiting> taken) {
  for (auto it = taken.rbegin(); it != taken.rend(); ++it) {
    const auto newest = newest_.find(it->fingerprint);
    if (newest != newest_.end() && newest->second->resolved == it->resolved) continue;
    const std::uint64_t fingerprint = it->fingerprint;
    const Place place = waiting_.insert(waiting_.begin(), std::move(*it));
    newest_.try_emplace(fingerprint, place);
  }
  return DropOldest();
}

}  // namespace fettle::rules
