// What happens around the stack and is told to fettle: a deploy, money spent, a GPU burst,
// maintenance. Values.
//
// As JSON: {id, kind: deploy|spend|gpu|maintenance|custom, phase: before|start|end|failed, at,
// labels, usd?, usd_per_hour?}. Something that takes time is told at its start and at its end, with
// the same kind and the same `service`, or for a GPU the same `provider` and `instance`.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "common/clock.h"
#include "common/labels.h"
#include "common/result.h"

namespace fettle::receivers {

enum class EventKind { kDeploy, kSpend, kGpu, kMaintenance, kCustom };
enum class EventPhase { kBefore, kStart, kEnd, kFailed };

struct Event {
  // Beyond these an event is refused (kLimit).
  static constexpr std::size_t kIdBytesMax = 256;
  static constexpr std::size_t kLabelsMax = 32;
  static constexpr std::size_t kLabelBytesMax = 1024;  // a name, and a value
  // A clock that is wrong by more is refused: such an event would count in the wrong month.
  static constexpr Millis kAheadMax{10 * 60'000};

  std::string id;
  EventKind kind = EventKind::kCustom;
  EventPhase phase = EventPhase::kEnd;
  Time at;  // in whole milliseconds
  Labels labels;
  std::optional<double> usd;           // spent by this event
  std::optional<double> usd_per_hour;  // of a GPU, from its start to its end

  bool operator==(const Event&) const = default;
};

std::string_view ToString(EventKind kind);
std::string_view ToString(EventPhase phase);

// `now` is the event's time unless it says. All that is wrong in one sentence: kInvalid or kLimit.
Result<Event> ParseEvent(std::string_view json, Time now);
// What ParseEvent reads back the same.
std::string EncodeEvent(const Event& event);
// "deploy of web, end (version=abc)": for people.
std::string Describe(const Event& event);

}  // namespace fettle::receivers
