#include "receivers/turns.h"

#include <utility>

namespace fettle::receivers {

std::optional<OnLoss> ParseOnLoss(std::string_view name) {
  if (name == "local_if_singleton") return OnLoss::kLocalIfSingleton;
  if (name == "observe") return OnLoss::kObserve;
  if (name == "tell") return OnLoss::kTell;
  return std::nullopt;
}

Turns::Turns(Deps deps, OnLoss on_loss) : deps_(std::move(deps)), on_loss_(on_loss) {}

Turns::~Turns() { *alive_ = false; }

void Turns::Take(const std::string& resource, Then then) {
  deps_.replicas.Take(
      resource, kLease,
      [this, alive = alive_, &brain = deps_.brain, then = std::move(then)](Result<Claim> claim) {
        brain.Finish([this, alive, then, claim = std::move(claim)](const Moment& now) {
          if (!*alive) return;
          if (!claim) {
            const bool others = claim.error().cause == Cause::kConflict;
            return then(others ? Verdict::kOthers : WithoutStore(), nullptr, now);
          }
          auto turn = std::make_shared<Turn>(claim->mark);
          turn->until_ = claim->until.time_since_epoch().count();
          RenewLater(turn, now);
          then(Verdict::kMine, turn, now);
        });
      });
}

Turns::Verdict Turns::WithoutStore() const {
  if (on_loss_ == OnLoss::kTell) return Verdict::kNobodys;
  const bool alone = deps_.replicas.Live().size() <= 1;
  return on_loss_ == OnLoss::kLocalIfSingleton && alone ? Verdict::kNobodys : Verdict::kUnknown;
}

void Turns::RenewLater(const std::shared_ptr<Turn>& turn, const Moment& now) {
  turn->renewal_ =
      deps_.brain.At(now.boot + kRenewEvery, [this, alive = alive_, turn](const Moment& later) {
        if (!*alive) return;
        RenewLater(turn, later);
        deps_.replicas.Take(turn->mark().resource, kLease, [turn](const Result<Claim>& claim) {
          // Under another epoch somebody else may have told in between.
          if (claim && claim->mark.epoch == turn->mark().epoch) {
            turn->until_ = claim->until.time_since_epoch().count();
          } else if (claim || claim.error().cause == Cause::kConflict) {
            turn->until_ = 0;
          }
        });
      });
}

std::vector<ClaimMark> Turns::End(const std::shared_ptr<Turn>& turn) {
  if (turn == nullptr) return {};
  deps_.brain.Cancel(std::exchange(turn->renewal_, {}));
  return {turn->mark()};
}

void Turns::Release(const std::shared_ptr<Turn>& turn) {
  if (turn == nullptr) return;
  Batch batch;
  batch.released = End(turn);
  // If it cannot be given back, it ends with its lease.
  deps_.store.Commit(std::move(batch), [](const Status&) {});
}

}  // namespace fettle::receivers
