#include "receivers/alertmanager_show.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "common/yaml_print.h"

namespace fettle::receivers {
namespace {

using yaml::Node;
using yaml::Tree;

// Keys whose value is a credential, and keys under which every value is one.
bool IsSecret(std::string_view key, std::string_view parent) {
  static constexpr std::array kEndings = {"password", "token",       "secret",  "_key",
                                          "token_id", "credentials", "user_key"};
  static constexpr std::array kUrls = {"slack_api_url", "webhook_url", "mattermost_webhook_url",
                                       "bot_token", "proxy_url"};
  if (key.ends_with("_file")) return false;
  if (parent == "secrets" || parent == "endpoint_params") return true;
  if (std::find(kUrls.begin(), kUrls.end(), key) != kUrls.end()) return true;
  if (key == "url") return parent == "webhook_configs" || parent == "incidentio_configs";
  if (key == "api_url") return parent == "slack_configs";
  if (key == "routing_key" && parent == "victorops_configs") return false;
  return std::any_of(kEndings.begin(), kEndings.end(),
                     [&](const char* ending) { return key.ends_with(ending); });
}

Tree Show(const Node& node, std::string_view key, std::string_view parent) {
  Tree tree;
  switch (node.kind) {
    case Node::Kind::kNull:
      return Tree::Plain("null");
    case Node::Kind::kScalar:
      if (!node.text.empty() && IsSecret(key, parent)) return Tree::Text("<secret>");
      return node.quoted ? Tree::Text(node.text) : Tree::Plain(node.text);
    case Node::Kind::kSequence:
      tree.kind = Tree::Kind::kList;
      for (const Node& item : node.items) tree.items.push_back(Show(item, key, key));
      return tree;
    case Node::Kind::kMapping:
      // Items of a list belong to the list's key.
      for (const auto& [name, value] : node.entries)
        tree.Add(name.text, Show(value, name.text, key));
      return tree;
  }
  return tree;
}

}  // namespace

std::string ShowAlertmanagerConfig(const Node& top) { return yaml::Print(Show(top, "", "")); }

}  // namespace fettle::receivers
