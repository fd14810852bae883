// The routing tree and who matches it. Built once from alertmanager.yml; immutable afterwards and
// safe to read from any thread. Source: Alertmanager's dispatch/route.go.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/clock.h"
#include "common/labels.h"
#include "common/matcher.h"
#include "common/yaml.h"

namespace fettle::receivers {

// A node as it stands in the file: what is absent is inherited.
struct RouteConfig {
  yaml::Place place;
  std::string receiver;
  std::optional<std::vector<std::string>> group_by;  // without "..."
  bool group_by_all = false;
  Matchers matchers;  // of match, match_re and matchers, sorted as Alertmanager sorts them
  std::vector<std::string> mute_time_intervals;
  std::vector<std::string> active_time_intervals;
  bool continues = false;
  std::optional<Millis> group_wait;
  std::optional<Millis> group_interval;
  std::optional<Millis> repeat_interval;
  std::vector<RouteConfig> routes;
};

// A node with everything inherited.
struct Route {
  std::size_t index = 0;  // in depth-first order; the root is 0
  // Each node's matchers from the root on: {}/{team="b"}/{team=~".+"}. Part of the group key.
  std::string key;
  std::string receiver;
  std::vector<std::string> group_by;
  bool group_by_all = false;
  Millis group_wait{30'000};
  Millis group_interval{300'000};
  Millis repeat_interval{4 * 3'600'000};
  Matchers matchers;
  std::vector<std::string> mute_time_intervals;
  std::vector<std::string> active_time_intervals;
  bool continues = false;
  std::vector<std::unique_ptr<Route>> routes;

  // The labels of an alert that decide its group here.
  Labels GroupLabels(const Labels& alert) const;
};

class RouteTree {
 public:
  explicit RouteTree(const RouteConfig& root);

  // Every node the alert goes to: the deepest that match, the first one of each level unless it
  // continues. Never empty.
  std::vector<const Route*> Match(const Labels& alert) const;
  const Route& root() const { return *root_; }
  std::size_t size() const { return size_; }

 private:
  std::size_t size_ = 0;
  std::unique_ptr<Route> root_;
};

// By name, value, type: the order of matchers in route keys.
void SortMatchers(Matchers& matchers);
// {a="x",b!~"y"}
std::string MatchersToString(const Matchers& matchers);
// route key : {alertname="A2", sev="a"}
std::string GroupKey(const Route& route, const Labels& group_labels);

}  // namespace fettle::receivers
