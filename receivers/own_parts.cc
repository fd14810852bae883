#include "receivers/own_parts.h"

#include <algorithm>
#include <array>
#include <sstream>

namespace fettle::receivers {
namespace {

constexpr std::size_t kIdBytes = 64;
constexpr std::string_view kContainers = "/containers/";

// "" unless the text holds .../containers/<64 hexadecimal digits>/…
std::string IdIn(const std::string& root) {
  const std::size_t at = root.find(kContainers);
  if (at == std::string::npos) return "";
  const std::string id = root.substr(at + kContainers.size(), kIdBytes);
  const bool hex = id.size() == kIdBytes && std::all_of(id.begin(), id.end(), [](char c) {
                     return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
                   });
  return hex ? id : "";
}

// Of tcp://proxy:2375; "" of a socket.
std::string HostOf(const std::string& endpoint) {
  const std::size_t scheme = endpoint.find("://");
  if (scheme == std::string::npos || endpoint.starts_with("unix:")) return "";
  std::string host = endpoint.substr(scheme + 3);
  host = host.substr(0, host.find('/'));
  return host.substr(0, host.find(':'));
}

}  // namespace

std::optional<std::string> OwnParts::Why(const Container& container) const {
  if (!container_id.empty() && container.id == container_id) return "fettle itself";
  if (hosts.contains(container.name) || hosts.contains(container.Service())) {
    return "what fettle reaches the engine by";
  }
  return std::nullopt;
}

OwnParts FindOwnParts(std::string_view mountinfo, const std::vector<std::string>& endpoints) {
  static constexpr std::array<std::string_view, 3> own{"/etc/hostname", "/etc/hosts",
                                                       "/etc/resolv.conf"};
  OwnParts parts;
  std::istringstream lines{std::string(mountinfo)};
  for (std::string line; std::getline(lines, line);) {
    // id parent major:minor root mountpoint …
    std::istringstream fields(line);
    std::string skipped;
    std::string root;
    std::string point;
    fields >> skipped >> skipped >> skipped >> root >> point;
    const bool ours = std::find(own.begin(), own.end(), point) != own.end();
    if (ours && parts.container_id.empty()) parts.container_id = IdIn(root);
  }
  for (const std::string& endpoint : endpoints) {
    const std::string host = HostOf(endpoint);
    if (!host.empty()) parts.hosts.insert(host);
  }
  return parts;
}

}  // namespace fettle::receivers
