#include "exporter/remote_write/backlog.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "tests/support/temp_dir.h"

namespace fettle::exporter {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr std::size_t kPlenty = 1024 * 1024 * 1024;

class BacklogTest : public testing::Test {
 protected:
  std::unique_ptr<Backlog> Open(std::size_t bytes_max = kPlenty) {
    auto backlog = Backlog::Open(dir_ / "queue", bytes_max);
    EXPECT_TRUE(backlog.has_value());
    return *std::move(backlog);
  }
  static std::vector<std::string> ReadAll(Backlog& backlog, Backlog::Place* end = nullptr) {
    std::vector<std::string> read;
    while (true) {
      auto frame = backlog.Read();
      EXPECT_TRUE(frame.has_value());
      if (!frame || !*frame) return read;
      if (end != nullptr) *end = (*frame)->end;
      read.push_back(std::move((*frame)->bytes));
    }
  }
  std::size_t Files() const {
    const std::filesystem::directory_iterator all(dir_ / "queue");
    return static_cast<std::size_t>(std::distance(begin(all), end(all)));
  }

  TempDir dir_;
};

TEST_F(BacklogTest, GivesInOrderWhatItWasGiven) {
  const auto backlog = Open();
  EXPECT_THAT(ReadAll(*backlog), IsEmpty());
  ASSERT_TRUE(backlog->Append("a", 1));
  ASSERT_TRUE(backlog->Append("", 2));
  EXPECT_THAT(ReadAll(*backlog), ElementsAre("a", ""));
  EXPECT_EQ(backlog->count(), 3U);
  ASSERT_TRUE(backlog->Append("c", 1));
  EXPECT_THAT(ReadAll(*backlog), ElementsAre("c"));
}

TEST_F(BacklogTest, WhatWasCommittedIsGoneAndTheRestComesBack) {
  {
    const auto backlog = Open();
    for (const char* text : {"a", "b", "c"}) ASSERT_TRUE(backlog->Append(text, 1));
    (void)backlog->Read();
    const auto second = backlog->Read();
    ASSERT_TRUE(backlog->Commit((*second)->end));
    EXPECT_EQ(backlog->count(), 1U);
    (void)backlog->Read();  // read, but not committed
  }
  const auto backlog = Open();
  EXPECT_EQ(backlog->count(), 1U);
  EXPECT_GT(backlog->bytes(), 0U);
  EXPECT_THAT(ReadAll(*backlog), ElementsAre("c"));
}

TEST_F(BacklogTest, SegmentsWithNothingToSendGo) {
  const std::string large(Backlog::kSegmentBytesMax / 2 + 1, 'x');
  const auto backlog = Open();
  for (int i = 0; i < 6; ++i) ASSERT_TRUE(backlog->Append(large, 1));
  EXPECT_EQ(Files(), 3U);
  Backlog::Place end;
  EXPECT_EQ(ReadAll(*backlog, &end).size(), 6U);
  ASSERT_TRUE(backlog->Commit(end));
  EXPECT_EQ(Files(), 2U) << "the last segment, and the cursor";
  EXPECT_EQ(backlog->count(), 0U);
  EXPECT_EQ(backlog->bytes(), 0U);
  ASSERT_TRUE(backlog->Append("after", 1));
  EXPECT_THAT(ReadAll(*backlog), ElementsAre("after"));
}

TEST_F(BacklogTest, BeyondItsBoundTheOldestGoes) {
  const std::string large(Backlog::kSegmentBytesMax, 'x');
  const auto backlog = Open(2 * Backlog::kSegmentBytesMax);
  EXPECT_EQ(*backlog->Append(large, 5), 0U);
  EXPECT_EQ(*backlog->Append(large + "2", 6), 5U);
  EXPECT_EQ(*backlog->Append("3", 7), 0U);
  EXPECT_EQ(*backlog->Append(large + "4", 8), 6U);
  EXPECT_EQ(backlog->count(), 15U);
  EXPECT_THAT(ReadAll(*backlog), ElementsAre("3", large + "4"));
}

TEST_F(BacklogTest, AFrameThatWasNotFinishedEndsItsSegment) {
  {
    const auto backlog = Open();
    ASSERT_TRUE(backlog->Append("whole", 1));
    ASSERT_TRUE(backlog->Append("torn", 1));
  }
  const std::string file = dir_ / "queue/backlog-00000001";
  std::filesystem::resize_file(file, std::filesystem::file_size(file) - 1);
  const auto backlog = Open();
  EXPECT_EQ(backlog->count(), 1U);
  ASSERT_TRUE(backlog->Append("next", 1));
  EXPECT_THAT(ReadAll(*backlog), ElementsAre("whole", "next"));
}

TEST_F(BacklogTest, ADamagedFrameEndsItsSegment) {
  {
    const auto backlog = Open();
    ASSERT_TRUE(backlog->Append("first", 1));
    ASSERT_TRUE(backlog->Append("second", 1));
  }
  {
    std::fstream file(dir_ / "queue/backlog-00000001", std::ios::in | std::ios::out);
    file.seekp(-1, std::ios::end);
    file.put('!');
  }
  const auto backlog = Open();
  ASSERT_TRUE(backlog->Append("next", 1));
  EXPECT_THAT(ReadAll(*backlog), ElementsAre("first", "next"));
}

}  // namespace
}  // namespace fettle::exporter
