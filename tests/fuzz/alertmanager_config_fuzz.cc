// alertmanager.yml: whatever the text, it is read or complained about; what is read routes, groups,
// inhibits and knows its hours.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "common/check.h"
#include "receivers/alertmanager_config.h"
#include "receivers/inhibitor.h"
#include "receivers/route.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace fettle;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  yaml::Complaints complaints;
  const auto config = receivers::ReadAlertmanagerConfig(text, "fuzz.yml", complaints);
  FETTLE_CHECK(config.has_value() == complaints.empty());
  if (!config) return 0;
  const receivers::RouteTree tree(config->route);
  const Time now = TimeFromMillis(1'767'225'600'000);
  receivers::Inhibitor inhibitor(config->inhibit_rules);
  for (const Labels& labels :
       {Labels{}, Labels{{"alertname", "A"}, {"team", "db"}, {"severity", "page"}}}) {
    const auto routes = tree.Match(labels);
    FETTLE_CHECK(!routes.empty());
    for (const receivers::Route* route : routes) {
      FETTLE_CHECK(config->FindReceiver(route->receiver) != nullptr);
      FETTLE_CHECK(!receivers::GroupKey(*route, route->GroupLabels(labels)).empty());
    }
    (void)inhibitor.QuietBecauseOf(labels, now);
  }
  const receivers::Calendar calendar(config->time_intervals);
  for (const auto& [name, intervals] : config->time_intervals) (void)calendar.In(name, now);
  return 0;
}
