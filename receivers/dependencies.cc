#include "receivers/dependencies.h"

#include <algorithm>

namespace fettle::receivers {
namespace {

constexpr char kLabelDependsOn[] = "com.docker.compose.depends_on";
constexpr std::string_view kContainerMode = "container:";
// Such a one has ended when it has done its work.
constexpr std::string_view kCompletes = "service_completed_successfully";

}  // namespace

Place PlaceOf(const std::string& connection, const Container& container) {
  return {connection, container.Project(), container.Service()};
}

Subject SubjectOf(const Place& place) {
  TargetSpec spec;
  spec.connection = place.connection;
  spec.project = place.project;
  (place.project.empty() ? spec.container : spec.service) = place.service;
  return Subject{place.Name(), spec, ""};
}

std::vector<std::string> ComposeDependencies(const Container& container) {
  std::vector<std::string> services;
  const std::string text = container.Label(kLabelDependsOn);
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    const std::string item = text.substr(begin, end - begin);
    const std::string service = item.substr(0, item.find(':'));
    const bool completes = item.find(kCompletes) != std::string::npos;
    if (!service.empty() && !completes) services.push_back(service);
    begin = end + 1;
  }
  return services;
}

void Dependencies::Learn(const std::string& connection, const std::vector<Container>& containers) {
  Edges edges;
  for (const Container& container : containers) {
    const Place place = PlaceOf(connection, container);
    for (const std::string& service : ComposeDependencies(container)) {
      edges[place].insert({connection, container.Project(), service});
    }
    if (!container.network_mode.starts_with(kContainerMode)) continue;
    const std::string shared = container.network_mode.substr(kContainerMode.size());
    for (const Container& other : containers) {
      if (other.id == shared || other.name == shared)
        edges[place].insert(PlaceOf(connection, other));
    }
  }
  inventory_[connection] = containers;
  learnt_[connection] = std::move(edges);
  Join();
}

void Dependencies::Use(const RepairsConfig& config) {
  targets_ = config.targets;
  Join();
}

void Dependencies::Join() {
  needs_.clear();
  needed_by_.clear();
  for (const auto& [connection, edges] : learnt_) {
    for (const auto& [place, parents] : edges) needs_[place].insert(parents.begin(), parents.end());
  }
  for (const TargetSpec& target : targets_) {
    for (const std::string& name : target.depends_on) {
      const auto parent = std::find_if(targets_.begin(), targets_.end(),
                                       [&](const TargetSpec& spec) { return spec.name == name; });
      if (parent != targets_.end()) needs_[PlaceOfTarget(target)].insert(PlaceOfTarget(*parent));
    }
  }
  for (auto& [place, parents] : needs_) {
    parents.erase(place);
    for (const Place& parent : parents) needed_by_[parent].insert(place);
  }
}

Place Dependencies::PlaceOfTarget(const TargetSpec& spec) const {
  if (spec.container.empty()) return {spec.connection, spec.project, spec.service};
  const auto known = inventory_.find(spec.connection);
  if (known != inventory_.end()) {
    for (const Container& container : known->second) {
      if (container.name == spec.container) return PlaceOf(spec.connection, container);
    }
  }
  return {spec.connection, "", spec.container};
}

Place Dependencies::PlaceOfSubject(const Subject& subject) const {
  return subject.containers ? PlaceOfTarget(*subject.containers) : Place{};
}

// Breadth first, so the nearest come first; each once.
std::vector<Place> Dependencies::Reach(const Edges& edges, const Place& from) const {
  std::vector<Place> reached{from};
  for (std::size_t i = 0; i < reached.size() && reached.size() < kPlacesMax; ++i) {
    const auto found = edges.find(reached[i]);
    if (found == edges.end()) continue;
    for (const Place& next : found->second) {
      if (std::find(reached.begin(), reached.end(), next) == reached.end()) reached.push_back(next);
    }
  }
  reached.erase(reached.begin());
  return reached;
}

std::vector<Place> Dependencies::Above(const Place& place) const {
  std::vector<Place> above = Reach(needs_, place);
  const std::vector<Place> below = Reach(needed_by_, place);
  std::erase_if(above, [&](const Place& parent) {
    return std::find(below.begin(), below.end(), parent) != below.end();
  });
  return above;
}

std::vector<Place> Dependencies::Below(const Place& place) const {
  std::vector<Place> waiting = Reach(needed_by_, place);
  const std::vector<Place> above = Reach(needs_, place);
  std::erase_if(waiting, [&](const Place& child) {
    return std::find(above.begin(), above.end(), child) != above.end();
  });
  std::vector<Place> ordered;
  while (!waiting.empty()) {
    // The first that needs none of those still waiting; in a circle, simply the first.
    auto next = std::find_if(waiting.begin(), waiting.end(), [&](const Place& child) {
      const auto parents = needs_.find(child);
      return parents == needs_.end() ||
             std::none_of(waiting.begin(), waiting.end(),
                          [&](const Place& other) { return parents->second.contains(other); });
    });
    if (next == waiting.end()) next = waiting.begin();
    ordered.push_back(*next);
    waiting.erase(next);
  }
  return ordered;
}

}  // namespace fettle::receivers
