#include "rules/remote_query.h"

#include <gtest/gtest.h>

#include <cmath>

#include "tests/support/fake_transport.h"
#include "tests/support/manual_clock.h"

namespace fettle::rules {
namespace {

class RemoteQueryTest : public testing::Test {
 protected:
  Result<RuleAnswer> Ask(Millis timeout = Millis(5'000)) {
    const auto tree = promql::Parse("up > 0");
    return query_.Ask(**tree, "up > 0", clock_.Now().wall, clock_.Now().boot + timeout);
  }
  void Answer(int status, const std::string& body) {
    network_.AnswerWith([=](const HttpRequest&) -> Result<HttpResponse> {
      return HttpResponse{status, {}, body};
    });
  }
  std::string Error() {
    const auto answer = Ask();
    return answer ? "" : answer.error().message;
  }

  ManualClock clock_;
  FakeTransport network_;
  QueryTarget target_{.url = "http://mimir/prometheus"};
  RemoteQuery query_{{network_, clock_}, target_};
};

TEST_F(RemoteQueryTest, AsksAtTheEvaluationsTime) {
  Answer(200, R"({"status":"success","data":{"resultType":"vector","result":[]}})");
  ASSERT_TRUE(Ask(Millis(1'500)).has_value());
  const HttpRequest request = network_.Sent().front();
  EXPECT_EQ(request.method, "POST");
  EXPECT_EQ(request.url, "http://mimir/prometheus/api/v1/query");
  EXPECT_EQ(request.body, "query=up%20%3E%200&time=1767225600.000&timeout=1.500&stats=true");
  EXPECT_EQ(network_.Options().front().timeout, Millis(1'500));
}

TEST_F(RemoteQueryTest, ReadsVectorsAndScalars) {
  Answer(200,
         R"({"status":"success","data":{"resultType":"vector","result":[)"
         R"({"metric":{"__name__":"up","job":"a"},"value":[1,"1.5"]},)"
         R"({"metric":{"job":"b"},"value":[1,"+Inf"]},{"metric":{"job":"c"},"value":[1,"NaN"]},)"
         R"({"metric":{"job":"d"},"histogram":[1,{}]}],)"
         R"("stats":{"samples":{"totalQueryableSamples":7}}}})");
  const auto vector = Ask();
  ASSERT_TRUE(vector.has_value()) << vector.error().message;
  ASSERT_EQ(vector->vector.size(), 3U);
  EXPECT_EQ(vector->vector[0].labels->ToString(), "up{job=\"a\"}");
  EXPECT_EQ(vector->vector[0].value, 1.5);
  EXPECT_TRUE(std::isinf(vector->vector[1].value));
  EXPECT_TRUE(std::isnan(vector->vector[2].value));
  EXPECT_EQ(vector->samples, 7U);
  Answer(200, R"({"status":"success","data":{"resultType":"scalar","result":[1,"2"]}})");
  const auto scalar = Ask();
  ASSERT_TRUE(scalar.has_value());
  EXPECT_EQ(scalar->vector.at(0).value, 2);
  EXPECT_TRUE(scalar->vector.at(0).labels->empty());
}

TEST_F(RemoteQueryTest, AnEmptyAnswerWithoutStatisticsIsNotBlindness) {
  Answer(200, R"({"status":"success","data":{"resultType":"vector","result":[]}})");
  EXPECT_EQ(Ask()->samples, 1U);
}

TEST_F(RemoteQueryTest, SaysWhatTheOtherServerSays) {
  Answer(422, R"({"status":"error","errorType":"execution","error":"too many samples"})");
  EXPECT_EQ(Error(), "asking http://mimir/prometheus: HTTP status 422: too many samples");
  Answer(503, "no\nbackend");
  EXPECT_EQ(Error(), "asking http://mimir/prometheus: HTTP status 503: no backend");
  EXPECT_TRUE(Ask().error().retryable());
  Answer(200, R"({"status":"success","data":{"resultType":"matrix","result":[]}})");
  EXPECT_EQ(Error(), "asking http://mimir/prometheus: rule result is not a vector or scalar");
  Answer(200, "<html>");
  EXPECT_FALSE(Ask().has_value());
  Answer(200, R"({"status":"success","data":{"resultType":"vector","result":[{"value":[1]}]}})");
  EXPECT_EQ(Error(), "asking http://mimir/prometheus: a sample has no time and value");
}

TEST_F(RemoteQueryTest, NothingIsAskedAfterTheDeadline) {
  EXPECT_EQ(Ask(Millis(0)).error().cause, Cause::kTimeout);
  EXPECT_TRUE(network_.Sent().empty());
}

TEST_F(RemoteQueryTest, AJudgeAsksTheSame) {
  Answer(200, R"({"status":"success","data":{"resultType":"vector","result":[)"
              R"({"metric":{"job":"a"},"value":[1,"3"]}]}})");
  const QueryJudge judge(query_, clock_, {});
  const auto answer = judge.Ask("up", clock_.Now().wall, Millis(1'000));
  ASSERT_TRUE(answer.has_value());
  EXPECT_EQ(answer->at(0).value, 3);
  EXPECT_FALSE(judge.Check("up[5m]").has_value());
  EXPECT_FALSE(judge.Check("up ==").has_value());
  EXPECT_TRUE(judge.Check("up == 1").has_value());
}

}  // namespace
}  // namespace fettle::rules
