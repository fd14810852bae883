// Hands what an engine's watch tells on to the mender, on the brain.
#pragma once

#include <string>
#include <utility>

#include "common/brain.h"
#include "common/engine_watch.h"
#include "receivers/mender.h"

namespace fettle::receivers {

// One for each watch; called on the watch's thread. Brain and mender must outlive the watch.
class EngineEars final : public EngineListener {
 public:
  EngineEars(Brain& brain, Mender& mender, std::string connection)
      : brain_(brain), mender_(mender), connection_(std::move(connection)) {}

  // Finish and not Post: an event that is refused would be an operator's stop that is undone.
  void OnEngineEvent(const EngineEvent& event, const Moment&) override {
    brain_.Finish([this, event](const Moment& now) { mender_.OnEngineEvent(event, now); });
  }
  void OnInventory(const std::vector<Container>& containers, const Moment&) override {
    brain_.Finish([this, containers](const Moment& now) {
      mender_.OnInventory(connection_, containers, now);
    });
  }

 private:
  Brain& brain_;
  Mender& mender_;
  const std::string connection_;
};

}  // namespace fettle::receivers
