#include "common/exemplar_board.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace fettle {
namespace {

TEST(ExemplarBoardTest, KeepsTheNewestOfABucketAndSaysSo) {
  ExemplarBoard board;
  std::string told;
  board.OnNote([&](const std::string& family, const Labels& bucket, const Exemplar& exemplar) {
    told += fmt::format("{}{}={} ", family, bucket.ToString(), exemplar.value);
  });
  const Labels bucket{{"le", "0.5"}};
  const auto at = [](std::int64_t millis, double value) {
    return Exemplar{{{"trace_id", "x"}}, value, TimeFromMillis(millis)};
  };
  EXPECT_FALSE(board.Find("d", bucket));
  board.Note("d", bucket, at(10'000, 0.1));
  board.Note("d", bucket, at(10'900, 0.2));
  EXPECT_EQ(board.Find("d", bucket)->value, 0.1) << "a second has not passed";
  board.Note("d", bucket, at(11'000, 0.3));
  EXPECT_EQ(board.Find("d", bucket)->value, 0.3);
  EXPECT_FALSE(board.Find("d", {{"le", "+Inf"}}));
  EXPECT_FALSE(board.Find("other", bucket));
  EXPECT_EQ(told, "d{le=\"0.5\"}=0.1 d{le=\"0.5\"}=0.3 ");
}

TEST(ExemplarBoardTest, ReadsTheTraceOfATraceparent) {
  const std::string id = "4bf92f3577b34da6a3ce929d0e0e4736";
  EXPECT_EQ(TraceIdOf("00-" + id + "-00f067aa0ba902b7-01"), id);
  EXPECT_EQ(TraceIdOf("01-" + id + "-00f067aa0ba902b7-01-more"), id);
  for (const std::string& none :
       std::vector<std::string>{"", id, "00-" + id, "ff-" + id + "-00f067aa0ba902b7-01",
                                "0x-" + id + "-00f067aa0ba902b7-01",
                                "00-" + std::string(32, '0') + "-00f067aa0ba902b7-01",
                                "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
                                "00-" + id + "_00f067aa0ba902b7-01"}) {
    EXPECT_EQ(TraceIdOf(none), "") << none;
  }
}

}  // namespace
}  // namespace fettle
