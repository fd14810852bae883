// What fettle itself runs on: its own container and the proxy by which it reaches the engine. They
// are never repaired by it, whatever a configuration says: the call would end the caller.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "common/engine.h"

namespace fettle::receivers {

struct OwnParts {
  std::string container_id;     // "" outside a container
  std::set<std::string> hosts;  // of engine endpoints: a Compose service or a container's name

  // "fettle itself", "what fettle reaches the engine by", or nullopt.
  std::optional<std::string> Why(const Container& container) const;
};

// From /proc/self/mountinfo, where an engine mounts a container's own hostname, hosts and
// resolv.conf from .../containers/<id>/, and from the endpoints of `connections.docker`.
OwnParts FindOwnParts(std::string_view mountinfo, const std::vector<std::string>& endpoints);

}  // namespace fettle::receivers
