#include "rules/federate.h"

#include <gtest/gtest.h>

#include "tests/support/manual_clock.h"

namespace fettle::rules {
namespace {

class FederateTest : public testing::Test {
 protected:
  void Put(const Labels& labels, double value, Millis ago = Millis(1'000)) {
    ASSERT_TRUE(samples_.Append({.samples = {{labels, value, clock_.Now().wall - ago}}}));
  }
  HttpResponse Ask(const std::string& query) {
    return Federation({samples_, clock_, [this] { return external_; }}, std::chrono::minutes(5))
        .Serve({.url = "/federate?" + query});
  }

  ManualClock clock_;
  SampleStore samples_{{}};
  Labels external_;
};

TEST_F(FederateTest, ShowsTheNewestSampleOfEachSeriesByName) {
  Put({{"__name__", "b"}, {"x", "2"}}, 2);
  Put({{"__name__", "b"}, {"x", "1"}, {"instance", "i"}}, 1.5);
  Put({{"__name__", "ALERTS"}, {"alertname", "A"}, {"alertstate", "firing"}}, 1);
  Put({{"__name__", "a"}, {"q", "\"\\\n"}}, 1e9, Millis(60'000));
  Put({{"__name__", "old"}}, 1, std::chrono::minutes(6));
  Put({{"__name__", "ended"}}, 1, Millis(2'000));
  Put({{"__name__", "ended"}}, StaleNaN());
  EXPECT_EQ(Ask("match[]={__name__!=%22%22}").body, R"(# TYPE ALERTS untyped
ALERTS{alertname="A",alertstate="firing",instance=""} 1 1767225599000
# TYPE a untyped
a{q="\"\\\n",instance=""} 1e+09 1767225540000
# TYPE b untyped
b{instance="i",x="1"} 1.5 1767225599000
b{x="2",instance=""} 2 1767225599000
)");
}

TEST_F(FederateTest, ExternalLabelsAreAttachedWhereThereIsNone) {
  external_ = {{"site", "fra1"}, {"x", "no"}};
  Put({{"__name__", "b"}, {"x", "1"}}, 1);
  EXPECT_EQ(Ask("match[]=b").body,
            "# TYPE b untyped\nb{x=\"1\",instance=\"\",site=\"fra1\"} 1 1767225599000\n");
}

TEST_F(FederateTest, SeveralSelectorsGiveEachSeriesOnce) {
  Put({{"__name__", "b"}, {"x", "1"}}, 1);
  EXPECT_EQ(Ask("match[]=b&match[]={x=%221%22}").body,
            "# TYPE b untyped\nb{x=\"1\",instance=\"\"} 1 1767225599000\n");
  EXPECT_EQ(Ask("").body, "");
  EXPECT_EQ(Ask("match[]={").status, 400);
}

}  // namespace
}  // namespace fettle::rules
