#include "rules/template_functions.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "common/duration.h"

namespace fettle::rules {
namespace {

constexpr const char* kExternalUrl = "http://testhost:9090/path/prefix";

promql::Element Element(Labels labels, double value) {
  return {std::make_shared<const Labels>(std::move(labels)), value, nullptr};
}

// Renders as an annotation of the alert "test" whose element is {job="api", instance="a"} 1.5.
std::string Render(const std::string& text, promql::Vector answer = {},
                   Result<promql::Vector> failure = promql::Vector{}) {
  const Result<AlertText> parsed = AlertText::Parse("test", text, AlertFunctions(kExternalUrl));
  if (!parsed) return "parsing: " + parsed.error().message;
  const promql::Element element = Element({{"job", "api"}, {"instance", "a"}}, 1.5);
  const auto data = AlertData(*element.labels, gotemplate::Value::From({{"site", "fra1"}}),
                              kExternalUrl, element);
  const auto bound = BindFunctions(*ParseRfc3339("2012-11-25T21:00:52Z"),
                                   [&](const std::string&) -> Result<promql::Vector> {
                                     if (!failure) return failure;
                                     return answer;
                                   });
  const Result<std::string> output = parsed->Expand(data, bound);
  return output ? *output : output.error().message;
}

using Cases = std::vector<std::pair<std::string, std::string>>;

TEST(AlertTextTest, KnowsTheLabelsTheValueAndTheWorld) {
  const Cases cases = {
      {"plain text", "plain text"},
      {"{{ $labels.job }} is {{ $value }}", "api is 1.5"},
      {"{{ .Labels.instance }} {{ .Value }} [{{ $labels.none }}]", "a 1.5 []"},
      {"{{ $externalLabels.site }} {{ $externalURL }} {{ .ExternalLabels.site }}",
       "fra1 http://testhost:9090/path/prefix fra1"},
      {"{{ externalURL }} {{ pathPrefix }}", "http://testhost:9090/path/prefix /path/prefix"},
      {"{{ now }} {{ now | toTime }}", "1.353877252e+09 2012-11-25 21:00:52 +0000 UTC"},
      {"{{ printf \"%.2f\" $value }} {{ $value | humanize }}", "1.50 1.5"},
      {"{{ range $k, $v := $labels }}{{ $k }}={{ $v }} {{ end }}", "instance=a job=api "},
  };
  for (const auto& [text, expected] : cases) EXPECT_EQ(Render(text), expected) << text;
}

// The cases of Prometheus' own tests; what needs no query is in common/gotemplate_texts_test.cc.
TEST(AlertTextTest, AsksAndReadsSamples) {
  const promql::Vector one = {Element({{"__name__", "metric"}, {"instance", "a"}}, 11)};
  const promql::Vector two = {Element({{"__name__", "metric"}, {"instance", "b"}}, 21),
                              Element({{"__name__", "metric"}, {"instance", "a"}}, 11)};
  EXPECT_EQ(Render("{{ query \"1.5\" | first | value }}", {Element({}, 1.5)}), "1.5");
  EXPECT_EQ(Render("{{ query \"metric{instance='a'}\" | first | value }}", one), "11");
  EXPECT_EQ(Render("{{ query \"metric\" | first | label \"instance\" }}", one), "a");
  EXPECT_EQ(Render("{{ query \"metric\" | first | label \"foo\" }}", one), "");
  EXPECT_EQ(Render("{{ $x := query \"metric\" | first }}[{{ $x.Labels.foo }}]", one), "[]");
  EXPECT_EQ(Render("{{ query \"m\" | first | strvalue }}", {Element({{"__value__", "a"}}, 1)}),
            "a");
  EXPECT_EQ(Render("{{ range query \"metric\" | sortByLabel \"instance\" }}"
                   "{{.Labels.instance}}:{{.Value}}: {{end}}",
                   two),
            "a:11: b:21: ");
  EXPECT_EQ(Render("{{ len (query \"metric\") }} {{ (index (query \"metric\") 1).Value }}", two),
            "2 11");
  EXPECT_EQ(Render("{{ query \"metric\" | first }}", one), "{map[__name__:metric instance:a] 11}");
  EXPECT_EQ(Render("{{ with query \"none\" }}some{{ else }}none{{ end }}"), "none");
}

TEST(AlertTextTest, SaysWhatWentWrongAsPrometheusDoes) {
  const std::string at = "error executing template __alert_test: template: __alert_test:1:";
  const std::string executing = " executing \"__alert_test\" at ";
  EXPECT_EQ(Render("{{ query \"missing\" | first }}"),
            at + "133:" + executing +
                "<first>: error calling first: first() called on vector with no elements");
  EXPECT_EQ(Render("{{ humanize \"one\" }}"),
            at + "115:" + executing +
                R"(<humanize "one">: error calling humanize: )"
                R"(strconv.ParseFloat: parsing "one": invalid syntax)");
  EXPECT_EQ(Render("{{ (query \"missing\").banana }}"),
            at + "122:" + executing +
                R"(<"missing">: can't evaluate field banana in type template.queryResult)");
  EXPECT_EQ(Render("{{ query \"up\" }}", {}, Fail(Cause::kTimeout, "query timed out")),
            at + "115:" + executing + R"(<query "up">: error calling query: query timed out)");
  EXPECT_EQ(Render("{{ .Nope }}"),
            at + "115:" + executing +
                "<.Nope>: can't evaluate field Nope in type struct { Labels map[string]string; "
                "ExternalLabels map[string]string; ExternalURL string; Value interface {} }");
  EXPECT_EQ(Render("{{ label \"a\" 5 }}"),
            at + "115:" + executing +
                R"(<label "a" 5>: error calling label: )"
                "wrong type for value; expected *template.sample; got int");
  EXPECT_EQ(Render("{{ first 5 }}"),
            at + "115:" + executing +
                "<first 5>: error calling first: "
                "wrong type for value; expected template.queryResult; got int");
}

TEST(AlertTextTest, RefusesWhatDoesNotParse) {
  EXPECT_EQ(Render("{{"), "parsing: template: __alert_test:1: unclosed action");
  EXPECT_EQ(Render("{{ tmpl \"a\" . }}"),
            "parsing: template: __alert_test:1: function \"tmpl\" not defined");
}

TEST(AlertTextTest, AFunctionThatNeedsAnEvaluationFailsOutsideOfOne) {
  const Result<AlertText> parsed = AlertText::Parse("x", "{{ now }}", AlertFunctions(""));
  ASSERT_TRUE(parsed);
  EXPECT_TRUE(parsed->templated());
  const Result<std::string> output = parsed->Expand({}, {});
  ASSERT_FALSE(output);
  EXPECT_NE(output.error().message.find("only known while a rule is evaluated"), std::string::npos);
}

TEST(TemplateFunctionsTest, AnswerPrometheusGoldenValues) {
  const Cases cases = {
      {R"({{ "foo.example.com" | stripPort }})", "foo.example.com"},
      {R"({{ "foo.example.com:12345" | stripPort }})", "foo.example.com"},
      {R"({{ "192.0.2.1" | stripPort }})", "192.0.2.1"},
      {R"({{ "192.0.2.1:12345" | stripPort }})", "192.0.2.1"},
      {R"({{ "2001:0DB8::1" | stripPort }})", "2001:0DB8::1"},
      {R"({{ "[2001:0DB8::1]:12345" | stripPort }})", "2001:0DB8::1"},
      {R"({{ "[2001:0DB8::1]::12345" | stripPort }})", "[2001:0DB8::1]::12345"},
      {R"({{ "foo.example.com" | stripDomain }})", "foo"},
      {R"({{ "foo.example.com:12345" | stripDomain }})", "foo:12345"},
      {R"({{ "192.0.2.1" | stripDomain }})", "192.0.2.1"},
      {R"({{ "192.0.2.1:12345" | stripDomain }})", "192.0.2.1:12345"},
      {R"({{ "2001:0DB8::1" | stripDomain }})", "2001:0DB8::1"},
      {R"({{ "[2001:0DB8::1]:12345" | stripDomain }})", "[2001:0DB8::1]:12345"},
      {R"({{ "[2001:0DB8::1]::12345" | stripDomain }})", "[2001:0DB8::1]::12345"},
      {R"({{ graphLink "up" }})", "/graph?g0.expr=up&g0.tab=0"},
      {R"({{ tableLink "sum(rate(x[5m])) > 1" }})",
       "/graph?g0.expr=sum%28rate%28x%5B5m%5D%29%29+%3E+1&g0.tab=1"},
      {R"({{ urlQueryEscape "a b/c" }})", "a+b%2Fc"},
      {R"({{ parseDuration "1h2m10ms" | printf "%0.2f" }})", "3720.01"},
      {R"({{ printf "%0.2f" (parseDuration "-1h2m10ms") }})", "-3720.01"},
      {R"({{ (toDuration 1800).String }} {{ toDuration "1.5" }})", "30m0s 1.5s"},
      {R"({{ (1435065584.128 | toTime).Format "2006" }})", "2015"},
      {R"({{ ("1435065584.128" | toTime).Format "2006" }})", "2015"},
      {R"({{define "x"}}{{.arg0}} {{.arg1}}{{end}}{{template "x" (args 1 "2")}})", "1 2"},
      {R"({{ reReplaceAll "(a)b" "x$1" "ab" }})", "xa"},
      {R"({{ match "a+" "aa" }} {{ match "a+" "b" }})", "true false"},
      {R"({{ "aa bb CC" | title }} {{ "aA" | toUpper }} {{ "aA" | toLower }})", "Aa Bb CC AA aa"},
      {R"({{ "<b>" | safeHtml }})", "<b>"},
      {R"({{ 1435065584.128 | humanizeTimestamp }})", "2015-06-23 13:19:44.128 +0000 UTC"},
      {R"({{ -0.22222 | humanizePercentage }} {{ 1048576.0 | humanize1024 }})", "-22.22% 1Mi"},
  };
  for (const auto& [text, expected] : cases) EXPECT_EQ(Render(text), expected) << text;
}

TEST(TemplateFunctionsTest, HaveAllThatATextCanUse) {
  const std::vector<std::string> names = {"args",
                                          "externalURL",
                                          "first",
                                          "graphLink",
                                          "humanize",
                                          "humanize1024",
                                          "humanizeDuration",
                                          "humanizePercentage",
                                          "humanizeTimestamp",
                                          "label",
                                          "match",
                                          "now",
                                          "parseDuration",
                                          "pathPrefix",
                                          "query",
                                          "reReplaceAll",
                                          "safeHtml",
                                          "sortByLabel",
                                          "stripDomain",
                                          "stripPort",
                                          "strvalue",
                                          "tableLink",
                                          "title",
                                          "toDuration",
                                          "toLower",
                                          "toTime",
                                          "toUpper",
                                          "urlQueryEscape",
                                          "value"};
  const gotemplate::Functions functions = AlertFunctions("");
  EXPECT_EQ(functions.size(), names.size());
  for (const std::string& name : names) EXPECT_TRUE(functions.contains(name)) << name;
}

TEST(TemplateFunctionsTest, RefuseDurationsAndTimesBeyondNanoseconds) {
  EXPECT_NE(Render("{{ toDuration 1e10 }}").find("overflows int64"), std::string::npos);
  EXPECT_NE(Render("{{ toTime 1e300 }}").find("overflows int64"), std::string::npos);
  EXPECT_NE(Render("{{ toTime \"NaN\" }}").find("value is NaN or Inf"), std::string::npos);
  EXPECT_NE(Render("{{ parseDuration \"soon\" }}").find("error calling parseDuration"),
            std::string::npos);
}

}  // namespace
}  // namespace fettle::rules
