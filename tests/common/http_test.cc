#include "common/http.h"

#include <gmock/gmock.h>

namespace fettle {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;

TEST(HeadersTest, ComparesNamesWithoutCase) {
  const Headers headers{{"Content-Type", "text/plain"}};
  EXPECT_EQ(headers.Get("content-type"), "text/plain");
  EXPECT_TRUE(headers.Has("CONTENT-TYPE"));
  EXPECT_FALSE(headers.Has("Content-Typ"));
  EXPECT_EQ(headers.Get("Accept"), "");
}

TEST(HeadersTest, AnswersWithTheFirstOfRepeatedNames) {
  Headers headers;
  headers.Add("Via", "a");
  headers.Add("via", "b");
  EXPECT_EQ(headers.Get("Via"), "a");
}

TEST(HeadersTest, SettingReplacesEveryValueAndKeepsTheOrderOfTheOthers) {
  Headers headers{{"A", "1"}, {"Via", "a"}, {"B", "2"}, {"VIA", "b"}};
  headers.Set("via", "c");
  EXPECT_THAT(std::vector<Headers::Pair>(headers.begin(), headers.end()),
              ElementsAre(Pair("A", "1"), Pair("B", "2"), Pair("via", "c")));
}

TEST(HeadersTest, MayBeSetFromItsOwnValue) {
  Headers headers{{"Forwarded", "a value too long for the small-string buffer"}};
  headers.Set("Forwarded", headers.Get("forwarded"));
  EXPECT_EQ(headers.Get("Forwarded"), "a value too long for the small-string buffer");
}

TEST(RoleTest, PrintsAsConfigurationsWriteIt) {
  EXPECT_EQ(ToString(Role::kPublic), "public");
  EXPECT_EQ(ToString(Role::kRead), "read");
  EXPECT_EQ(ToString(Role::kWebhook), "webhook");
  EXPECT_EQ(ToString(Role::kOperator), "operator");
}

HttpRequest At(std::string url) {
  HttpRequest request;
  request.url = std::move(url);
  return request;
}

TEST(HttpRequestTest, FindsThePath) {
  struct Case {
    std::string url;
    std::string path;
  };
  for (const Case& c : std::vector<Case>{
           {"/metrics", "/metrics"},
           {"/metrics?name=x", "/metrics"},
           {"/a%20b%2Fc?x=/y", "/a b/c"},
           {"/a+b", "/a+b"},
           {"", "/"},
           {"?x=1", "/"},
           {"/#top", "/"},
           {"http://host:9911/api/v1/query?query=up", "/api/v1/query"},
           {"https://host", "/"},
           {"https://host?x=1", "/"},
           {"/redirect?to=http://other/path", "/redirect"},
           {"/proxy/http://other/path", "/proxy/http://other/path"},
       }) {
    EXPECT_EQ(At(c.url).Path(), c.path) << c.url;
  }
}

TEST(HttpRequestTest, DecodesQueryParameters) {
  const HttpRequest request = At("/x?query=sum(up)%20%3E+1&match%5B%5D=a&match[]=b&flag&empty=");
  EXPECT_EQ(request.Query("query"), "sum(up) > 1");
  EXPECT_THAT(request.QueryAll("match[]"), ElementsAre("a", "b"));
  EXPECT_EQ(request.Query("flag"), "");
  EXPECT_EQ(request.Query("empty"), "");
  EXPECT_EQ(request.Query("absent"), std::nullopt);
}

TEST(HttpRequestTest, ReadsQueriesThatAreBarelyQueries) {
  EXPECT_EQ(At("/x?").Query("a"), std::nullopt);
  EXPECT_EQ(At("/x?&&a=1&&").Query("a"), "1");
  EXPECT_EQ(At("/x?a=1=2").Query("a"), "1=2");
  EXPECT_EQ(At("/x?=1").Query(""), "1");
  EXPECT_EQ(At("/x?a=1#b=2").Query("b"), std::nullopt);
  EXPECT_THAT(At("/x").QueryAll("a"), IsEmpty());
}

TEST(PercentTest, EncodesAllButTheUnreserved) {
  EXPECT_EQ(PercentEncode("AZaz09-._~"), "AZaz09-._~");
  EXPECT_EQ(PercentEncode("a b/ü+%"), "a%20b%2F%C3%BC%2B%25");
  EXPECT_EQ(PercentEncode(std::string_view("\0\xff", 2)), "%00%FF");
}

TEST(PercentTest, LeavesBrokenEscapesAsTheyAre) {
  for (const char* text : {"%", "%4", "%zz", "%4g", "%%", "100%"}) {
    EXPECT_EQ(PercentDecode(text, true), text);
  }
  EXPECT_EQ(PercentDecode("%%41", true), "%A");
}

TEST(PercentTest, TurnsPlusIntoSpaceOnlyWhereFormsDo) {
  EXPECT_EQ(PercentDecode("a+b%2B", true), "a b+");
  EXPECT_EQ(PercentDecode("a+b%2b", false), "a+b+");
}

TEST(PercentTest, DecodesWhatItEncodesForEveryByte) {
  std::string all;
  for (int byte = 0; byte < 256; ++byte) all += static_cast<char>(byte);
  EXPECT_EQ(PercentDecode(PercentEncode(all), true), all);
  EXPECT_EQ(PercentDecode(PercentEncode(all), false), all);
}

TEST(HttpResponseTest, SaysWhatItIs) {
  const HttpResponse text = TextResponse(404, "not here\n");
  EXPECT_EQ(text.status, 404);
  EXPECT_EQ(text.headers.Get("Content-Type"), "text/plain; charset=utf-8");
  EXPECT_EQ(text.body, "not here\n");
  const HttpResponse json = JsonResponse(200, "{}");
  EXPECT_EQ(json.status, 200);
  EXPECT_EQ(json.headers.Get("Content-Type"), "application/json");
  EXPECT_EQ(json.body, "{}");
}

}  // namespace
}  // namespace fettle
