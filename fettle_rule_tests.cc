#include "fettle_rule_tests.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <map>
#include <optional>
#include <utility>

#include "common/duration.h"
#include "fettle_rehearsal.h"

namespace fettle {
namespace {

using rules::NotificationCheck;
using rules::RemediationCheck;
using rules::TextMap;

// Whether each of `wanted` can be given one of `there` of its own, and none is left.
template <typename A, typename B>
bool Pairs(const std::vector<A>& wanted, const std::vector<B>& there,
           const std::function<bool(const A&, const B&)>& fits) {
  if (wanted.size() != there.size()) return false;
  std::vector<std::optional<std::size_t>> taken_by(there.size());
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    std::vector<bool> seen(there.size(), false);
    const std::function<bool(std::size_t)> place = [&](std::size_t one) {
      for (std::size_t j = 0; j < there.size(); ++j) {
        if (seen[j] || !fits(wanted[one], there[j])) continue;
        seen[j] = true;
        if (taken_by[j] && !place(*taken_by[j])) continue;
        taken_by[j] = one;
        return true;
      }
      return false;
    };
    if (!place(i)) return false;
  }
  return true;
}

bool Fits(const TextMap& wanted, const Rehearsal::Told::Each& alert) {
  return std::all_of(wanted.begin(), wanted.end(), [&](const auto& label) {
    return alert.labels.Get(label.first) == label.second;
  });
}

std::string Show(const TextMap& labels) {
  return Labels(std::vector<Labels::Pair>(labels.begin(), labels.end())).ToString();
}

std::string Show(const std::vector<NotificationCheck::Told>& expected) {
  std::string out;
  for (const NotificationCheck::Told& one : expected) {
    out += fmt::format("\n            {}:", one.status);
    for (const TextMap& alert : one.alerts) out += " " + Show(alert);
  }
  return out.empty() ? " nothing" : out;
}

std::string Show(const std::vector<Rehearsal::Told>& told) {
  std::string out;
  for (const Rehearsal::Told& one : told) {
    out += fmt::format("\n            {}:", one.firing ? "firing" : "resolved");
    for (const auto& alert : one.alerts) {
      out += " " + alert.labels.ToString() + (one.firing && alert.resolved ? " (resolved)" : "");
    }
  }
  return out.empty() ? " nothing" : out;
}

std::string Show(const Rehearsal::Mended& mended) {
  if (!mended.held) return fmt::format("act, {} of {}", mended.action, mended.target);
  return fmt::format("hold, {} of {}: {}: {}", mended.action, mended.target, mended.reason,
                     mended.sentence);
}

class RehearsalWatcher final : public rules::TestWatcher {
 public:
  RehearsalWatcher(std::unique_ptr<Rehearsal> rehearsal, const rules::TestGroup& test)
      : rehearsal_(std::move(rehearsal)), test_(test) {
    for (const NotificationCheck& check : test.notifications) {
      Plan(check.eval_time, [this, &check] { Judge(check); });
    }
    for (const RemediationCheck& check : test.remediations) {
      Plan(check.eval_time, [this, &check] { Judge(check); });
    }
  }

  void OnEvaluation(Time at, Time next, std::vector<Alert> told) override {
    rehearsal_->PassTo(at);
    rehearsal_->Post(std::move(told));
    while (!due_.empty() && due_.begin()->first < next) {
      rehearsal_->PassTo(due_.begin()->first);
      due_.begin()->second();
      due_.erase(due_.begin());
    }
  }
  std::vector<std::string> Verdict() override { return std::move(failures_); }

 private:
  void Plan(Millis eval_time, std::function<void()> judge) {
    due_.emplace(test_.start + eval_time, std::move(judge));
  }

  // What the receiver was told since the check of it before.
  void Judge(const NotificationCheck& check) {
    std::size_t& seen = seen_of_receiver_[check.receiver];
    std::vector<Rehearsal::Told> told;
    for (; seen < rehearsal_->told().size(); ++seen) {
      const Rehearsal::Told& one = rehearsal_->told()[seen];
      if (one.receiver == check.receiver) told.push_back(one);
    }
    const bool good = Pairs<NotificationCheck::Told, Rehearsal::Told>(
        check.expected, told, [](const auto& wanted, const auto& one) {
          return (wanted.status == "firing") == one.firing &&
                 Pairs<TextMap, Rehearsal::Told::Each>(wanted.alerts, one.alerts, Fits);
        });
    if (good) return;
    Complain(fmt::format("    receiver: {}, time: {},\n        exp:{}\n        got:{}",
                         check.receiver, FormatDuration(check.eval_time), Show(check.expected),
                         Show(told)));
  }

  // What the repair did since the check of it before, else what holds it back.
  void Judge(const RemediationCheck& check) {
    Time& since = since_of_repair_[check.repair + "\n" + check.target];
    std::vector<Rehearsal::Mended> acts;
    std::vector<Rehearsal::Mended> holds;
    for (const Rehearsal::Mended& one : rehearsal_->Mends()) {
      if (one.repair != check.repair) continue;
      if (!check.target.empty() && one.target != check.target) continue;
      if (one.held) {
        holds.push_back(one);
      } else if (one.at >= since) {
        acts.push_back(one);
      }
    }
    since = test_.start + check.eval_time + Millis(1);
    const std::vector<Rehearsal::Mended>& got = acts.empty() ? holds : acts;
    if (AsExpected(check, got)) return;
    std::string shown;
    for (const Rehearsal::Mended& one : got) shown += "\n            " + Show(one);
    std::string expected = check.decision.empty() ? "nothing" : check.decision;
    if (check.action) expected += ", " + *check.action;
    if (check.reason) expected += ": " + *check.reason;
    Complain(fmt::format("    repair: {}, target: {}, time: {},\n        exp: {}\n        got:{}",
                         check.repair, check.target, FormatDuration(check.eval_time), expected,
                         shown.empty() ? " nothing" : shown));
  }

  static bool AsExpected(const RemediationCheck& check, const std::vector<Rehearsal::Mended>& got) {
    if (check.decision.empty()) return got.empty();
    return std::any_of(got.begin(), got.end(), [&](const Rehearsal::Mended& one) {
      return one.held == (check.decision == "hold") &&
             (!check.action || one.action == *check.action) &&
             (!check.reason || one.reason == *check.reason);
    });
  }

  void Complain(const std::string& text) {
    failures_.push_back((test_.name.empty() ? "" : "    name: " + test_.name + ",\n") + text);
  }

  const std::unique_ptr<Rehearsal> rehearsal_;
  const rules::TestGroup& test_;
  std::multimap<Time, std::function<void()>> due_;
  std::map<std::string, std::size_t> seen_of_receiver_;
  std::map<std::string, Time> since_of_repair_;
  std::vector<std::string> failures_;
};

}  // namespace

rules::MakeTestWatcher WatchByRehearsal() {
  return [](const rules::TestFile& file,
            const rules::TestGroup& test) -> Result<std::unique_ptr<rules::TestWatcher>> {
    if (file.fettle_config.empty()) {
      return Fail(Cause::kInvalid,
                  "notification_test and remediation_test need fettle_config: FILE at the top");
    }
    yaml::Complaints complaints;
    FettleConfig config = ReadFettleConfig(file.fettle_config, complaints);
    if (!complaints.empty()) return Fail(Cause::kInvalid, "{}", complaints.ToString());
    auto rehearsal = Rehearsal::Make(std::move(config), test.start);
    if (!rehearsal) return tl::unexpected(rehearsal.error());
    return std::make_unique<RehearsalWatcher>(*std::move(rehearsal), test);
  };
}

}  // namespace fettle
