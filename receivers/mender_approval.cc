// Approval by a person: the part of the mender that asks for it and takes a link's answer.
#include <utility>

#include "common/duration.h"
#include "receivers/actions/escalate.h"
#include "receivers/mender.h"
#include "receivers/mender_live.h"

namespace fettle::receivers {
namespace {

constexpr Millis kAskWithin{60'000};

}  // namespace

// The receiver that it would be left to in the end, once a pass; again if it could not be reached.
void Mender::AskForApproval(Live& live, const Moment& now) {
  const Incident& incident = live.incident;
  const std::size_t last = live.repair->EscalationRung();
  if (live.approval_asked == incident.pass || deps_.teller == nullptr ||
      last >= live.repair->rungs.size()) {
    return;
  }
  const std::string receiver = std::get<EscalateSpec>(live.repair->rungs[last].action).receiver;
  if (!deps_.teller->Knows(receiver)) return;
  live.approval_asked = incident.pass;
  ActionCall call;
  call.incident = std::make_shared<const Incident>(incident);
  call.earlier = live.attempts;
  call.reason = std::string(KindOf(RungOf(live)->action)) + " of " + incident.target;
  std::string link;
  if (deps_.approvals != nullptr && !deps_.external_url.empty()) {
    const Time until = now.wall + Approvals::kLasts;
    link = fmt::format("{}/approve?incident={}&token={}", deps_.external_url, incident.id,
                       deps_.approvals->Token(incident.id, incident.pass, until));
  }
  deps_.teller->Tell(receiver, incident.id, {ApprovalAlert(call, link, now.wall)}, kAskWithin,
                     [this, id = incident.id, receiver](const Status& status, const Moment& later) {
                       Live* asked = FindLive(id);
                       if (asked == nullptr) return;
                       if (status) {
                         asked->incident.Note(later.wall, "asked " + receiver + " for approval");
                         return;
                       }
                       asked->approval_asked = -1;
                       deps_.log.Warn("nobody could be asked for approval",
                                      {{"incident", id}, {"err", status.error().message}});
                     });
}

void Mender::Approve(const std::string& incident, int pass, const std::string& by, Done done,
                     const Moment& now) {
  Live* live = FindLive(incident);
  if (live == nullptr || !live->incident.open()) {
    done(Fail(Cause::kNotFound, "there is no open incident {}", Quote(incident)));
    return;
  }
  live->commands.push_back([this, incident, pass, by, done](Live& free, const Moment& then) {
    if (free.incident.pass == pass) {
      RunCommand(free, Command::kApprove, by, done, then);
      return;
    }
    done(Fail(Cause::kConflict, "the link was for an attempt that is over"));
    Free(incident, then);
  });
  Free(incident, now);
}

}  // namespace fettle::receivers
