// One POST of alerts on its way into the live set: checked, with defaults applied, as it is stored.
// Pure functions over values.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/alert.h"
#include "common/result.h"
#include "receivers/consumer.h"

namespace fettle::receivers {

struct Posting {
  AlertSource source = AlertSource::kRules;
  Time at;  // when it was received: the younger of two postings wins
  // Not a sender's word but ours: these alerts lapsed at their ends_at, unless somebody repeated
  // them meanwhile.
  bool lapsed = false;
  std::vector<LiveAlert> alerts;
};

// A single alert is refused beyond this many bytes of labels, annotations and URL.
inline constexpr std::size_t kAlertBytesMax = 512 * 1024;
std::size_t AlertBytes(const Alert& alert);

struct PostingDefaults {
  Millis resolve_timeout{300'000};        // an alert without an end that nobody repeats
  Millis webhook_max_age{5 * 3'600'000};  // the same, of the webhook: Alertmanager repeats rarely
  bool classic_names = false;             // label names must be classic ones
};

// What is right with a batch, and one sentence for each alert that is not (Alertmanager's words).
struct Checked {
  Posting posting;
  std::vector<std::string> complaints;
};
Checked CheckAlerts(AlertBatch batch, const PostingDefaults& defaults, Time now);

// What is believed after `young` has been heard about an alert of which `old` was believed.
// Source: Alertmanager's types.Alert.Merge and provider/mem. `old` may be the younger one.
LiveAlert Merge(const LiveAlert& old, const LiveAlert& young);

// The bodies of the store's records.
std::string EncodePosting(const Posting& posting);
Result<Posting> DecodePosting(std::string_view body);
std::string EncodeLive(std::uint64_t through, const std::vector<std::shared_ptr<const LiveAlert>>&);
struct DecodedLive {
  std::uint64_t through = 0;
  std::vector<LiveAlert> alerts;
};
Result<DecodedLive> DecodeLive(std::string_view body);

}  // namespace fettle::receivers
