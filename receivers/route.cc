#include "receivers/route.h"

#include <algorithm>
#include <tuple>
#include <utility>

namespace fettle::receivers {
namespace {

std::unique_ptr<Route> Build(const RouteConfig& config, const Route* parent, std::size_t& size) {
  auto route = std::make_unique<Route>();
  route->index = size++;
  route->key = MatchersToString(config.matchers);
  if (parent != nullptr) {
    route->key = parent->key + "/" + route->key;
    route->receiver = parent->receiver;
    route->group_by = parent->group_by;
    route->group_by_all = parent->group_by_all;
    route->group_wait = parent->group_wait;
    route->group_interval = parent->group_interval;
    route->repeat_interval = parent->repeat_interval;
  }
  if (!config.receiver.empty()) route->receiver = config.receiver;
  if (config.group_by_all) {
    route->group_by_all = true;
  } else if (config.group_by) {
    // Even an empty list: no labels then, all alerts of the node are one group.
    route->group_by = *config.group_by;
    route->group_by_all = false;
  }
  route->group_wait = config.group_wait.value_or(route->group_wait);
  route->group_interval = config.group_interval.value_or(route->group_interval);
  route->repeat_interval = config.repeat_interval.value_or(route->repeat_interval);
  route->matchers = config.matchers;
  route->mute_time_intervals = config.mute_time_intervals;
  route->active_time_intervals = config.active_time_intervals;
  route->continues = config.continues;
  for (const RouteConfig& child : config.routes) {
    route->routes.push_back(Build(child, route.get(), size));
  }
  return route;
}

bool Walk(const Route& route, const Labels& alert, std::vector<const Route*>& found) {
  if (!MatchAll(route.matchers, alert)) return false;
  const std::size_t before = found.size();
  for (const auto& child : route.routes) {
    if (Walk(*child, alert, found) && !child->continues) break;
  }
  if (found.size() == before) found.push_back(&route);
  return true;
}

}  // namespace

Labels Route::GroupLabels(const Labels& alert) const {
  if (group_by_all) return alert;
  std::vector<Labels::Pair> pairs;
  for (const std::string& name : group_by) {
    if (alert.Has(name)) pairs.emplace_back(name, alert.Get(name));
  }
  return Labels(std::move(pairs));
}

RouteTree::RouteTree(const RouteConfig& root) { root_ = Build(root, nullptr, size_); }

std::vector<const Route*> RouteTree::Match(const Labels& alert) const {
  std::vector<const Route*> found;
  Walk(*root_, alert, found);
  return found;
}

void SortMatchers(Matchers& matchers) {
  std::stable_sort(matchers.begin(), matchers.end(), [](const Matcher& a, const Matcher& b) {
    return std::forward_as_tuple(a.name(), a.value(), a.type()) <
           std::forward_as_tuple(b.name(), b.value(), b.type());
  });
}

std::string MatchersToString(const Matchers& matchers) {
  std::string text = "{";
  for (const Matcher& matcher : matchers) {
    if (text.size() > 1) text += ',';
    text += matcher.ToString();
  }
  return text + "}";
}

std::string GroupKey(const Route& route, const Labels& group_labels) {
  std::string text = route.key + ":{";
  bool first = true;
  for (const auto& [name, value] : group_labels) {
    if (!std::exchange(first, false)) text += ", ";
    text += name + "=" + Quote(value);
  }
  return text + "}";
}

}  // namespace fettle::receivers
