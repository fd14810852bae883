#include "receivers/gates.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <utility>

#include "common/duration.h"
#include "common/json.h"

namespace fettle::receivers {
namespace {

constexpr const char* kKind = "reservation";

std::string Usd(double usd) { return fmt::format("{:.2f} USD", usd); }

// What the decision was, for the audit.
std::string AuditBody(const GateSpec& gate, const GateRequest& request, const GateAnswer& answer) {
  JsonWriter json;
  json.BeginObject()
      .Field("what", "gate")
      .Field("gate", gate.name)
      .Field("operation", request.operation)
      .Field("by", request.by)
      .Field("estimate_usd", request.estimate_usd)
      .Field("decision", answer.allow ? "allow" : "deny")
      .Field("reason", answer.reason)
      .Field("sentence", answer.sentence)
      .Field("reservation", answer.reservation_id)
      .EndObject();
  return json.Take();
}

Write WriteOf(const Reservation& reservation, std::int64_t expected) {
  Record record;
  record.kind = kKind;
  record.id = reservation.id;
  record.key = reservation.gate;
  record.due_at = reservation.expires_at;
  record.body = EncodeReservation(reservation);
  return {.record = std::move(record), .expected = expected};
}

}  // namespace

Gates::Gates(Deps deps, std::vector<GateSpec> gates)
    : deps_(std::move(deps)), gates_(std::move(gates)) {}

Gates::~Gates() { deps_.brain.Cancel(forgetting_); }

Status Gates::Restore(const Moment& now) {
  RecordQuery query;
  query.kind = kKind;
  const auto records = deps_.store.Read(query);
  if (!records) return While("restoring reservations", records.error());
  for (const Record& record : *records) {
    Result<Reservation> reservation = DecodeReservation(record.body);
    if (!reservation) return While("restoring reservation " + record.id, reservation.error());
    reservations_[record.id] = *std::move(reservation);
  }
  Forget(now);
  return {};
}

const GateSpec* Gates::Find(const std::string& name) const {
  const auto found = std::find_if(gates_.begin(), gates_.end(),
                                  [&](const GateSpec& gate) { return gate.name == name; });
  return found == gates_.end() ? nullptr : &*found;
}

GateFacts Gates::Look(const GateSpec& gate, Time now) const {
  GateFacts facts;
  const auto ask = [&](const std::string& expression) -> std::optional<std::vector<Sample>> {
    auto answer = deps_.judge.Ask(expression, now, kAskTimeout);
    if (answer) return *std::move(answer);
    facts.trouble = answer.error().message;
    return std::nullopt;
  };
  facts.condition = true;
  if (!gate.when.empty()) {
    facts.condition = std::nullopt;
    if (const auto held = ask(gate.when)) facts.condition = !held->empty();
    const std::string compared = deps_.judge.Compared(gate.when);
    if (facts.condition == false && !compared.empty()) {
      const auto known = ask(compared);
      if (!known || known->empty()) {
        facts.condition = std::nullopt;
        if (facts.trouble.empty()) facts.trouble = compared + " has no value";
      }
    }
  }
  if (gate.budget.empty()) return facts;
  const auto one = [&](const char* metric) -> std::optional<double> {
    const auto found = ask(fmt::format("{}{{budget={}}}", metric, Quote(gate.budget)));
    if (!found || found->empty() || !std::isfinite(found->front().value)) return std::nullopt;
    return found->front().value;
  };
  facts.spent_usd = one("fettle_budget_spent_usd");
  facts.limit_usd = one("fettle_budget_limit_usd");
  if (const auto through = one("fettle_budget_data_through_timestamp_seconds")) {
    facts.data_through = TimeFromMillis(std::llround(*through * 1000));
  }
  return facts;
}

double Gates::ReservedUsd(const std::string& budget, std::optional<Time> data_through,
                          Time now) const {
  double sum = 0;
  for (const auto& [id, one] : reservations_) {
    if (one.budget != budget || budget.empty()) continue;
    if (one.actual_usd) {
      if (!data_through || one.settled_at >= *data_through) sum += *one.actual_usd;
    } else if (now < one.expires_at) {
      sum += one.estimate_usd;
    }
  }
  return sum;
}

GateAnswer Gates::Judged(const GateSpec& gate, const GateFacts& facts, double estimate_usd,
                         Time now) const {
  GateAnswer answer;
  answer.data_through = facts.data_through;
  const auto unknown = [&](std::string sentence) {
    answer.allow = gate.allow_stale;
    answer.degraded = true;
    answer.reason = "stale";
    answer.sentence = std::move(sentence);
    return answer;
  };
  const auto why = [&](std::string text) {
    return facts.trouble.empty() ? text : text + ": " + facts.trouble;
  };
  // What is known to forbid it does, whatever else is unknown.
  if (facts.condition == false) {
    answer.reason = "condition";
    answer.sentence = "the condition does not hold: " + gate.when;
    return answer;
  }
  const bool known = facts.spent_usd && facts.limit_usd && facts.data_through;
  if (!gate.budget.empty() && known) {
    const double reserved = ReservedUsd(gate.budget, facts.data_through, now);
    const double left = *facts.limit_usd * gate.threshold - *facts.spent_usd - reserved;
    answer.remaining_usd = left;
    if (estimate_usd > left) {
      answer.reason = "budget";
      answer.sentence =
          fmt::format("{} is estimated, and of budget {} {} is left: {} of {} spent, {} reserved",
                      Usd(estimate_usd), gate.budget, Usd(std::max(0.0, left)),
                      Usd(*facts.spent_usd), Usd(*facts.limit_usd * gate.threshold), Usd(reserved));
      return answer;
    }
    answer.remaining_usd = left - estimate_usd;
  }
  if (!facts.condition) return unknown(why("the condition is unknown"));
  if (!gate.budget.empty() && !known) {
    return unknown(why(fmt::format("nothing is known of budget {}", gate.budget)));
  }
  if (!gate.budget.empty() && now - *facts.data_through > gate.stale_after) {
    return unknown(fmt::format("budget {} is only known up to {}", gate.budget,
                               FormatRfc3339(*facts.data_through)));
  }
  answer.allow = true;
  answer.reason = "ok";
  answer.sentence = gate.when.empty() ? "the budget allows it" : "the condition holds";
  return answer;
}

void Gates::Decide(const GateSpec& gate, const GateFacts& facts, const GateRequest& request,
                   Then then, const Moment& now) {
  if (const Reservation* known = Known(gate, request.idempotency_key)) {
    GateAnswer again = Judged(gate, facts, 0, now.wall);
    again.allow = true;
    again.reason = "ok";
    again.sentence = "it was reserved before";
    again.reservation_id = known->id;
    return then(std::move(again));
  }
  GateAnswer answer = Judged(gate, facts, request.estimate_usd, now.wall);
  Count(gate, answer);
  if (answer.allow && request.reserve) {
    return Reserve(gate, request, std::move(answer), std::move(then), now);
  }
  Batch batch;
  batch.audit.push_back(AuditBody(gate, request, answer));
  deps_.store.Commit(std::move(batch), [log = deps_.log](const Status& status) {
    if (!status) log.Warn("a decision could not be audited", {{"err", status.error().message}});
  });
  then(std::move(answer));
}

void Gates::Reserve(const GateSpec& gate, const GateRequest& request, GateAnswer answer, Then then,
                    const Moment& now) {
  if (reservations_.size() >= kReservationsMax) {
    return then(
        Fail(Cause::kLimit, "{} reservations are kept, which is the limit", kReservationsMax));
  }
  Reservation one{.id = deps_.random.Uuid(),
                  .gate = gate.name,
                  .budget = gate.budget,
                  .operation = request.operation,
                  .idempotency_key = request.idempotency_key,
                  .estimate_usd = request.estimate_usd,
                  .at = now.wall,
                  .expires_at = now.wall + (request.ttl > Millis(0) ? request.ttl : gate.ttl),
                  .actual_usd = std::nullopt,
                  .settled_at = {}};
  answer.reservation_id = one.id;
  Batch batch;
  batch.writes.push_back(WriteOf(one, 0));
  batch.audit.push_back(AuditBody(gate, request, answer));
  const std::string id = one.id;
  reservations_[id] = std::move(one);
  Show(now.wall);
  deps_.store.Commit(std::move(batch), [this, id, answer = std::move(answer),
                                        then = std::move(then)](Status stored) {
    deps_.brain.Finish([this, id, answer, then, stored = std::move(stored)](const Moment& later) {
      if (stored) return then(answer);
      // A store that says no may have kept it all the same: then it expires.
      reservations_.erase(id);
      Show(later.wall);
      then(tl::unexpected<Error>(stored.error()));
    });
  });
}

void Gates::Settle(const std::string& gate, const std::string& id, double actual_usd,
                   const std::string& by, SettleThen then, const Moment& now) {
  const auto found = reservations_.find(id);
  if (found == reservations_.end() || found->second.gate != gate) {
    return then(Fail(Cause::kNotFound, "gate {} has no reservation {}", gate, id));
  }
  if (found->second.actual_usd) {
    if (*found->second.actual_usd == actual_usd) return then({});
    return then(
        Fail(Cause::kConflict, "it is settled already, with {}", Usd(*found->second.actual_usd)));
  }
  Reservation settled = found->second;
  settled.actual_usd = actual_usd;
  settled.settled_at = now.wall;
  JsonWriter json;
  json.BeginObject()
      .Field("what", "gate settled")
      .Field("gate", gate)
      .Field("reservation", id)
      .Field("by", by)
      .Field("estimate_usd", settled.estimate_usd)
      .Field("actual_usd", actual_usd)
      .EndObject();
  Batch batch;
  batch.writes.push_back(WriteOf(settled, 1));
  batch.audit.push_back(json.Take());
  deps_.store.Commit(std::move(batch), [this, settled = std::move(settled),
                                        then = std::move(then)](Status stored) {
    deps_.brain.Finish([this, settled, then, stored = std::move(stored)](const Moment& later) {
      if (stored) reservations_[settled.id] = settled;
      Show(later.wall);
      then(stored);
    });
  });
}

std::vector<Reservation> Gates::ReservationsOf(const std::string& gate) const {
  std::vector<Reservation> of;
  for (const auto& [id, one] : reservations_) {
    if (one.gate == gate) of.push_back(one);
  }
  std::sort(of.begin(), of.end(),
            [](const Reservation& a, const Reservation& b) { return a.at > b.at; });
  return of;
}

const Reservation* Gates::Known(const GateSpec& gate, const std::string& key) const {
  if (key.empty()) return nullptr;
  for (const auto& [id, one] : reservations_) {
    if (one.gate == gate.name && one.idempotency_key == key) return &one;
  }
  return nullptr;
}

void Gates::Count(const GateSpec& gate, const GateAnswer& answer) const {
  const std::string decision = !answer.allow     ? "deny"
                               : answer.degraded ? "allow_degraded"
                                                 : "allow";
  deps_.metrics
      .Counter("fettle_gate_decisions_total", "Decisions of gates.",
               {{"gate", gate.name}, {"decision", decision}, {"reason", answer.reason}})
      .Increment();
}

void Gates::Show(Time now) {
  std::set<std::string> budgets;
  for (const GateSpec& gate : gates_) {
    if (!gate.budget.empty()) budgets.insert(gate.budget);
  }
  for (const std::string& budget : budgets) {
    deps_.metrics
        .Gauge("fettle_budget_reserved_usd", "Reserved and not settled.", {{"budget", budget}})
        .Set(ReservedUsd(budget, now, now));
  }
}

void Gates::Forget(const Moment& now) {
  forgetting_ =
      deps_.brain.At(now.boot + kForgetEvery, [this](const Moment& then) { Forget(then); });
  Batch batch;
  for (const auto& [id, one] : reservations_) {
    if (std::max(one.expires_at, one.settled_at) + kKept < now.wall) {
      batch.erasures.push_back({.kind = kKind, .id = id});
    }
  }
  for (const Erase& erase : batch.erasures) reservations_.erase(erase.id);
  Show(now.wall);
  if (batch.erasures.empty()) return;
  deps_.store.Commit(std::move(batch), [log = deps_.log](const Status& status) {
    if (!status) log.Warn("could not forget old reservations", {{"err", status.error().message}});
  });
}

std::string EncodeReservation(const Reservation& one) {
  JsonWriter json;
  json.BeginObject()
      .Field("id", one.id)
      .Field("gate", one.gate)
      .Field("budget", one.budget)
      .Field("operation", one.operation)
      .Field("idempotency_key", one.idempotency_key)
      .Field("estimate_usd", one.estimate_usd)
      .Field("at", FormatRfc3339(one.at))
      .Field("expires_at", FormatRfc3339(one.expires_at));
  if (one.actual_usd) {
    json.Field("actual_usd", *one.actual_usd).Field("settled_at", FormatRfc3339(one.settled_at));
  }
  json.EndObject();
  return json.Take();
}

Result<Reservation> DecodeReservation(std::string_view body) {
  const Result<Json> parsed = Json::Parse(body);
  if (!parsed) return tl::unexpected(parsed.error());
  const Json& json = *parsed;
  Reservation one{.id = json["id"].StringOr(""),
                  .gate = json["gate"].StringOr(""),
                  .budget = json["budget"].StringOr(""),
                  .operation = json["operation"].StringOr(""),
                  .idempotency_key = json["idempotency_key"].StringOr(""),
                  .estimate_usd = json["estimate_usd"].NumberOr(0),
                  .at = {},
                  .expires_at = {},
                  .actual_usd = json["actual_usd"].Number(),
                  .settled_at = {}};
  const Result<Time> at = ParseRfc3339(json["at"].StringOr(""));
  const Result<Time> expires = ParseRfc3339(json["expires_at"].StringOr(""));
  if (!at || !expires) return Fail(Cause::kInvalid, "a reservation without its times");
  one.at = *at;
  one.expires_at = *expires;
  if (one.actual_usd) {
    const Result<Time> settled = ParseRfc3339(json["settled_at"].StringOr(""));
    if (!settled) return Fail(Cause::kInvalid, "a settled reservation without its time");
    one.settled_at = *settled;
  }
  return one;
}

}  // namespace fettle::receivers
