#include "common/gotemplate.h"

#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

#include "common/duration.h"
#include "tests/support/case_file.h"
#include "tests/support/template_value.h"

namespace fettle::gotemplate {
namespace {

using namespace std::chrono_literals;

// The output, or the error's text.
std::string Render(std::string_view text, const Value& data = {}, Functions functions = {}) {
  Result<Template> parsed = Template::Parse("t", text, std::move(functions));
  if (!parsed) return parsed.error().message;
  Result<std::string> output = parsed->Execute(data);
  return output ? *output : output.error().message;
}

TEST(GotemplateTest, AnswersTheCasesInTheDataFilesAsGoDoes) {
  for (const TextCase& one : LoadCases("gotemplate")) {
    SCOPED_TRACE(one.name);
    Value data;
    if (one.Has("data")) {
      const Result<Value> read = TemplateValueFromJson(one.parts.at("data"));
      ASSERT_TRUE(read) << read.error().message;
      data = *read;
    }
    ASSERT_NE(one.Has("gives"), one.Has("fails"));
    EXPECT_EQ(Render(one.input, data), one.parts.at(one.Has("gives") ? "gives" : "fails"));
  }
}

TEST(GotemplateTest, CallsTheFunctionsItIsGiven) {
  const Functions functions = {
      {"shout",
       [](const std::vector<Value>& arguments) -> Result<Value> {
         Result<std::string> text = TextArgument(arguments, 0);
         if (!text) return tl::unexpected(text.error());
         return Value(*text + "!");
       }},
      {"fail", [](const auto&) -> Result<Value> { return Fail("the query timed out"); }},
  };
  EXPECT_EQ(Render(R"({{ shout "a" }}{{ "b" | shout | shout }})", {}, functions), "a!b!!");
  EXPECT_EQ(Render("{{ shout 1 }}", {}, functions),
            R"(template: t:1:3: executing "t" at <shout 1>: error calling shout: )"
            "wrong type for value; expected string; got int");
  EXPECT_EQ(Render("x{{ if fail }}{{ end }}", {}, functions),
            R"(template: t:1:7: executing "t" at <fail>: error calling fail: the query timed out)");
}

TEST(GotemplateTest, AFunctionGivenHidesABuiltinOne) {
  const Functions functions = {{"len", [](const auto&) -> Result<Value> { return Value("mine"); }},
                               {"and", [](const auto&) -> Result<Value> { return Value("ours"); }}};
  EXPECT_EQ(Render("{{ len 1 }} {{ and 0 1 }}", {}, functions), "mine ours");
}

TEST(GotemplateTest, FunctionsGivenToARunStandInForThoseOfTheText) {
  Result<Template> parsed = Template::Parse(
      "t", "{{ now }}", {{"now", [](const auto&) -> Result<Value> { return Fail("not now"); }}});
  ASSERT_TRUE(parsed);
  EXPECT_FALSE(parsed->Execute({}));
  const Functions at_seven = {{"now", [](const auto&) -> Result<Value> { return Value(7); }}};
  EXPECT_EQ(*parsed->Execute({}, at_seven), "7");
}

TEST(GotemplateTest, CallsFunctionsThatAreValues) {
  const Value twice = Value::Callable([](const std::vector<Value>& arguments) -> Result<Value> {
    return Value(*arguments.at(0).AsInteger() * 2);
  });
  EXPECT_EQ(Render("{{ call .f 21 }}", Map{{"f", twice}}), "42");
  EXPECT_EQ(Render("{{ .f }}", Map{{"f", twice}}),
            R"(template: t:1:3: executing "t" at <{{.f}}>: can't print {{.f}} of type func)");
}

Object KeyValues() {
  Object object;
  object.type_name = "template.KV";
  object.keyed = true;
  object.fields = {{"alertname", "Down"}, {"job", "api"}};
  object.methods["Names"] = [](const auto&) -> Result<Value> {
    return Value(List{"alertname", "job"});
  };
  object.methods["Remove"] = [](const std::vector<Value>& arguments) -> Result<Value> {
    return Value("without " + Print(arguments.at(0)));
  };
  return object;
}

TEST(GotemplateTest, AKeyedObjectIsAMapWithMethods) {
  const Value data = Map{{"labels", KeyValues()}};
  EXPECT_EQ(Render("{{ .labels.job }}[{{ .labels.none }}]{{ index .labels \"job\" }}", data),
            "api[]api");
  EXPECT_EQ(Render("{{ range $k, $v := .labels }}{{ $k }}={{ $v }} {{ end }}", data),
            "alertname=Down job=api ");
  EXPECT_EQ(
      Render("{{ .labels.Names }} {{ len .labels }} {{ .labels.Remove .labels.Names }}", data),
      "[alertname job] 2 without [alertname job]");
  EXPECT_EQ(Render("{{ .labels }}", data), "map[alertname:Down job:api]");
  EXPECT_EQ(Render("{{ if .labels }}some{{ end }}", data), "some");
}

TEST(GotemplateTest, AnObjectWithItemsIsAListWithMethods) {
  Object alerts;
  alerts.type_name = "template.Alerts";
  alerts.items = std::make_shared<const List>(List{1, 2, 3});
  alerts.methods["Firing"] = [](const auto&) -> Result<Value> { return Value(List{1, 2}); };
  const Value data = Map{{"Alerts", alerts}};
  EXPECT_EQ(Render("{{ range .Alerts }}{{ . }}{{ end }}|{{ len .Alerts.Firing }}"
                   "|{{ index .Alerts 2 }}|{{ slice .Alerts 1 }}|{{ .Alerts }}",
                   data),
            "123|2|3|[2 3]|[1 2 3]");
  EXPECT_EQ(Render("{{ .Alerts.Foo }}", data),
            R"(template: t:1:10: executing "t" at <.Alerts.Foo>: )"
            "can't evaluate field Foo in type template.Alerts");
}

TEST(GotemplateTest, APlainObjectHasFieldsAndIsTrue) {
  Object sample;
  sample.type_name = "*template.sample";
  sample.fields = {{"Labels", Map{{"a", "b"}}}, {"Value", 1.5}};
  EXPECT_EQ(Render("{{ .Labels.a }} {{ .Value }} {{ . }}{{ if . }}!{{ end }}", sample),
            "b 1.5 {map[a:b] 1.5}!");
  EXPECT_EQ(Render("{{ .Nope }}", sample), R"(template: t:1:3: executing "t" at <.Nope>: )"
                                           "can't evaluate field Nope in type *template.sample");
  EXPECT_EQ(Render("{{ .Value 1 }}", sample),
            R"(template: t:1:3: executing "t" at <.Value>: )"
            "Value has arguments but cannot be invoked as function");
}

TEST(GotemplateTest, TimesFormatAsGoLaysOut) {
  const Value data = *ParseRfc3339("2026-02-03T16:05:06.070Z");
  const std::vector<std::pair<std::string, std::string>> layouts = {
      {"2006-01-02 15:04:05", "2026-02-03 16:05:06"},
      {"Mon Monday Jan January _2 2 02", "Tue Tuesday Feb February  3 3 03"},
      {"3:04PM 03:04 pm 06 1", "4:05PM 04:05 pm 26 2"},
      {"05.000 05.00 05.999999 05,000", "06.070 06.07 06.07 06,070"},
      {"002 __2", "034  34"},
      {"MST -0700 -07:00 -07 Z0700 Z07:00 Z07", "UTC +0000 +00:00 +00 Z Z Z"},
      {"Month: Janus", "Month: Janus"},
  };
  for (const auto& [layout, text] : layouts) {
    EXPECT_EQ(Render("{{ .Format \"" + layout + "\" }}", data), text) << layout;
  }
  EXPECT_EQ(Render("{{ . }}|{{ .Local.UTC }}", data),
            "2026-02-03 16:05:06.07 +0000 UTC|2026-02-03 16:05:06.07 +0000 UTC");
}

TEST(GotemplateTest, TimesInAZoneShowItsClock) {
  const Time noon = *ParseRfc3339("2026-07-01T12:00:00Z");
  EXPECT_EQ(Render("{{ .Format \"15:04 MST -0700\" }}", Timestamp{noon, "Europe/Berlin"}),
            "14:00 CEST +0200");
  EXPECT_EQ(Render("{{ . }}", Timestamp{noon, "Asia/Kolkata"}), "2026-07-01 17:30:00 +0530 IST");
}

TEST(GotemplateTest, TimesCalculate) {
  const Value data = Map{{"t", *ParseRfc3339("2026-02-03T16:05:06.070Z")},
                         {"u", *ParseRfc3339("2026-02-03T14:35:06Z")},
                         {"hour", Duration(1h)}};
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"{{ .t.Unix }} {{ .t.UnixMilli }} {{ .t.UnixNano }}",
       "1770134706 1770134706070 1770134706070000000"},
      {"{{ .t.Year }} {{ .t.Month }} {{ .t.Day }} {{ .t.Hour }} {{ .t.Minute }} {{ .t.Second }}",
       "2026 February 3 16 5 6"},
      {"{{ .t.Weekday }} {{ .t.YearDay }} {{ eq .t.Month 2 }} {{ printf \"%d\" .t.Weekday }}",
       "Tuesday 34 true 2"},
      {"{{ .t.Sub .u }} {{ (.t.Sub .u).Hours }} {{ .t.After .u }} {{ .t.Before .u }}",
       "1h30m0.07s 1.5000194444444443 true false"},
      {"{{ (.t.Add .hour).Format \"15:04\" }} {{ (.t.AddDate 0 1 26).Format \"01-02\" }}",
       "17:05 03-29"},
      {"{{ (.t.Truncate .hour).Format \"15:04:05\" }} {{ (.u.Round .hour).Format \"15:04\" }}",
       "16:00:00 15:00"},
      {"{{ .t.Equal .t }} {{ .t.IsZero }} {{ .hour }} {{ .hour.Seconds }} {{ .hour.Minutes }}",
       "true false 1h0m0s 3600 60"},
      {"{{ .hour.Milliseconds }} {{ (.hour.Round .hour).String }} {{ gt .hour 5 }}",
       "3600000 1h0m0s true"},
  };
  for (const auto& [text, expected] : cases) EXPECT_EQ(Render(text, data), expected) << text;
  EXPECT_EQ(Render("{{ .t.Add \"x\" }}", data),
            R"(template: t:1:5: executing "t" at <.t.Add>: error calling Add: )"
            "wrong type for value; expected time.Duration; got string");
  EXPECT_EQ(Render("{{ .t.Unix 1 }}", data),
            R"(template: t:1:5: executing "t" at <.t.Unix>: error calling Unix: )"
            "wrong number of args: want 0 got 1");
  EXPECT_EQ(Render("{{ .t.Nope }}", data), R"(template: t:1:5: executing "t" at <.t.Nope>: )"
                                           "can't evaluate field Nope in type time.Time");
}

TEST(GotemplateTest, DurationsPrintAsGoDoes) {
  const std::vector<std::pair<Duration, std::string>> cases = {
      {0s, "0s"},
      {1ns, "1ns"},
      {1500ns, "1.5µs"},
      {2ms, "2ms"},
      {1s, "1s"},
      {1500ms, "1.5s"},
      {61s, "1m1s"},
      {1h, "1h0m0s"},
      {-90s, "-1m30s"},
      {25h + 1ms, "25h0m0.001s"},
      {Duration::min(), "-2562047h47m16.854775808s"},
  };
  for (const auto& [duration, text] : cases) EXPECT_EQ(Print(duration), text);
}

TEST(GotemplateTest, TakesDefinitionsFromOtherTexts) {
  Result<Template> parsed =
      Template::Parse("t", R"({{ template "a" . }}{{ template "b" }})", {},
                      {R"({{ define "a" }}<{{ . }}>{{ end }})", R"({{ define "b" }}b{{ end }})"});
  ASSERT_TRUE(parsed) << parsed.error().message;
  EXPECT_EQ(*parsed->Execute("x"), "<x>b");
  parsed = Template::Parse("t", "", {}, {"{{ define \"a\" }}", "x"});
  ASSERT_FALSE(parsed);
  EXPECT_EQ(parsed.error().message, "template: definitions 1:1: unexpected EOF");
  EXPECT_EQ(parsed.error().cause, Cause::kInvalid);
}

TEST(GotemplateTest, FurtherTextsShareDefinitionsAndKeepTheirOwn) {
  Result<Template> library =
      Template::Parse("lib", "", {{"f", [](const auto&) -> Result<Value> { return Value("f"); }}},
                      {R"({{ define "a" }}library {{ f }}{{ end }})"});
  ASSERT_TRUE(library);
  Result<Template> one = library->With("one", R"({{ template "a" }})");
  Result<Template> two =
      library->With("two", R"({{ define "a" }}own{{ end }}{{ template "a" }} {{ f }})");
  ASSERT_TRUE(one && two);
  EXPECT_EQ(*two->Execute({}), "own f");
  EXPECT_EQ(*one->Execute({}), "library f");
  EXPECT_EQ(library->With("three", "{{ nope }}").error().message,
            R"(template: three:1: function "nope" not defined)");
}

TEST(GotemplateTest, AnEmptyTextGivesNothing) { EXPECT_EQ(Render(""), ""); }

TEST(GotemplateTest, StopsWhatRunsTooLong) {
  const std::string loops =
      "{{ range 1000 }}{{ range 1000 }}{{ range 1000 }}{{ end }}{{ end }}{{ end }}";
  Result<Template> parsed = Template::Parse("t", loops, {});
  ASSERT_TRUE(parsed);
  const Result<std::string> output = parsed->Execute({});
  ASSERT_FALSE(output);
  EXPECT_EQ(output.error().cause, Cause::kLimit);
  EXPECT_NE(output.error().message.find("takes more than 1000000 steps"), std::string::npos);
}

TEST(GotemplateTest, StopsOutputThatGrowsTooLong) {
  const std::string text = std::string(1024, 'x');
  Result<Template> parsed = Template::Parse("t", "{{ range 10000 }}" + text + "{{ end }}", {});
  ASSERT_TRUE(parsed);
  EXPECT_NE(parsed->Execute({}).error().message.find("output longer than 4194304 bytes"),
            std::string::npos);
}

TEST(GotemplateTest, StopsStringsThatDoubleThemselves) {
  const std::string text =
      R"({{ $x := "0123456789" }}{{ range 100 }}{{ $x = print $x $x }}{{ end }}{{ len $x }})";
  EXPECT_NE(Render(text).find("a string longer than 4194304 bytes"), std::string::npos);
  EXPECT_NE(Render("{{ range 100000 }}{{ $x := printf \"%1000000d\" 1 }}{{ end }}")
                .find("takes more than 1000000 steps"),
            std::string::npos);
}

TEST(GotemplateTest, RefusesNestingBeyondItsDepth) {
  std::string deep;
  for (int i = 0; i < 200; ++i) deep += "{{ if true }}";
  EXPECT_EQ(Render(deep), "template: t:1: nested deeper than 100");
  EXPECT_EQ(Render("{{ " + std::string(200, '(') + "1" + std::string(200, ')') + " }}"),
            "template: t:1: nested deeper than 100");
  EXPECT_NE(Render(std::string(kTextBytesMax + 1, 'x')).find("longer than 1048576 bytes"),
            std::string::npos);
}

TEST(GotemplateTest, OneTemplateRendersOnManyThreads) {
  Result<Template> parsed =
      Template::Parse("t", "{{ range $k, $v := . }}{{ $k }}{{ $v }}{{ end }}", {});
  ASSERT_TRUE(parsed);
  std::vector<std::jthread> threads;
  std::vector<int> right(4);
  for (std::size_t t = 0; t < right.size(); ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 200; ++i) {
        if (*parsed->Execute(Map{{"a", i}, {"b", 2}}) == "a" + std::to_string(i) + "b2") ++right[t];
      }
    });
  }
  threads.clear();
  EXPECT_EQ(right, std::vector<int>(4, 200));
}

TEST(GotemplateTest, LabelsBecomeAMapOfStrings) {
  const Value labels = Value::From(Labels{{"job", "api"}, {"__name__", "up"}});
  EXPECT_EQ(Print(labels), "map[__name__:up job:api]");
  EXPECT_EQ(TypeName(labels), "map[string]string");
}

}  // namespace
}  // namespace fettle::gotemplate
