// What API v2 answers, as JSON to the byte as Alertmanager writes it. Pure functions over values.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "common/clock.h"
#include "common/json.h"
#include "receivers/consumer.h"
#include "receivers/silences.h"
#include "receivers/telling.h"

namespace fettle::receivers {

struct AlertView {
  std::shared_ptr<const LiveAlert> live;
  QuietState quiet;
  std::vector<std::string> receivers;
};

// gettableAlert. `muted_by` are the time intervals that keep its group quiet.
void AppendAlert(std::string& out, const AlertView& view, const std::vector<std::string>& muted_by);
// gettableSilence.
void WriteSilence(JsonWriter& json, const Silence& silence, Time now);

std::string_view ToString(Silence::State state);
// Active ones, the next to end first; pending ones, the next to start first; then expired ones, the
// latest first.
void SortSilences(std::vector<std::shared_ptr<const Silence>>& silences, Time now);

}  // namespace fettle::receivers
