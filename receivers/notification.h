// What there is to tell one receiver about one group of alerts. Values.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/clock.h"
#include "common/labels.h"
#include "receivers/consumer.h"

namespace fettle::receivers {

// An alert as it was when its group spoke: it does not resolve while it is being told.
struct NotifiedAlert {
  std::shared_ptr<const LiveAlert> live;
  bool resolved = false;
  const Labels& labels() const { return live->alert.labels; }
  const Labels& annotations() const { return live->alert.annotations; }
  // Time{} while firing.
  Time ends_at() const { return resolved ? live->alert.ends_at : Time{}; }
};

struct Notification {
  std::string receiver;
  std::string group_key;
  Labels group_labels;
  std::vector<NotifiedAlert> alerts;  // in Alertmanager's order
  std::string reason;                 // "first notification"
  std::string external_url;           // without trailing slash
  Time now;
  // What the notifier had remembered of this group.
  std::map<std::string, std::string> data;

  bool firing() const;
  Labels CommonLabels() const;
  Labels CommonAnnotations() const;
};

// Go's model.LabelSet.Before: fewer labels first, then by names and values.
bool LabelsBefore(const Labels& a, const Labels& b);
// By job, then instance (a missing one last), then fewer labels first, then names and values.
void SortAlerts(std::vector<NotifiedAlert>& alerts);

// Escapes what is special in a regular expression, as Go's regexp.QuoteMeta: messages carry the
// receiver's name so.
std::string QuoteMeta(std::string_view text);
// RFC 3339 with as many fractional digits as needed, as Go marshals a time.
std::string GoTime(Time time);

}  // namespace fettle::receivers
