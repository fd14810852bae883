// What an archive is worth, by its names. Goal: no gap is missed and none is invented, at timeline
// switches either; a window ends where recovery would stop. Archives are written in a few signs:
//   "1:2-7,9 2:8-12 h2 b1:3@100 b2:9@200"   segments of timelines, histories, base backups
// and a history as "1@8" (timeline 1 was left in segment 8). Segments are of 16 MiB.
#include "exporter/collectors/wal_gaps.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <charconv>
#include <sstream>

#include "tests/support/seeded_random.h"

namespace fettle::exporter {
namespace {

constexpr std::uint64_t kSegment = 16 * 1024 * 1024;

std::uint64_t Number(std::string_view text) {
  std::uint64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

void AddSegments(WalInventory& archive, std::uint32_t timeline, const std::string& text) {
  std::istringstream in(text);
  for (std::string run; std::getline(in, run, ',');) {
    const std::size_t dash = run.find('-');
    const std::uint64_t first = Number(run);
    const std::uint64_t last = dash == run.npos ? first : Number(run.substr(dash + 1));
    for (std::uint64_t n = first; n <= last; ++n) {
      archive.Add(*ParseWalName(WalFileName(timeline, n, kSegment)), kSegment, "",
                  static_cast<double>(n) * 10);
    }
  }
}

WalInventory Archive(const std::string& text) {
  WalInventory archive;
  std::istringstream in(text);
  for (std::string word; in >> word;) {
    const std::size_t colon = word.find(':');
    if (word[0] == 'h') {
      archive.histories[static_cast<std::uint32_t>(Number(word.substr(1)))] = "x";
    } else if (word[0] == 'b') {
      const std::size_t at = word.find('@');
      const auto timeline = static_cast<std::uint32_t>(Number(word.substr(1)));
      const std::uint64_t begins = Number(word.substr(colon + 1));
      archive.bases.push_back({*ParseWalName(WalFileName(timeline, begins, kSegment)),
                               static_cast<double>(Number(word.substr(at + 1)))});
    } else {
      AddSegments(archive, static_cast<std::uint32_t>(Number(word)), word.substr(colon + 1));
    }
  }
  return archive;
}

std::vector<WalAncestor> History(const std::string& text) {
  std::vector<WalAncestor> history;
  std::istringstream in(text);
  for (std::string word; in >> word;) {
    history.push_back({static_cast<std::uint32_t>(Number(word)),
                       Number(word.substr(word.find('@') + 1)) * kSegment + 96});
  }
  return history;
}

// "gaps 8-8,11-12 newest 13 earliest 100 reach 7"
std::string Shown(const WalVerdict& verdict) {
  std::string gaps;
  for (const WalGap& gap : verdict.gaps) {
    gaps += fmt::format("{}{}{}-{}", gaps.empty() ? "" : ",", gap.acknowledged ? "~" : "",
                        gap.begin, gap.end - 1);
  }
  std::string text = "gaps " + (gaps.empty() ? "none" : gaps);
  if (verdict.newest) {
    text += fmt::format(" newest {}.{}", verdict.newest->timeline, verdict.newest->number);
  }
  if (verdict.earliest) text += fmt::format(" from {}", *verdict.earliest);
  if (verdict.reachable) {
    text += fmt::format(" to {}.{}", verdict.reachable->timeline, verdict.reachable->number);
  }
  return text;
}

struct Case {
  const char* name;
  const char* archive;
  const char* history;
  const char* want;
};

TEST(WalGapsTest, TheVerdictIsWhatARecoveryWouldFind) {
  const Case cases[] = {
      {"nothing at all", "", "", "gaps none"},
      {"all is there", "1:2-9 b1:3@100", "", "gaps none newest 1.9 from 100 to 1.9"},
      {"no base backup, no recovery", "1:2-9", "", "gaps none newest 1.9"},
      {"a gap before the oldest base does not count", "1:2,5-9 b1:6@100", "",
       "gaps none newest 1.9 from 100 to 1.9"},
      {"a gap ends the window of the only base", "1:2-5,8-9 b1:3@100", "",
       "gaps 6-7 newest 1.9 from 100 to 1.5"},
      {"a base after the gap begins a new window", "1:2-5,8-12 b1:3@100 b1:9@200", "",
       "gaps 6-7 newest 1.12 from 200 to 1.12"},
      {"the oldest base of the last stretch counts", "1:2-5,8-12 b1:3@100 b1:9@200 b1:11@300", "",
       "gaps 6-7 newest 1.12 from 200 to 1.12"},
      {"a base whose beginning is missing is none", "1:2-5,8-12 b1:3@100 b1:7@200", "",
       "gaps 6-7 newest 1.12 from 100 to 1.5"},
      {"a base that nothing follows yet waits", "1:2-5 b1:3@100 b1:6@200", "",
       "gaps none newest 1.5 from 100 to 1.5"},
      {"only a base of the future", "1:2-5 b1:9@100", "", "gaps none newest 1.5"},
      {"two gaps", "1:2,4,6 b1:2@100", "", "gaps 3-3,5-5 newest 1.6 from 100 to 1.2"},
      {"a switch: the child copies its first segment", "1:2-7 2:8-12 h2 b1:3@100", "1@8",
       "gaps none newest 2.12 from 100 to 2.12"},
      {"a switch: the parent has that segment", "1:2-8 2:9-12 h2 b1:3@100", "1@8",
       "gaps none newest 2.12 from 100 to 2.12"},
      {"a switch: nobody has it", "1:2-7 2:9-12 h2 b1:3@100", "1@8",
       "gaps 8-8 newest 2.12 from 100 to 1.7"},
      {"a gap across a switch is one", "1:2-6 2:10-12 h2 b1:3@100", "1@8",
       "gaps 7-9 newest 2.12 from 100 to 1.6"},
      {"what the parent wrote after it was left does not help", "1:2-12 2:9-12 h2 b1:3@100", "1@6",
       "gaps 7-8 newest 2.12 from 100 to 2.6"},
      {"a switch whose child wrote nothing yet", "1:2-8 h2 b1:3@100", "1@8",
       "gaps none newest 2.8 from 100 to 2.8"},
      {"three timelines, the middle one short", "1:2-4 2:5 3:6-9 h2 h3 b1:2@100", "1@5 2@6",
       "gaps none newest 3.9 from 100 to 3.9"},
      {"two switches in one segment", "1:2-4 3:5-9 h2 h3 b1:2@100", "1@5 2@5",
       "gaps none newest 3.9 from 100 to 3.9"},
      {"a base of a timeline that is no ancestor", "1:2-4 2:3-9 3:5-9 h3 b2:6@100", "1@5",
       "gaps none newest 3.9"},
      {"a base of an ancestor after it was left", "1:2-9 2:5-9 h2 b1:7@100 b1:3@50", "1@5",
       "gaps none newest 2.9 from 50 to 2.9"},
  };
  for (const Case& one : cases) {
    EXPECT_EQ(Shown(JudgeWal(Archive(one.archive), History(one.history), kSegment, {})), one.want)
        << one.name;
  }
}

TEST(WalGapsTest, AnAcknowledgedGapIsNotCountedAndStillEndsTheWindow) {
  const WalVerdict verdict =
      JudgeWal(Archive("1:2-5,8-9,11 b1:3@100"), {}, kSegment, {"000000010000000000000006"});
  EXPECT_EQ(Shown(verdict), "gaps ~6-7,10-10 newest 1.11 from 100 to 1.5");
  EXPECT_EQ(verdict.Unacknowledged(), 1U);
  EXPECT_EQ(verdict.Missing(), 1U);
}

// Against a recovery that goes from segment to segment, over random archives of one timeline and of
// two.
TEST(WalGapsTest, AgreesWithARecoveryThatTriesEachSegment) {
  SeededRandom random;
  for (int round = 0; round < 3'000; ++round) {
    WalInventory archive;
    const std::uint64_t left = 2 + random.Next() % 20;
    const bool two = random.Next() % 2 == 0;
    std::set<std::uint64_t> there[3];
    for (std::uint64_t n = 1; n < 24; ++n) {
      for (const std::uint32_t timeline : {1U, 2U}) {
        if (random.Next() % 8 == 0 || (timeline == 2 && (!two || n < left))) continue;
        archive.Add({.timeline = timeline, .segment = static_cast<std::uint32_t>(n)}, kSegment, "",
                    1);
        there[timeline].insert(n);
      }
    }
    const bool switched = two && !there[2].empty();
    const auto has = [&](std::uint64_t n) {
      if (!switched || n < left) return there[1].contains(n);
      return there[2].contains(n) || (n == left && there[1].contains(n));
    };
    std::optional<std::uint64_t> reach;
    std::vector<WalAncestor> history;
    if (switched) history.push_back({1, left * kSegment + 8});
    for (int i = 0; i < 2; ++i) {
      const auto begins = static_cast<std::uint32_t>(1 + random.Next() % 23);
      const std::uint32_t timeline = switched && begins >= left ? 2 : 1;
      archive.bases.push_back({{.timeline = timeline, .segment = begins}, 1.0});
      if (!has(begins)) continue;
      std::uint64_t n = begins;
      while (has(n + 1)) ++n;
      reach = std::max(reach.value_or(n), n);
    }
    const WalVerdict verdict = JudgeWal(archive, history, kSegment, {});
    const std::optional<std::uint64_t> got =
        verdict.reachable ? std::optional(verdict.reachable->number) : std::nullopt;
    ASSERT_EQ(got, reach) << "round " << round << ": " << Shown(verdict);
    for (const WalGap& gap : verdict.gaps) {
      for (std::uint64_t n = gap.begin; n < gap.end; ++n) ASSERT_FALSE(has(n)) << "round " << round;
    }
  }
}

TEST(WalRunsTest, RunsGrowAndMergeInAnyOrder) {
  WalRuns runs;
  for (const std::uint64_t n : {5ULL, 3ULL, 4ULL, 9ULL, 8ULL, 3ULL}) runs.Add(n, 1);
  EXPECT_EQ(runs.count(), 5U);
  ASSERT_EQ(runs.runs().size(), 2U);
  EXPECT_EQ(runs.first(), 3U);
  EXPECT_EQ(runs.runs().begin()->second.last, 5U);
  EXPECT_EQ(runs.last(), 9U);
  EXPECT_TRUE(runs.Has(4));
  EXPECT_FALSE(runs.Has(6));
}

}  // namespace
}  // namespace fettle::exporter
