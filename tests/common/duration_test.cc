#include "common/duration.h"

#include <gtest/gtest.h>

#include <limits>
#include <string>
#include <vector>

namespace fettle {
namespace {

std::string Read(std::string_view text) {
  const Result<Millis> duration = ParseDuration(text);
  return duration ? std::to_string(duration->count()) : duration.error().message;
}

TEST(DurationTest, ReadsWhatPrometheusReads) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"0", "0"},
      {"0s", "0"},
      {"00015s", "15000"},
      {"500ms", "500"},
      {"15s", "15000"},
      {"5m", "300000"},
      {"1h30m", "5400000"},
      {"4d", "345600000"},
      {"4d1h", "349200000"},
      {"2w", "1209600000"},
      {"3w2d1h", "1990800000"},
      {"10y", "315360000000"},
      {"1y2w3d4h5m6s7ms", "33019506007"},
      {"1d0h", "86400000"},
      {"9223372036s", "9223372036000"},
      {"1m1ms", "60001"},
      {"292y", "9208512000000"},
  };
  for (const auto& [text, millis] : cases) EXPECT_EQ(Read(text), millis) << text;
}

TEST(DurationTest, RefusesWhatPrometheusRefuses) {
  EXPECT_EQ(Read(""), "empty duration string");
  for (const std::string text :
       {"1",  "-1w", "1.5d",  "1d1w", "1h1h",     "1s1m", "d",  " 1s", "1s ", "1 s",
        "1H", "1us", "1ms1s", "00",   "200y200y", "365y1s1m", "1d\n", "s1", "1hm", "+5m", "1msx"}) {
    EXPECT_EQ(Read(text), "not a valid duration string: \"" + text + "\"");
  }
  for (const std::string text :
       {"293y", "292y53w", "99999999999999999999ms", "9223372037s", "153722868m"}) {
    EXPECT_EQ(Read(text), "duration out of range: \"" + text + "\"");
  }
  EXPECT_EQ(ParseDuration("1x").error().cause, Cause::kInvalid);
}

TEST(DurationTest, PrintsTheShortestTextThatReadsBack) {
  const std::vector<std::pair<std::int64_t, std::string>> cases = {
      {0, "0s"},
      {1, "1ms"},
      {999, "999ms"},
      {1'000, "1s"},
      {61'500, "1m1s500ms"},
      {5'400'000, "1h30m"},
      {86'400'000, "1d"},
      {90LL * 86'400'000, "90d"},
      {14LL * 86'400'000, "2w"},
      {365LL * 86'400'000, "1y"},
      {366LL * 86'400'000, "366d"},
      {400LL * 86'400'000, "400d"},
      {379LL * 86'400'000, "379d"},
      {-90'000, "-1m30s"},
  };
  for (const auto& [millis, text] : cases) EXPECT_EQ(FormatDuration(Millis(millis)), text);
}

TEST(DurationTest, PrintsEvenTheFurthestDurations) {
  EXPECT_EQ(FormatDuration(Millis::min()), "-106751991167d7h12m55s808ms");
  EXPECT_EQ(FormatDuration(Millis::max()), "106751991167d7h12m55s807ms");
}

TEST(DurationTest, ReadsBackEveryTextItPrints) {
  std::uint64_t state = 1;
  for (int i = 0; i < 2'000; ++i) {
    state = state * 6364136223846793005ULL + 1442695040888963407ULL;
    const Millis duration(
        static_cast<std::int64_t>((state >> 16) % (9'000'000'000'000ULL >> (i % 40))));
    const Result<Millis> back = ParseDuration(FormatDuration(duration));
    ASSERT_TRUE(back) << FormatDuration(duration);
    EXPECT_EQ(*back, duration);
  }
}

std::string ReadTime(std::string_view text) {
  const Result<Time> time = ParseRfc3339(text);
  return time ? std::to_string(ToMillis(*time)) : time.error().message;
}

TEST(Rfc3339Test, ReadsAnyZoneAndCutsToMilliseconds) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"1970-01-01T00:00:00Z", "0"},
      {"2026-11-20T10:14:46.120Z", "1795169686120"},
      {"2026-11-20T10:14:46.1Z", "1795169686100"},
      {"2026-11-20T10:14:46.120999999Z", "1795169686120"},
      {"2026-11-20t10:14:46z", "1795169686000"},
      {"2026-11-20T11:44:46+01:30", "1795169686000"},
      {"2026-11-20T08:14:46-02:00", "1795169686000"},
      {"2024-02-29T00:00:00Z", "1709164800000"},
      {"1969-12-31T23:59:59.999Z", "-1"},
      {"0001-01-01T00:00:00Z", "0"},
      {"0001-01-01T00:00:00.000Z", "0"},
      {"9999-12-31T23:59:59Z", "253402300799000"},
      {"0000-01-01T00:00:00+23:59", "-62167305540000"},
  };
  for (const auto& [text, millis] : cases) EXPECT_EQ(ReadTime(text), millis) << text;
}

TEST(Rfc3339Test, RefusesWhatIsNoTime) {
  for (const std::string text : {"",
                                 "2026-11-20",
                                 "2026-11-20T10:14:46",
                                 "2026-11-20 10:14:46Z",
                                 "2026-13-01T00:00:00Z",
                                 "2026-02-29T00:00:00Z",
                                 "2026-02-30T00:00:00Z",
                                 "2026-00-01T00:00:00Z",
                                 "2026-01-00T00:00:00Z",
                                 "2026-01-01T24:00:00Z",
                                 "2026-01-01T00:60:00Z",
                                 "2026-01-01T00:00:60Z",
                                 "2026-01-01T00:00:00.Z",
                                 "2026-01-01T00:00:00.1234567890Z",
                                 "2026-01-01T00:00:00+24:00",
                                 "2026-01-01T00:00:00+1:00",
                                 "2026-01-01T00:00:00ZZ",
                                 "26-01-01T00:00:00Z",
                                 "-026-01-01T00:00:00Z",
                                 "2026-1-01T00:00:00Z",
                                 "now"}) {
    EXPECT_EQ(ReadTime(text), "not an RFC 3339 time: \"" + text + "\"");
  }
}

TEST(Rfc3339Test, PrintsMillisecondsInUtc) {
  EXPECT_EQ(FormatRfc3339(TimeFromMillis(1'795'169'686'120)), "2026-11-20T10:14:46.120Z");
  EXPECT_EQ(FormatRfc3339(TimeFromMillis(1'795'169'686'000)), "2026-11-20T10:14:46.000Z");
  EXPECT_EQ(FormatRfc3339(TimeFromMillis(-1)), "1969-12-31T23:59:59.999Z");
  EXPECT_EQ(FormatRfc3339(Time{}), "0001-01-01T00:00:00Z");
}

TEST(Rfc3339Test, PrintsTimesBeyondTheCalendarAsItsEnds) {
  EXPECT_EQ(FormatRfc3339(Time::min()), "0000-01-01T00:00:00.000Z");
  EXPECT_EQ(FormatRfc3339(Time::max()), "9999-12-31T23:59:59.999Z");
}

}  // namespace
}  // namespace fettle
