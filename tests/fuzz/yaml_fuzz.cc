// Any text is a tree within its limits or a complaint with a place, and every reader of the tree
// answers with a value or a complaint.
#include <cstdint>
#include <string>
#include <string_view>

#include "common/check.h"
#include "common/connections.h"
#include "common/yaml.h"

namespace {

using fettle::yaml::Node;

void Walk(const Node& node, int depth, fettle::yaml::Complaints& complaints) {
  FETTLE_CHECK(depth <= fettle::yaml::kDepthMax + 1);
  FETTLE_CHECK(node.place.line >= 1 && node.place.column >= 1);
  FETTLE_CHECK(node.kind == Node::Kind::kScalar || node.text.empty());
  static_cast<void>(fettle::yaml::Decode<std::string>(node).has_value());
  static_cast<void>(fettle::yaml::Decode<bool>(node).has_value());
  static_cast<void>(fettle::yaml::Decode<int>(node).has_value());
  static_cast<void>(fettle::yaml::Decode<std::int64_t>(node).has_value());
  static_cast<void>(fettle::yaml::Decode<std::size_t>(node).has_value());
  static_cast<void>(fettle::yaml::Decode<double>(node).has_value());
  static_cast<void>(fettle::yaml::Decode<fettle::Millis>(node).has_value());
  for (const Node& item : node.items) Walk(item, depth + 1, complaints);
  if (node.kind != Node::Kind::kMapping) return;
  fettle::yaml::Mapping mapping(node, "fuzz", complaints);
  mapping.GetSecret("password");
  for (const auto& [key, value] : node.entries) {
    FETTLE_CHECK(node.Find(key.text) == &value);
    mapping.StringMap(key.text);
    Walk(value, depth + 1, complaints);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  fettle::yaml::LoadOptions options;
  options.getenv = [](const std::string& name) -> std::optional<std::string> {
    if (name == "A") return "1";
    if (name == "B") return std::string(1'000, 'b');
    return std::nullopt;
  };
  fettle::yaml::Complaints complaints;
  const std::optional<Node> node = fettle::yaml::Load(text, "f.yml", complaints, options);
  FETTLE_CHECK(node || !complaints.empty());
  if (node) {
    Walk(*node, 1, complaints);
    fettle::ReadConnections(&*node, complaints);
  }
  FETTLE_CHECK(complaints.empty() == complaints.ToString().empty());
  return 0;
}
