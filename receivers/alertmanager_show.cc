#include "receivers/alertmanager_show.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <map>
#include <utility>

#include "common/duration.h"
#include "common/matcher.h"
#include "receivers/alertmanager_show_parts.h"
#include "receivers/route.h"

namespace fettle::receivers {

using yaml::Node;
using yaml::Tree;

namespace show {

bool Given(const Node* node) { return node != nullptr && node->kind != Node::Kind::kNull; }

const Node* Find(const Node* node, std::string_view key) {
  return node == nullptr ? nullptr : node->Find(key);
}

std::string TextOf(const Node* node, std::string_view fallback) {
  return Given(node) && node->kind == Node::Kind::kScalar ? node->text : std::string(fallback);
}

bool IsTrue(const Node* node) { return Given(node) && yaml::Decode<bool>(*node).value_or(false); }

// A list of texts under a key, if there is one.
void AddList(Tree& tree, const Node& from, const char* key) {
  const Node* list = from.Find(key);
  if (!Given(list) || list->items.empty()) return;
  std::vector<std::string> texts;
  for (const Node& item : list->items) texts.push_back(item.text);
  tree.Add(key, Tree::List(texts));
}

void AddMap(Tree& tree, const Node& from, const char* key) {
  const Node* map = from.Find(key);
  if (!Given(map) || map->entries.empty()) return;
  std::map<std::string, std::string> sorted;
  for (const auto& [name, value] : map->entries) sorted[name.text] = value.text;
  Tree shown;
  for (const auto& [name, value] : sorted) shown.Add(name, Tree::Text(value));
  tree.Add(key, std::move(shown));
}

void AddText(Tree& tree, const Node* from, const char* key, std::string_view fallback) {
  if (std::string text = TextOf(Find(from, key), fallback); !text.empty()) {
    tree.Add(key, Tree::Text(std::move(text)));
  }
}

}  // namespace show

namespace {

using show::AddList;
using show::AddMap;
using show::AddText;
using show::Find;
using show::Given;
using show::IsTrue;
using show::TextOf;

void AddMatchers(Tree& tree, const Node& from, const char* key) {
  const Node* list = from.Find(key);
  if (!Given(list) || list->items.empty()) return;
  Matchers matchers;
  for (const Node& item : list->items) {
    const Result<Matchers> parsed = ParseMatchers(item.text);
    if (parsed) matchers.insert(matchers.end(), parsed->begin(), parsed->end());
  }
  SortMatchers(matchers);
  std::vector<std::string> texts;
  for (const Matcher& matcher : matchers) texts.push_back(matcher.ToString());
  tree.Add(key, Tree::List(texts));
}

void AddDuration(Tree& tree, const Node& from, const char* key) {
  const Node* node = from.Find(key);
  if (!Given(node)) return;
  tree.Add(key, Tree::Text(FormatDuration(ParseDuration(node->text).value_or(Millis(0)))));
}

Tree ShowRoute(const Node& node) {
  Tree tree;
  AddText(tree, &node, "receiver");
  AddList(tree, node, "group_by");
  AddMap(tree, node, "match");
  AddMap(tree, node, "match_re");
  AddMatchers(tree, node, "matchers");
  AddList(tree, node, "mute_time_intervals");
  AddList(tree, node, "active_time_intervals");
  tree.Add("continue", Tree::Bool(IsTrue(node.Find("continue"))));
  if (const Node* routes = node.Find("routes"); Given(routes) && !routes->items.empty()) {
    Tree list = Tree::List({});
    for (const Node& child : routes->items) list.items.push_back(ShowRoute(child));
    tree.Add("routes", std::move(list));
  }
  for (const char* key : {"group_wait", "group_interval", "repeat_interval"}) {
    AddDuration(tree, node, key);
  }
  return tree;
}

Tree ShowInhibitRule(const Node& node) {
  Tree tree;
  AddText(tree, &node, "name");
  for (const char* side : {"source", "target"}) {
    const std::string match = std::string(side) + "_match";
    AddMap(tree, node, match.c_str());
    AddMap(tree, node, (match + "_re").c_str());
    AddMatchers(tree, node, (match + "ers").c_str());
  }
  AddList(tree, node, "equal");
  return tree;
}

// "january:3" as "1:3".
std::string MonthsByNumber(const std::string& text) {
  static constexpr std::array kNames = {"january",   "february", "march",    "april",
                                        "may",       "june",     "july",     "august",
                                        "september", "october",  "november", "december"};
  std::string out;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find(':', begin), text.size());
    std::string word = text.substr(begin, end - begin);
    std::transform(word.begin(), word.end(), word.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    const auto* const name = std::find(kNames.begin(), kNames.end(), word);
    if (name != kNames.end()) word = std::to_string(name - kNames.begin() + 1);
    out += (begin > 0 ? ":" : "") + word;
    begin = end + 1;
  }
  return out;
}

Tree ShowTimeInterval(const Node& node) {
  Tree tree;
  if (const Node* times = node.Find("times"); Given(times) && !times->items.empty()) {
    Tree list = Tree::List({});
    for (const Node& range : times->items) {
      Tree shown;
      shown.Add("start_time", Tree::Text(TextOf(range.Find("start_time"))));
      shown.Add("end_time", Tree::Text(TextOf(range.Find("end_time"))));
      list.items.push_back(std::move(shown));
    }
    tree.Add("times", std::move(list));
  }
  for (const char* key : {"weekdays", "days_of_month", "months", "years"}) {
    const Node* ranges = node.Find(key);
    if (!Given(ranges) || ranges->items.empty()) continue;
    std::vector<std::string> texts;
    for (const Node& range : ranges->items) {
      texts.push_back(std::string_view(key) == "months" ? MonthsByNumber(range.text) : range.text);
    }
    Tree list = Tree::List(texts);
    list.flow = true;
    tree.Add(key, std::move(list));
  }
  AddText(tree, &node, "location");
  return tree;
}

void AddIntervals(Tree& tree, const Node& top, const char* key) {
  const Node* all = top.Find(key);
  if (!Given(all) || all->items.empty()) return;
  Tree list = Tree::List({});
  for (const Node& one : all->items) {
    Tree shown;
    shown.Add("name", Tree::Text(TextOf(one.Find("name"))));
    Tree members = Tree::List({});
    if (const Node* intervals = one.Find("time_intervals"); Given(intervals)) {
      for (const Node& interval : intervals->items)
        members.items.push_back(ShowTimeInterval(interval));
    }
    shown.Add("time_intervals", std::move(members));
    list.items.push_back(std::move(shown));
  }
  tree.Add(key, std::move(list));
}

}  // namespace

std::string ShowAlertmanagerConfig(const Node& top, const std::vector<std::string>& templates) {
  Tree tree;
  const Node* const global = top.Find("global");
  tree.Add("global", show::ShowGlobal(Given(global) ? global : nullptr));
  if (const Node* route = top.Find("route"); Given(route)) tree.Add("route", ShowRoute(*route));
  for (const char* key : {"inhibit_rules", "receivers"}) {
    const Node* all = top.Find(key);
    if (!Given(all) || all->items.empty()) continue;
    Tree list = Tree::List({});
    for (const Node& one : all->items) {
      list.items.push_back(std::string_view(key) == "receivers" ? show::ShowReceiver(one, global)
                                                                : ShowInhibitRule(one));
    }
    tree.Add(key, std::move(list));
  }
  tree.Add("templates", Tree::List(templates));
  AddIntervals(tree, top, "mute_time_intervals");
  AddIntervals(tree, top, "time_intervals");
  if (const Node* tracing = top.Find("tracing"); Given(tracing)) {
    tree.Add("tracing", show::ShowTracing(*tracing));
  }
  return yaml::Print(tree);
}

}  // namespace fettle::receivers
