// Asks another program by HTTP to do something: a configured method and URL, never one that an
// alert chose.
//
// Each attempt has its own `Idempotency-Key`. Only what may be repeated is repeated after a lost
// answer: GET, PUT and DELETE, and others if they are configured as idempotent; otherwise nobody
// knows what became of it, and a person decides.
#pragma once

#include <string>

#include "common/brain.h"
#include "common/hands.h"
#include "common/http.h"
#include "receivers/action.h"

namespace fettle::receivers {

class HttpAction final : public Action {
 public:
  static constexpr Millis kTimeoutDefault{30'000};
  static constexpr Millis kAgainAfter{2'000};
  static constexpr std::size_t kAnswerBytesMax = 64 * 1024;

  struct Deps {
    Brain& brain;
    Hands& hands;
    const Clock& clock;
    HttpTransport* http = nullptr;  // nullptr: every attempt fails
  };
  explicit HttpAction(Deps deps) : deps_(deps) {}

  const ActionTraits& traits() const override;
  Identity Prepare(const Subject&, const Incident&, const Container*) const override { return {}; }
  Millis DefaultTimeout(const Attempt&) const override { return kTimeoutDefault; }
  void Call(ActionCall call, Finish finish) override { Work(std::move(call), false, finish); }
  void Recover(ActionCall call, Finish finish) override { Work(std::move(call), true, finish); }

 private:
  void Work(ActionCall call, bool again, const Finish& finish);
  // On a hand.
  Step Do(const ActionCall& call, bool again) const;

  const Deps deps_;
};

// {"repair", "target", "incident", "attempt", "labels"} of an attempt; labels as JSON texts.
std::string HttpActionBody(const ActionCall& call);

}  // namespace fettle::receivers
