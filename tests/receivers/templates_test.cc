#include "receivers/templates.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/duration.h"
#include "tests/support/temp_dir.h"

namespace fettle::receivers {
namespace {

using testing::HasSubstr;

using namespace std::chrono_literals;

const Time kNow = ParseRfc3339("2026-01-01T12:00:00Z").value();

NotifiedAlert Make(Labels labels, Labels annotations, bool resolved) {
  auto live = std::make_shared<LiveAlert>();
  live->fingerprint = labels.Fingerprint();
  live->alert.labels = std::move(labels);
  live->alert.annotations = std::move(annotations);
  live->alert.starts_at = kNow - 90min;
  live->alert.ends_at = kNow - (resolved ? 30min : -30min);
  live->alert.generator_url = "http://p/g";
  return {live, resolved};
}

Notification Sample() {
  Notification n;
  n.receiver = "team.x";
  n.group_labels = Labels{{"alertname", "DiskFull"}, {"host", "a"}};
  n.alerts = {Make({{"alertname", "DiskFull"}, {"host", "a"}, {"dev", "sda"}, {"team", "db"}},
                   {{"summary", "sda is full"}, {"runbook", "http://r"}}, false),
              Make({{"alertname", "DiskFull"}, {"host", "a"}, {"dev", "sdb"}, {"team", "db"}},
                   {{"summary", "sdb was full"}, {"runbook", "http://r"}}, true)};
  n.reason = "some alerts resolved";
  n.external_url = "http://am:9093";
  n.now = kNow;
  return n;
}

std::string Render(const std::string& text, const std::vector<std::string>& globs = {}) {
  const auto templates = Templates::Load(globs);
  if (!templates) return templates.error().message;
  const Result<std::string> out = Text(**templates, "t", text).Render(TemplateData(Sample()), kNow);
  return out ? *out : out.error().message;
}

// Each line was checked with `amtool template render` of 0.33, given the same data.
TEST(TemplatesTest, DataAndFunctionsAreAlertmanagers) {
  struct Case {
    std::string text;
    std::string want;
  };
  const Case cases[] = {
      {"plain", "plain"},
      {"{{ .Receiver }} {{ .Status }} {{ .ExternalURL }} {{ .NotificationReason }}",
       R"(team\.x firing http://am:9093 some alerts resolved)"},
      {"{{ len .Alerts }} {{ .Alerts | len }} {{ .Alerts.Firing | len }} {{ len .Alerts.Resolved "
       "}}",
       "2 2 1 1"},
      {"{{ .CommonLabels }}", "alertname=DiskFull, host=a, team=db"},
      {"{{ .CommonLabels.SortedPairs }}", "alertname=DiskFull, host=a, team=db"},
      {"{{ .CommonAnnotations.runbook }}", "http://r"},
      {"[{{ .CommonAnnotations.nope }}]", "[]"},
      {"{{ (index .Alerts 0).Labels.dev }}", "sda"},
      {"{{ range .Alerts }}{{ .Status }}={{ .Labels.dev }} {{ end }}", "firing=sda resolved=sdb "},
      {"{{ range .Alerts.Resolved }}{{ .Annotations.summary }}{{ end }}", "sdb was full"},
      {"{{ range .CommonLabels.SortedPairs }}{{ .Name }}:{{ .Value }};{{ end }}",
       "alertname:DiskFull;host:a;team:db;"},
      {"{{ range $k, $v := .GroupLabels }}{{ $k }}:{{ $v }};{{ end }}",
       "alertname:DiskFull;host:a;"},
      {"{{ .CommonLabels.Names | join \",\" }} {{ .CommonLabels.Values | join \",\" }}",
       "alertname,host,team DiskFull,a,db"},
      {"{{ (.CommonLabels.Remove .GroupLabels.Names).Values | join \" \" }}", "db"},
      {"{{ with .CommonLabels.Remove (stringSlice \"team\" \"host\") }}{{ . }}{{ end }}",
       "alertname=DiskFull"},
      {"{{ (index .Alerts 0).Fingerprint | len }}", "16"},
      {"{{ (index .Alerts 0).GeneratorURL }}", "http://p/g"},
      {"{{ (index .Alerts 0).StartsAt.Format \"15:04\" }}", "10:30"},
      {"{{ .Status | toUpper }} {{ \"ABC\" | toLower }} {{ \"  x \" | trimSpace }}|",
       "FIRING abc x|"},
      {"{{ \"foo.bar a:b c-d e_f HELLO don't o’neil 1st x1y 3.4e ünï ÉCOLE\" | title }}",
       "Foo.bar A:b C-D E_f Hello Don't O’neil 1St X1y 3.4E Ünï École"},
      {"{{ match \"^a.*\" \"abc\" }} {{ match \"^b\" \"abc\" }}", "true false"},
      {"{{ reReplaceAll \"(.*)-(.*)\" \"${2}_$1\" \"a-b\" }}", "b_a"},
      {"{{ \"<b>\" | safeHtml }}{{ \"http://x\" | safeUrl }}", "<b>http://x"},
      {"{{ \"a%20b+c\" | urlUnescape }}", "a b c"},
      {"{{ urlquery \"a b&c\" }}", "a+b%26c"},
      {"{{ (index .Alerts 0).StartsAt | date \"2006-01-02 15:04 MST\" }}", "2026-01-01 10:30 UTC"},
      {"{{ (index .Alerts 0).StartsAt | tz \"Europe/Berlin\" | date \"15:04\" }}", "11:30"},
      {"{{ since (index .Alerts 0).StartsAt }}", "1h30m0s"},
      {"{{ (since (index .Alerts 0).StartsAt).Seconds | humanizeDuration }}", "1h 30m 0s"},
      {"{{ now.Format \"2006\" }}", "2026"},
      {"{{ .GroupLabels | toJson }}", R"({"alertname":"DiskFull","host":"a"})"},
      {"{{ list 1 \"a\" true | toJson }}", R"([1,"a",true])"},
      {"{{ append (list 1) 2 | toJson }} {{ dict \"a\" 1 \"b\" (list) | toJson }}",
       R"([1,2] {"a":1,"b":[]})"},
      {"{{ (index .Alerts.Resolved 0) | toJson }}",
       R"({"status":"resolved","labels":{"alertname":"DiskFull","dev":"sdb","host":"a","team":"db"},"annotations":{"runbook":"http://r","summary":"sdb was full"},"startsAt":"2026-01-01T10:30:00Z","endsAt":"2026-01-01T11:30:00Z","generatorURL":"http://p/g","fingerprint":")" +
           Labels{{"alertname", "DiskFull"}, {"host", "a"}, {"dev", "sdb"}, {"team", "db"}}
               .FingerprintHex() +
           "\"}"},
      {R"({{ template "__subject" . }})", "[FIRING:1] DiskFull a (db)"},
      {R"({{ template "__alertmanagerURL" . }})", R"(http://am:9093/#/alerts?receiver=team%5C.x)"},
      {R"({{ template "slack.default.fallback" . }})",
       R"([FIRING:1] DiskFull a (db) | http://am:9093/#/alerts?receiver=team%5C.x)"},
      {R"({{ template "__text_alert_list" .Alerts.Firing }})",
       "Labels:\n - alertname = DiskFull\n - dev = sda\n - host = a\n - team = db\nAnnotations:\n"
       " - runbook = http://r\n - summary = sda is full\nSource: http://p/g\n"},
  };
  for (const Case& c : cases) EXPECT_EQ(Render(c.text), c.want) << c.text;
}

TEST(TemplatesTest, MistakesSayWhereTheyAre) {
  struct Case {
    std::string text;
    std::string want;
  };
  const Case cases[] = {
      {"{{ .Nope }}", "can't evaluate field Nope"},
      {"{{ if }}", "missing value for if"},
      {"{{ nofunction }}", R"(function "nofunction" not defined)"},
      {R"({{ template "nope" . }})", R"(template "nope" not defined)"},
      {R"({{ "x" | tz "Mars/Olympus" }})", "wrong type for value; expected time.Time; got string"},
      {"{{ (index .Alerts 0).StartsAt | tz \"Mars/Olympus\" }}", "unknown time zone Mars/Olympus"},
      {R"({{ urlUnescape "%zz" }})", R"(invalid URL escape "%zz")"},
      {"{{ dict 1 2 }}", "dict keys must be strings"},
      {"{{ join \",\" 1 }}", "wrong type for value; expected []string"},
      {"{{ reReplaceAll \"(\" \"\" \"x\" }}", "missing"},
  };
  for (const Case& c : cases) EXPECT_THAT(Render(c.text), HasSubstr(c.want)) << c.text;
}

TEST(TemplatesTest, UsersFilesAddAndReplaceDefinitions) {
  TempDir dir;
  dir.Write("a.tmpl", R"({{ define "mine" }}M:{{ template "__subject" . }}{{ end }})");
  dir.Write("b.tmpl", R"({{ define "slack.default.title" }}replaced{{ end }})");
  EXPECT_EQ(Render(R"({{ template "mine" . }})", {dir / "*.tmpl"}), "M:[FIRING:1] DiskFull a (db)");
  EXPECT_THAT(Render(R"({{ template "slack.default.fallback" . }})", {dir / "*.tmpl"}),
              testing::StartsWith("replaced | "));
  EXPECT_EQ(Render("fine", {dir / "*.nope"}), "fine") << "a glob without files is fine";
}

TEST(TemplatesTest, ABrokenFileIsNamed) {
  TempDir dir;
  dir.Write("broken.tmpl", "{{ define \"x\" }}");
  EXPECT_THAT(Render("x", {dir / "*.tmpl"}), HasSubstr("broken.tmpl"));
  dir.Write("broken.tmpl", std::string(gotemplate::kTextBytesMax + 1, 'x'));
  EXPECT_THAT(Render("x", {dir / "*.tmpl"}), HasSubstr("is larger than"));
}

TEST(TemplatesTest, AProblemIsKnownBeforeItIsRendered) {
  const auto templates = Templates::Load({}).value();
  EXPECT_TRUE(Text(*templates, "title", "{{ .Status }}").problem());
  EXPECT_THAT(Text(*templates, "title", "{{ nofunction }}").problem().error().message,
              HasSubstr("title"));
}

TEST(TemplatesTest, AlertsAreSortedAsAlertmanagerSortsThem) {
  std::vector<NotifiedAlert> alerts;
  for (const Labels& labels : {
           Labels{{"alertname", "z"}},
           Labels{{"alertname", "a"}, {"x", "1"}},
           Labels{{"alertname", "a"}, {"job", "j"}, {"instance", "2"}},
           Labels{{"alertname", "b"}, {"job", "j"}, {"instance", "1"}},
           Labels{{"alertname", "b"}, {"job", "i"}},
           Labels{{"alertname", "c"}, {"instance", "1"}},
       }) {
    alerts.push_back(Make(labels, {}, false));
  }
  SortAlerts(alerts);
  std::string order;
  for (const NotifiedAlert& alert : alerts) order += alert.labels().ToString() + "\n";
  EXPECT_EQ(order,
            "{alertname=\"b\", job=\"i\"}\n"
            "{alertname=\"b\", instance=\"1\", job=\"j\"}\n"
            "{alertname=\"a\", instance=\"2\", job=\"j\"}\n"
            "{alertname=\"c\", instance=\"1\"}\n"
            "{alertname=\"z\"}\n"
            "{alertname=\"a\", x=\"1\"}\n");
}

}  // namespace
}  // namespace fettle::receivers
