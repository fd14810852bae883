#include "receivers/alertmanager_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/temp_dir.h"

namespace fettle::receivers {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

using namespace std::chrono_literals;

std::string Complaints(const std::string& text) {
  yaml::Complaints complaints;
  const auto config = ReadAlertmanagerConfig(text, "/etc/am.yml", complaints);
  EXPECT_EQ(config.has_value(), complaints.empty());
  return complaints.ToString();
}

AlertmanagerConfig Read(const std::string& text) {
  yaml::Complaints complaints;
  auto config = ReadAlertmanagerConfig(text, "/etc/am.yml", complaints);
  EXPECT_EQ(complaints.ToString(), "");
  return config ? *std::move(config) : AlertmanagerConfig{};
}

TEST(AlertmanagerConfigTest, ReadsEverythingThereIs) {
  const AlertmanagerConfig config = Read(R"(
global:
  resolve_timeout: 10m
  slack_api_url: https://hooks.slack.com/services/x
  smtp_smarthost: mail:25
  http_config: {follow_redirects: false}
templates: [templates/*.tmpl, /abs/*.tmpl]
route:
  receiver: team
  group_by: [alertname, host]
  group_wait: 10s
  group_interval: 1m
  repeat_interval: 1d
  routes:
  - matchers: ['team="db"', '{sev=~"a|b", x!="y"}']
    match: {zone: eu}
    match_re: {host: "db.*"}
    group_by: ['...']
    continue: true
    mute_time_intervals: [nights]
    active_time_intervals: [work]
    routes: [{receiver: other, group_by: []}]
receivers:
- name: team
  webhook_configs:
  - {url: "http://x/y", max_alerts: 5, timeout: 3s, send_resolved: false, http_config: {bearer_token: t}}
  - {url_file: /run/url}
  slack_configs:
  - channel: '#ops'
    fields: [{title: a, value: b, short: true}]
    actions: [{type: button, text: t, url: "http://u", name: dropped}]
- name: other
inhibit_rules:
- name: host
  source_match: {sev: critical}
  target_match_re: {sev: "warn.*"}
  equal: [host]
- source_matchers: [a=b]
  target_matchers: ['c="d"']
-
mute_time_intervals:
- {name: nights, time_intervals: [{times: [{start_time: "22:00", end_time: "24:00"}], location: Europe/Berlin}]}
time_intervals:
- name: work
  time_intervals:
  - {weekdays: ['monday:friday'], months: [january, '3:5'], days_of_month: ['1:-1'], years: ['2026']}
)");
  EXPECT_EQ(config.resolve_timeout, 10min);
  EXPECT_THAT(config.templates, ElementsAre("/etc/templates/*.tmpl", "/abs/*.tmpl"));
  const RouteConfig& child = config.route.routes.at(0);
  EXPECT_EQ(MatchersToString(child.matchers),
            R"({host=~"^(?:db.*)$",sev=~"a|b",team="db",x!="y",zone="eu"})");
  EXPECT_TRUE(child.group_by_all);
  EXPECT_FALSE(child.group_by.has_value());
  EXPECT_TRUE(child.continues);
  EXPECT_THAT(child.routes.at(0).group_by, testing::Optional(IsEmpty()));
  EXPECT_EQ(config.route.repeat_interval, 24h);

  const ReceiverConfig& team = *config.FindReceiver("team");
  ASSERT_THAT(team.webhooks, SizeIs(2));
  EXPECT_EQ(team.webhooks[0].max_alerts, 5u);
  EXPECT_EQ(team.webhooks[0].timeout, 3s);
  EXPECT_FALSE(team.webhooks[0].send_resolved);
  EXPECT_TRUE(team.webhooks[0].http.authorization.has_value());
  EXPECT_TRUE(team.webhooks[1].send_resolved);
  EXPECT_FALSE(team.webhooks[1].http.follow_redirects) << "global's";
  EXPECT_EQ(team.webhooks[1].url.path(), "/run/url");
  ASSERT_THAT(team.slacks, SizeIs(1));
  EXPECT_FALSE(team.slacks[0].send_resolved);
  EXPECT_EQ(team.slacks[0].url.Reveal().value(), "https://hooks.slack.com/services/x");
  EXPECT_EQ(team.slacks[0].title, R"({{ template "slack.default.title" . }})");
  EXPECT_EQ(team.slacks[0].actions.at(0).name, "") << "a link needs no name";

  ASSERT_THAT(config.inhibit_rules, SizeIs(3));
  EXPECT_EQ(config.inhibit_rules[0].name, "host");
  EXPECT_EQ(MatchersToString(config.inhibit_rules[0].target), R"({sev=~"^(?:warn.*)$"})");
  EXPECT_THAT(config.inhibit_rules[0].equal, ElementsAre("host"));
  EXPECT_THAT(config.inhibit_rules[2].source, IsEmpty());
  EXPECT_EQ(config.time_intervals.at("nights").at(0).location, "Europe/Berlin");
  EXPECT_THAT(*config.time_intervals.at("work").at(0).months,
              ElementsAre(Range{1, 1}, Range{3, 5}));
}

TEST(AlertmanagerConfigTest, SaysEveryMistakeWithItsPlaceInAlertmanagersWords) {
  struct Case {
    std::string name;
    std::string text;
    std::string complaints;
  };
  const std::string ok = "receivers: [{name: r}]\n";
  const Case cases[] = {
      {"empty", "", "/etc/am.yml:1:1: no route provided in config"},
      {"no route", ok, "/etc/am.yml:1:1: no route provided in config"},
      {"no receiver", ok + "route: {}",
       "/etc/am.yml:2:8: root route must specify a default receiver"},
      {"root matchers", ok + "route: {receiver: r, matchers: [a=b]}",
       "/etc/am.yml:2:8: root route must not have any matchers"},
      {"root continue", ok + "route: {receiver: r, continue: true}",
       "/etc/am.yml:2:8: cannot have continue in root route"},
      {"root mute", ok + "route: {receiver: r, mute_time_intervals: [x]}",
       "/etc/am.yml:2:8: root route must not have any mute time intervals\n"
       "/etc/am.yml:2:8: undefined time interval \"x\" used in route"},
      {"undefined receiver",
       "receivers: [{name: people}]\nroute: {receiver: people, routes: [{receiver: poeple}]}",
       "/etc/am.yml:2:36: undefined receiver \"poeple\" used in route, did you mean \"people\"?"},
      {"twice", "receivers: [{name: r}, {name: r}]\nroute: {receiver: r}",
       "/etc/am.yml:1:24: notification config name \"r\" is not unique"},
      {"unnamed", "receivers: [{name: r}, {}]\nroute: {receiver: r}",
       "/etc/am.yml:1:24: receivers[1]: missing name in receiver"},
      {"group_by", ok + "route: {receiver: r, group_by: [a, a]}",
       "/etc/am.yml:2:32: route: duplicated label \"a\" in group_by"},
      {"group_by all", ok + "route: {receiver: r, group_by: [a, '...']}",
       "/etc/am.yml:2:32: route: cannot have wildcard group_by (`...`) and other labels at the "
       "same time"},
      {"group_by name", ok + "route: {receiver: r, group_by: ['']}",
       "/etc/am.yml:2:32: route: invalid label name \"\" in group_by list"},
      {"intervals", ok + "route: {receiver: r, group_interval: 0s, repeat_interval: 0s}",
       "/etc/am.yml:2:38: route: group_interval cannot be zero\n"
       "/etc/am.yml:2:59: route: repeat_interval cannot be zero"},
      {"matcher", ok + "route: {receiver: r, routes: [{matchers: ['a']}]}",
       "/etc/am.yml:2:43: route.routes[0]: bad matcher format: a"},
      {"match name", ok + "route: {receiver: r, routes: [{match: {'0x': a}}]}",
       "/etc/am.yml:2:40: route.routes[0]: invalid label name \"0x\""},
      {"unknown key", ok + "route: {receiver: r, group_wiat: 1s}",
       "/etc/am.yml:2:22: route: unknown key \"group_wiat\", did you mean \"group_wait\"?"},
      {"both urls",
       "receivers: [{name: r, webhook_configs: [{url: 'http://x', url_file: f}]}]\nroute: "
       "{receiver: r}",
       "/etc/am.yml:1:69: receivers[0].webhook_configs[0]: at most one of url & url_file must be "
       "configured"},
      {"no url", "receivers: [{name: r, webhook_configs: [{}]}]\nroute: {receiver: r}",
       "/etc/am.yml:1:41: receivers[0].webhook_configs[0]: one of url or url_file must be "
       "configured"},
      {"null webhook", "receivers: [{name: r, webhook_configs: [~]}]\nroute: {receiver: r}",
       "/etc/am.yml:1:41: receivers[0]: missing webhook config"},
      {"bad url", "receivers: [{name: r, webhook_configs: [{url: ftp://x}]}]\nroute: {receiver: r}",
       "/etc/am.yml:1:47: receivers[0].webhook_configs[0]: url must be a URL that begins with "
       "http:// or https://"},
      {"slack url", "receivers: [{name: r, slack_configs: [{channel: x}]}]\nroute: {receiver: r}",
       "/etc/am.yml:1:39: receivers[0].slack_configs[0]: no Slack API URL nor App token set either "
       "inline or in a file"},
      {"slack both",
       "receivers: [{name: r, slack_configs: [{api_url: 'http://x', app_token: t}]}]\nroute: "
       "{receiver: r}",
       "/etc/am.yml:1:39: receivers[0].slack_configs[0]: at most one of api_url/api_url_file & "
       "app_token/app_token_file must be configured"},
      {"slack field",
       "receivers: [{name: r, slack_configs: [{api_url: 'http://x', fields: [{title: "
       "t}]}]}]\nroute: {receiver: r}",
       "/etc/am.yml:1:70: receivers[0].slack_configs[0].fields[0]: missing value in Slack field "
       "configuration"},
      {"slack action",
       "receivers: [{name: r, slack_configs: [{api_url: 'http://x', actions: [{type: b, text: "
       "t}]}]}]\nroute: {receiver: r}",
       "/etc/am.yml:1:71: receivers[0].slack_configs[0].actions[0]: missing name or url in Slack "
       "action configuration"},
      {"slack update",
       "receivers: [{name: r, slack_configs: [{api_url: 'http://x', update_message: "
       "true}]}]\nroute: {receiver: r}",
       "/etc/am.yml:1:39: receivers[0].slack_configs[0]: update_message can only be used with bot "
       "tokens. api_url must be set to https://slack.com/api/chat.postMessage"},
      {"global slack",
       ok + "route: {receiver: r}\nglobal: {slack_api_url: 'http://x', "
            "slack_app_token: t}",
       "/etc/am.yml:3:9: global: at most one of slack_app_token/slack_app_token_file & "
       "slack_api_url/slack_api_url_file must be configured"},
      {"tracing", ok + "route: {receiver: r}\ntracing: {client_type: x}",
       "/etc/am.yml:3:10: tracing: expected tracing client type to be to be http or grpc, but got "
       "x\n"
       "/etc/am.yml:3:10: tracing: tracing endpoint must be set"},
      {"interval names",
       ok + "route: {receiver: r}\nmute_time_intervals: [{name: x}]\ntime_intervals: [{name: x}, "
            "{}]",
       "/etc/am.yml:4:18: time_intervals: time interval \"x\" is not unique\n"
       "/etc/am.yml:4:29: time_intervals: missing name in time interval"},
      {"interval fields",
       ok +
           "route: {receiver: r}\ntime_intervals: [{name: x, time_intervals: [{weekdays: [funday], "
           "times: [{start_time: '10:00'}], location: Mars}]}]",
       "/etc/am.yml:3:57: x[0]: weekdays: funday is not a valid weekday\n"
       "/etc/am.yml:3:74: x[0].times: both start and end times must be provided\n"
       "/etc/am.yml:3:108: x[0]: unknown time zone Mars"},
      {"inhibit", ok + "route: {receiver: r}\ninhibit_rules: [{equal: ['']}]",
       "/etc/am.yml:3:26: inhibit_rules[0]: invalid label name \"\" in equal list"},
      {"many at once", "receivers: [{nam: r}]\nroute: {receiver: q, group_wait: soon}",
       "/etc/am.yml:1:13: receivers[0]: missing name in receiver\n"
       "/etc/am.yml:1:14: receivers[0]: unknown key \"nam\", did you mean \"name\"?\n"
       "/etc/am.yml:2:8: undefined receiver \"q\" used in route\n"
       "/etc/am.yml:2:34: route: group_wait must be a duration such as 30s or 1h30m, not \"soon\""},
  };
  for (const Case& c : cases) EXPECT_EQ(Complaints(c.text), c.complaints) << c.name;
}

TEST(AlertmanagerConfigTest, EnvironmentIsNotExpanded) {
  const AlertmanagerConfig config =
      Read("receivers: [{name: '${HOME}'}]\nroute: {receiver: '${HOME}'}");
  EXPECT_EQ(config.route.receiver, "${HOME}");
}

TEST(AlertmanagerConfigTest, ReadsFilesAndNamesThoseItCannot) {
  TempDir dir;
  yaml::Complaints complaints;
  const auto config = ReadAlertmanagerFile(
      dir.Write("am.yml", "receivers: [{name: r}]\nroute: {receiver: r}\ntemplates: [t/*.tmpl]\n"),
      complaints);
  ASSERT_TRUE(config);
  EXPECT_THAT(config->templates, ElementsAre(dir / "t/*.tmpl"));
  EXPECT_FALSE(ReadAlertmanagerFile(dir / "nope.yml", complaints));
  EXPECT_THAT(complaints.ToString(), HasSubstr("nope.yml: cannot be read"));
}

}  // namespace
}  // namespace fettle::receivers
