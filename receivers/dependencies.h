// What needs what: from Compose's labels, shared namespaces and `depends_on` of the configuration.
//
// A node is a service of an engine. Compose v2 writes `com.docker.compose.depends_on` =
// "db:service_healthy:false,redis:service_started:true" on each container; `network_mode`,
// `service:x` becomes "container:<id>" in HostConfig.NetworkMode. Owned by the brain; a value.
#pragma once

#include <compare>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "common/engine.h"
#include "receivers/repairs_config.h"
#include "receivers/targets.h"

namespace fettle::receivers {

struct Place {
  std::string connection;
  std::string project;  // "" outside Compose; then `service` is the container's name
  std::string service;
  auto operator<=>(const Place&) const = default;
  std::string Name() const { return project.empty() ? service : project + "/" + service; }
};
Place PlaceOf(const std::string& connection, const Container& container);
// Its containers, whether it is a target or not.
Subject SubjectOf(const Place& place);

class Dependencies {
 public:
  // A stack is no bigger; what lies beyond is not looked at.
  static constexpr std::size_t kPlacesMax = 64;

  // All containers of an engine, as last read.
  void Learn(const std::string& connection, const std::vector<Container>& containers);
  void Use(const RepairsConfig& config);

  // Of a subject with containers.
  Place PlaceOfSubject(const Subject& subject) const;
  // What it needs, the nearest first, and what those need. Whoever needs it back is left out: a
  // circle has no root, so nothing in it waits for another.
  std::vector<Place> Above(const Place& place) const;
  // Who needs it, in the order in which they are started: nobody before what it needs itself.
  std::vector<Place> Below(const Place& place) const;

 private:
  using Edges = std::map<Place, std::set<Place>>;
  Place PlaceOfTarget(const TargetSpec& spec) const;
  std::vector<Place> Reach(const Edges& edges, const Place& from) const;

  std::map<std::string, std::vector<Container>> inventory_;  // by connection
  std::map<std::string, Edges> learnt_;                      // likewise
  std::vector<TargetSpec> targets_;
  Edges needs_;
  Edges needed_by_;
  void Join();
};

// The services that Compose's label names, without those that only have to complete.
std::vector<std::string> ComposeDependencies(const Container& container);

}  // namespace fettle::receivers
