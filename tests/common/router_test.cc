#include "common/router.h"

#include <gmock/gmock.h>

namespace fettle {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class RouterTest : public ::testing::Test {
 protected:
  RouterTest() {
    Add("GET", "/");
    Add("GET", "/metrics");
    Add("GET", "/api/v2/");
    Add("GET", "/api/v2/alerts");
    Add("POST", "/api/v2/alerts");
    Add("DELETE", "/api/v2/silence/");
  }
  void Add(std::string method, std::string path) {
    router.Add(std::move(method), std::move(path), Role::kRead,
               [](const HttpRequest&) { return HttpResponse{}; });
  }
  std::string Find(std::string_view method, std::string_view path) {
    const Router::Route* route = router.Find(method, path);
    return route == nullptr ? "none" : route->method + " " + route->path;
  }
  Router router;
};

TEST_F(RouterTest, LetsTheLongestPathWin) {
  EXPECT_EQ(Find("GET", "/metrics"), "GET /metrics");
  EXPECT_EQ(Find("GET", "/api/v2/alerts"), "GET /api/v2/alerts");
  EXPECT_EQ(Find("GET", "/api/v2/alerts/groups"), "GET /api/v2/");
  EXPECT_EQ(Find("GET", "/api/v2/"), "GET /api/v2/");
  EXPECT_EQ(Find("POST", "/api/v2/alerts"), "POST /api/v2/alerts");
}

TEST_F(RouterTest, MatchesWholePathsUnlessTheyEndInASlash) {
  EXPECT_EQ(Find("GET", "/metricsx"), "none");
  EXPECT_EQ(Find("GET", "/metrics/"), "none");
  EXPECT_EQ(Find("GET", "/api/v2"), "none");
  EXPECT_EQ(Find("GET", "/api/v2x"), "none");
}

TEST_F(RouterTest, TakesTheRootAsItself) {
  EXPECT_EQ(Find("GET", "/"), "GET /");
  EXPECT_EQ(Find("GET", "/nope"), "none");
  EXPECT_THAT(router.MethodsAt("/nope"), IsEmpty());
}

TEST_F(RouterTest, ServesHeadByGet) { EXPECT_EQ(Find("HEAD", "/metrics"), "GET /metrics"); }

TEST_F(RouterTest, SaysWhichMethodsAPathKnows) {
  EXPECT_THAT(router.MethodsAt("/metrics"), ElementsAre("GET", "HEAD"));
  EXPECT_THAT(router.MethodsAt("/api/v2/alerts"), ElementsAre("GET", "HEAD", "POST"));
  EXPECT_THAT(router.MethodsAt("/api/v2/silence/abc"), ElementsAre("DELETE", "GET", "HEAD"));
}

}  // namespace
}  // namespace fettle
