#include "receivers/route.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "receivers/alertmanager_config.h"

namespace fettle::receivers {
namespace {

using testing::ElementsAre;

using namespace std::chrono_literals;

RouteTree Tree(const std::string& route) {
  yaml::Complaints complaints;
  std::string receivers = "receivers: [";
  for (const char* name : {"root", "a", "b", "c", "d", "e"}) {
    receivers += std::string("{name: ") + name + "}, ";
  }
  const auto config = ReadAlertmanagerConfig(receivers + "]\nroute:" + route, "r.yml", complaints);
  EXPECT_EQ(complaints.ToString(), "");
  return RouteTree(config->route);
}

constexpr const char* kTree = R"(
  receiver: root
  group_by: [alertname]
  group_wait: 1s
  routes:
  - matchers: [team=a]
    receiver: a
    group_by: ['...']
    group_wait: 2s
    routes:
    - {matchers: [sev=x], receiver: b, group_by: [sev], group_interval: 3s, continue: true}
    - {matchers: [sev=~"x|y"], receiver: c, group_by: []}
  - {matchers: [team=a], receiver: d}
  - {matchers: ['team=""'], receiver: e, repeat_interval: 1h}
)";

std::vector<std::string> Receivers(const RouteTree& tree, const Labels& labels) {
  std::vector<std::string> names;
  for (const Route* route : tree.Match(labels)) names.push_back(route->receiver);
  return names;
}

TEST(RouteTest, TheDeepestMatchWinsAndContinueGoesOn) {
  const RouteTree tree = Tree(kTree);
  EXPECT_THAT(Receivers(tree, {{"team", "a"}}), ElementsAre("a"));
  EXPECT_THAT(Receivers(tree, {{"team", "a"}, {"sev", "x"}}), ElementsAre("b", "c"));
  EXPECT_THAT(Receivers(tree, {{"team", "a"}, {"sev", "y"}}), ElementsAre("c"));
  EXPECT_THAT(Receivers(tree, {{"team", "z"}}), ElementsAre("root"));
  EXPECT_THAT(Receivers(tree, {{"x", "y"}}), ElementsAre("e")) << "an absent label is empty";
  EXPECT_EQ(tree.size(), 6u);
}

TEST(RouteTest, ChildrenInheritTimesAndGroupingButNotMatchers) {
  const RouteTree tree = Tree(kTree);
  const Route& a = *tree.root().routes[0];
  const Route& b = *a.routes[0];
  const Route& c = *a.routes[1];
  EXPECT_EQ(a.group_wait, 2s);
  EXPECT_EQ(b.group_wait, 2s);
  EXPECT_EQ(b.group_interval, 3s);
  EXPECT_EQ(c.group_interval, 5min);
  EXPECT_EQ(tree.root().routes[2]->repeat_interval, 1h);
  EXPECT_EQ(tree.root().repeat_interval, 4h);
  EXPECT_TRUE(a.group_by_all);
  EXPECT_FALSE(b.group_by_all) << "labels of its own end the parent's ...";
  EXPECT_FALSE(c.group_by_all) << "even none of them";
}

TEST(RouteTest, GroupsByTheLabelsAnAlertHas) {
  const RouteTree tree = Tree(kTree);
  const Labels alert{{"alertname", "X"}, {"sev", "x"}, {"team", "a"}};
  EXPECT_EQ(tree.root().GroupLabels(alert), (Labels{{"alertname", "X"}}));
  EXPECT_EQ(tree.root().routes[0]->GroupLabels(alert), alert);
  EXPECT_EQ(tree.root().routes[0]->routes[1]->GroupLabels(alert), Labels{});
  EXPECT_EQ(tree.root().GroupLabels({{"team", "a"}}), Labels{}) << "absent, not empty";
}

// As Alertmanager 0.33 prints it.
TEST(RouteTest, GroupKeysAreAlertmanagers) {
  const RouteTree tree = Tree(R"(
  receiver: root
  routes: [{matchers: ['team="b"', 'zone!~"x|y"', 'name=~".+"'], group_by: ['...']}]
)");
  const Labels alert{{"alertname", "B"}, {"name", "n"}, {"quote", "a\"b\\c\nd"}, {"team", "b"}};
  const Route& route = *tree.root().routes[0];
  EXPECT_EQ(
      GroupKey(route, route.GroupLabels(alert)),
      R"({}/{name=~".+",team="b",zone!~"x|y"}:{alertname="B", name="n", quote="a\"b\\c\nd", team="b"})");
  EXPECT_EQ(GroupKey(tree.root(), {}), "{}:{}");
}

}  // namespace
}  // namespace fettle::receivers
