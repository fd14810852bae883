#include "common/schedule.h"

#include <cctz/civil_time.h>
#include <cctz/time_zone.h>
#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

#include "common/duration.h"

namespace fettle {
namespace {

using Lines = std::vector<std::string>;

Schedule Parsed(std::string_view cron, std::string_view zone = "UTC") {
  Result<Schedule> schedule = Schedule::Parse(cron, zone);
  EXPECT_TRUE(schedule) << schedule.error().message;
  return *schedule;
}

// The next `count` slots, as local time with the offset from UTC.
Lines Next(std::string_view cron, std::string_view zone, std::string_view after, int count) {
  cctz::time_zone tz;
  EXPECT_TRUE(cctz::load_time_zone(std::string(zone), &tz));
  Lines out;
  Time at = *ParseRfc3339(after);
  const Schedule schedule = Parsed(cron, zone);
  for (int i = 0; i < count; ++i) {
    at = schedule.Next(at);
    out.push_back(cctz::format("%Y-%m-%d %H:%M %Ez",
                               std::chrono::time_point_cast<std::chrono::seconds>(at), tz));
  }
  return out;
}

std::string Refused(std::string_view cron, std::string_view zone = "UTC") {
  const Result<Schedule> schedule = Schedule::Parse(cron, zone);
  return schedule ? "understood" : schedule.error().message;
}

TEST(ScheduleTest, FiresStrictlyAfter) {
  EXPECT_EQ(Next("15 2 * * *", "UTC", "2026-11-20T02:14:59.999Z", 1),
            Lines{"2026-11-20 02:15 +00:00"});
  EXPECT_EQ(Next("15 2 * * *", "UTC", "2026-11-20T02:15:00Z", 1), Lines{"2026-11-21 02:15 +00:00"});
  EXPECT_EQ(Next("* * * * *", "UTC", "2026-12-31T23:59:59.999Z", 2),
            (Lines{"2027-01-01 00:00 +00:00", "2027-01-01 00:01 +00:00"}));
  EXPECT_EQ(Next("* * * * *", "UTC", "1969-12-31T23:58:00.001Z", 1),
            Lines{"1969-12-31 23:59 +00:00"});
}

TEST(ScheduleTest, UnderstandsListsRangesStepsAndNames) {
  EXPECT_EQ(Next("5,10-12,*/30 3 * * *", "UTC", "2026-01-01T03:00:00Z", 5),
            (Lines{"2026-01-01 03:05 +00:00", "2026-01-01 03:10 +00:00", "2026-01-01 03:11 +00:00",
                   "2026-01-01 03:12 +00:00", "2026-01-01 03:30 +00:00"}));
  EXPECT_EQ(Next("50/4 0 * * *", "UTC", "2026-01-01T00:00:00Z", 4),
            (Lines{"2026-01-01 00:50 +00:00", "2026-01-01 00:54 +00:00", "2026-01-01 00:58 +00:00",
                   "2026-01-02 00:50 +00:00"}));
  EXPECT_EQ(Next("0 9-17/4 * * MON-FRI", "UTC", "2026-11-20T12:00:00Z", 4),  // a Friday
            (Lines{"2026-11-20 13:00 +00:00", "2026-11-20 17:00 +00:00", "2026-11-23 09:00 +00:00",
                   "2026-11-23 13:00 +00:00"}));
  EXPECT_EQ(Next("0 0 1 jan,Jul *", "UTC", "2026-02-01T00:00:00Z", 2),
            (Lines{"2026-07-01 00:00 +00:00", "2027-01-01 00:00 +00:00"}));
  EXPECT_EQ(Next(" 0\t0  * * fri-sun ", "UTC", "2026-11-19T00:00:00Z", 4),
            (Lines{"2026-11-20 00:00 +00:00", "2026-11-21 00:00 +00:00", "2026-11-22 00:00 +00:00",
                   "2026-11-27 00:00 +00:00"}));
  for (const char* sunday : {"0", "7", "sun", "SUN"}) {
    EXPECT_EQ(Next(std::string("0 4 * * ") + sunday, "UTC", "2026-11-20T00:00:00Z", 1),
              Lines{"2026-11-22 04:00 +00:00"});
  }
}

TEST(ScheduleTest, UnderstandsNicknames) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"@hourly", "2026-11-20 13:00 +00:00"},   {"@daily", "2026-11-21 00:00 +00:00"},
      {"@midnight", "2026-11-21 00:00 +00:00"}, {"@weekly", "2026-11-22 00:00 +00:00"},
      {"@monthly", "2026-12-01 00:00 +00:00"},  {"@yearly", "2027-01-01 00:00 +00:00"},
      {"@annually", "2027-01-01 00:00 +00:00"},
  };
  for (const auto& [cron, want] : cases) {
    EXPECT_EQ(Next(cron, "UTC", "2026-11-20T12:34:56Z", 1), Lines{want}) << cron;
  }
}

TEST(ScheduleTest, TakesEitherDayIfBothAreRestrictedElseBoth) {
  // The 1st, and every Monday.
  EXPECT_EQ(
      Next("0 0 1 * 1", "UTC", "2026-05-29T00:00:00Z", 3),
      (Lines{"2026-06-01 00:00 +00:00", "2026-06-08 00:00 +00:00", "2026-06-15 00:00 +00:00"}));
  EXPECT_EQ(Next("0 0 2 * 1", "UTC", "2026-05-29T00:00:00Z", 2),
            (Lines{"2026-06-01 00:00 +00:00", "2026-06-02 00:00 +00:00"}));
  // A star with a step is a star to Vixie's cron: Mondays with an odd date.
  EXPECT_EQ(Next("0 0 */2 * 1", "UTC", "2026-05-29T00:00:00Z", 2),
            (Lines{"2026-06-01 00:00 +00:00", "2026-06-15 00:00 +00:00"}));
}

TEST(ScheduleTest, WaitsForLeapYears) {
  EXPECT_EQ(Next("0 0 29 2 *", "UTC", "2026-01-01T00:00:00Z", 2),
            (Lines{"2028-02-29 00:00 +00:00", "2032-02-29 00:00 +00:00"}));
  EXPECT_EQ(Next("0 0 29 2 *", "UTC", "2097-01-01T00:00:00Z", 1), Lines{"2104-02-29 00:00 +00:00"});
  // A Tuesday (or Sunday, Thursday, Saturday) that is a leap day.
  EXPECT_EQ(Next("0 0 29 2 */2", "UTC", "2028-03-01T00:00:00Z", 1),
            Lines{"2032-02-29 00:00 +00:00"});
}

// Berlin 2026: forward on 29 March 02:00 → 03:00, back on 25 October 03:00 → 02:00.
TEST(ScheduleTest, ASkippedTimeRunsAtTheFirstMomentAfterTheGap) {
  EXPECT_EQ(
      Next("15 2 * * *", "Europe/Berlin", "2026-03-28T00:00:00Z", 3),
      (Lines{"2026-03-28 02:15 +01:00", "2026-03-29 03:00 +02:00", "2026-03-30 02:15 +02:00"}));
}

TEST(ScheduleTest, ManySkippedTimesRunOnce) {
  EXPECT_EQ(Next("*/20 * * * *", "Europe/Berlin", "2026-03-29T00:20:00Z", 4),
            (Lines{"2026-03-29 01:40 +01:00", "2026-03-29 03:00 +02:00", "2026-03-29 03:20 +02:00",
                   "2026-03-29 03:40 +02:00"}));
}

TEST(ScheduleTest, ARepeatedTimeRunsOnceTheFirstTime) {
  EXPECT_EQ(Next("15 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z", 2),
            (Lines{"2026-10-25 02:15 +02:00", "2026-10-26 02:15 +01:00"}));
  EXPECT_EQ(
      Next("*/20 * * * *", "Europe/Berlin", "2026-10-25T00:20:00Z", 3),
      (Lines{"2026-10-25 02:40 +02:00", "2026-10-25 03:00 +01:00", "2026-10-25 03:20 +01:00"}));
}

TEST(ScheduleTest, AskedInTheRepeatedHourItGoesOnBehindIt) {
  // 02:30 for the second time.
  EXPECT_EQ(Next("*/20 * * * *", "Europe/Berlin", "2026-10-25T01:30:00Z", 1),
            Lines{"2026-10-25 03:00 +01:00"});
  EXPECT_EQ(Next("45 2 * * *", "Europe/Berlin", "2026-10-25T01:30:00Z", 1),
            Lines{"2026-10-26 02:45 +01:00"});
}

TEST(ScheduleTest, KnowsZonesThatSkipADayOrHalfAnHour) {
  // Samoa had no 30 December 2011.
  EXPECT_EQ(
      Next("0 12 * * *", "Pacific/Apia", "2011-12-29T00:00:00Z", 3),
      (Lines{"2011-12-29 12:00 -10:00", "2011-12-31 00:00 +14:00", "2011-12-31 12:00 +14:00"}));
  // Lord Howe Island moves by half an hour.
  EXPECT_EQ(Next("10 2 * * *", "Australia/Lord_Howe", "2026-10-02T15:00:00Z", 2),
            (Lines{"2026-10-03 02:10 +10:30", "2026-10-04 02:30 +11:00"}));
}

TEST(ScheduleTest, KnowsTheLongestGapOfTheNextFortnight) {
  const auto gap = [](std::string_view cron, std::string_view zone, std::string_view from) {
    return FormatDuration(Parsed(cron, zone).LongestGap(*ParseRfc3339(from)));
  };
  EXPECT_EQ(gap("* * * * *", "UTC", "2026-01-01T00:00:00Z"), "1m");
  EXPECT_EQ(gap("0 2 * * *", "UTC", "2026-01-01T00:00:00Z"), "1d");
  EXPECT_EQ(gap("0 2,3 * * *", "UTC", "2026-01-01T00:00:00Z"), "23h");
  EXPECT_EQ(gap("0 4 * * 0", "UTC", "2026-01-01T00:00:00Z"), "1w");
  EXPECT_EQ(gap("0 9 * * 1-5", "UTC", "2026-01-01T00:00:00Z"), "3d");
  EXPECT_EQ(gap("0 2 * * *", "Europe/Berlin", "2026-10-20T00:00:00Z"), "1d1h");
  // Rarer than that: the gap after the next slot.
  EXPECT_EQ(gap("@monthly", "UTC", "2026-01-15T00:00:00Z"), "4w");
}

TEST(ScheduleTest, RemembersWhatItWasMadeOf) {
  const Schedule schedule = Parsed("@daily", "Europe/Berlin");
  EXPECT_EQ(schedule.cron(), "@daily");
  EXPECT_EQ(schedule.timezone(), "Europe/Berlin");
  EXPECT_EQ(Parsed("@daily", "Local").timezone(), "Local");
}

TEST(ScheduleTest, EndsWithTheCalendar) {
  const Schedule schedule = Parsed("* * * * *");
  EXPECT_EQ(schedule.Next(Time::max()), Time::max());
  EXPECT_GT(schedule.Next(Time::min()), Time::min());
}

TEST(ScheduleTest, SaysWhatIsWrong) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"", "it has 0 fields, not five (minute, hour, day of month, month, day of week)"},
      {"* * * *", "it has 4 fields, not five (minute, hour, day of month, month, day of week)"},
      {"0 * * * * *", "it has 6 fields, not five (minute, hour, day of month, month, day of week)"},
      {"60 * * * *", "minute 60 is not between 0 and 59"},
      {"* 24 * * *", "hour 24 is not between 0 and 23"},
      {"* * 0 * *", "day 0 is not between 1 and 31"},
      {"* * 32 * *", "day 32 is not between 1 and 31"},
      {"* * * 13 *", "month 13 is not between 1 and 12"},
      {"* * * * 8", "weekday 8 is not between 0 and 7"},
      {"x * * * *", "minute \"x\" is not a number"},
      {"-5 * * * *", "minute \"\" is not a number"},
      {"1, * * * *", "minute \"\" is not a number"},
      {"1- * * * *", "minute \"\" is not a number"},
      {"99999 * * * *", "minute \"99999\" is not a number"},
      {"* * * febr *", "month \"febr\" is not a number"},
      {"* * * ebm *", "month \"ebm\" is not a number"},
      {"jan * * * *", "minute \"jan\" is not a number"},
      {"5-1 * * * *", "minute range \"5-1\" runs backwards"},
      {"*/0 * * * *", "minute's step \"0\" is not a number between 1 and 60"},
      {"*/61 * * * *", "minute's step \"61\" is not a number between 1 and 60"},
      {"*/x * * * *", "minute's step \"x\" is not a number between 1 and 60"},
      {"1/2/3 * * * *", "minute's step \"2/3\" is not a number between 1 and 60"},
      {"0 0 L * *", "day \"L\" is not a number"},
      {"0 0 ? * *", "day \"?\" is not a number"},
      {"0 0 30 2 *", "no day of any year fits it"},
      {"0 0 31 4,6,9,11 *", "no day of any year fits it"},
      {"@reboot", "known are @yearly, @monthly, @weekly, @daily and @hourly"},
      {"@every 5m", "known are @yearly, @monthly, @weekly, @daily and @hourly"},
  };
  for (const auto& [cron, want] : cases) {
    EXPECT_EQ(Refused(cron), "bad cron \"" + cron + "\": " + want);
  }
  EXPECT_EQ(Refused(std::string(1'001, '*')), "bad cron: longer than 1000 bytes");
}

TEST(ScheduleTest, SaysWhichZoneIsUnknown) {
  for (const std::string zone : {"", "Europe/Nowhere", "Berlin", "/etc/passwd", "../UTC",
                                 "libc:localtime", "Fixed/UTC+01:00:00"}) {
    EXPECT_EQ(Refused("@daily", zone),
              "unknown time zone \"" + zone +
                  "\": use UTC, Local or a name such as Europe/Berlin (of the tzdata package)");
  }
}

// The oracle: every minute of a year, asked what the clock on the wall shows. It knows nothing of
// gaps and repetitions but what the clock shows a minute before.
class Wall {
 public:
  explicit Wall(const std::string& zone) { cctz::load_time_zone(zone, &zone_); }

  // Every minute at which one of the wanted times of day is due.
  std::set<Time> Due(Time from, Time to, const std::set<int>& minutes_of_day) const {
    std::set<Time> out;
    std::set<cctz::civil_minute> seen;
    cctz::civil_minute last = At(from - std::chrono::hours(30));
    for (Time now = from - std::chrono::hours(30); now < to; now += std::chrono::minutes(1)) {
      const cctz::civil_minute shown = At(now);
      // What the clock jumped over is due now.
      for (cctz::civil_minute passed = last + 1; passed <= shown; ++passed) {
        const int minute = passed.hour() * 60 + passed.minute();
        if (!minutes_of_day.contains(minute) || !seen.insert(passed).second) continue;
        if (now >= from) out.insert(now);
      }
      last = shown;
    }
    return out;
  }

 private:
  cctz::civil_minute At(Time time) const {
    return cctz::civil_minute(
        cctz::convert(std::chrono::time_point_cast<std::chrono::seconds>(time), zone_));
  }
  cctz::time_zone zone_;
};

struct OracleCase {
  const char* zone;
  const char* from;
  const char* to;
  const char* cron;
  std::set<int> minutes_of_day;
};

class ScheduleOracleTest : public testing::TestWithParam<OracleCase> {};

TEST_P(ScheduleOracleTest, AgreesWithAClockOnTheWall) {
  const OracleCase& c = GetParam();
  const Time from = *ParseRfc3339(c.from);
  const Time to = *ParseRfc3339(c.to);
  const std::set<Time> due = Wall(c.zone).Due(from, to, c.minutes_of_day);
  const Schedule schedule = Parsed(c.cron, c.zone);
  std::set<Time> fired;
  for (Time at = schedule.Next(from - Millis(1)); at < to; at = schedule.Next(at)) fired.insert(at);
  EXPECT_EQ(fired.size(), due.size());
  for (const Time at : due) EXPECT_TRUE(fired.contains(at)) << "missed " << FormatRfc3339(at);
  for (const Time at : fired) EXPECT_TRUE(due.contains(at)) << "extra " << FormatRfc3339(at);
  // From anywhere it says the same.
  for (Time at = from; at < to; at += std::chrono::minutes(97)) {
    const auto next = due.upper_bound(at);
    if (next != due.end()) {
      ASSERT_EQ(schedule.Next(at), *next) << FormatRfc3339(at);
    }
  }
}

std::set<int> EveryHourAt(std::set<int> minutes) {
  std::set<int> out;
  for (int hour = 0; hour < 24; ++hour) {
    for (const int minute : minutes) out.insert(hour * 60 + minute);
  }
  return out;
}

INSTANTIATE_TEST_SUITE_P(
    Zones, ScheduleOracleTest,
    testing::Values(
        OracleCase{"Europe/Berlin",
                   "2026-01-01T00:00:00Z",
                   "2027-01-01T00:00:00Z",
                   "0,30 1-3 * * *",
                   {60, 90, 120, 150, 180, 210}},
        OracleCase{"Europe/Berlin", "2026-03-20T00:00:00Z", "2026-04-05T00:00:00Z", "*/7 * * * *",
                   EveryHourAt({0, 7, 14, 21, 28, 35, 42, 49, 56})},
        OracleCase{"Europe/Berlin", "2026-10-20T00:00:00Z", "2026-11-05T00:00:00Z", "*/7 * * * *",
                   EveryHourAt({0, 7, 14, 21, 28, 35, 42, 49, 56})},
        OracleCase{
            "America/New_York", "2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z", "5 2 * * *", {125}},
        OracleCase{"Australia/Lord_Howe",
                   "2026-01-01T00:00:00Z",
                   "2027-01-01T00:00:00Z",
                   "*/20 1-2 * * *",
                   {60, 80, 100, 120, 140, 160}},
        // Clocks change at midnight: the first moment of a day is skipped.
        OracleCase{"America/Havana",
                   "2026-01-01T00:00:00Z",
                   "2027-01-01T00:00:00Z",
                   "0,30 0,23 * * *",
                   {0, 30, 1380, 1410}},
        OracleCase{"Pacific/Apia",
                   "2011-12-01T00:00:00Z",
                   "2012-01-20T00:00:00Z",
                   "0 */6 * * *",
                   {0, 360, 720, 1080}},
        OracleCase{"Africa/Casablanca",
                   "2026-01-01T00:00:00Z",
                   "2027-01-01T00:00:00Z",
                   "30 2 * * *",
                   {150}},
        OracleCase{"Asia/Kathmandu",
                   "2026-01-01T00:00:00Z",
                   "2026-03-01T00:00:00Z",
                   "45 5 * * *",
                   {345}}));

// The days: each of a few years, asked one by one.
TEST(ScheduleTest, AgreesWithEveryDayAskedOneByOne) {
  struct {
    const char* cron;
    bool (*fits)(cctz::civil_day);
  } const cases[] = {
      {"0 0 13 * 5",
       [](cctz::civil_day day) {
         return day.day() == 13 || cctz::get_weekday(day) == cctz::weekday::friday;
       }},
      {"0 0 13 * *", [](cctz::civil_day day) { return day.day() == 13; }},
      {"0 0 */10 2,3 2-4",
       [](cctz::civil_day day) {
         const auto weekday = cctz::get_weekday(day);
         return (day.day() % 10) == 1 && (day.month() == 2 || day.month() == 3) &&
                weekday >= cctz::weekday::tuesday && weekday <= cctz::weekday::thursday;
       }},
      {"0 0 31 * *", [](cctz::civil_day day) { return day.day() == 31; }},
  };
  for (const auto& c : cases) {
    const Schedule schedule = Parsed(c.cron);
    Time at = *ParseRfc3339("2023-12-31T23:59:00Z");
    for (cctz::civil_day day(2024, 1, 1); day < cctz::civil_day(2030, 1, 1); ++day) {
      if (!c.fits(day)) continue;
      at = schedule.Next(at);
      const auto shown = cctz::convert(std::chrono::time_point_cast<std::chrono::seconds>(at),
                                       cctz::utc_time_zone());
      ASSERT_EQ(shown, cctz::civil_second(day)) << c.cron;
    }
  }
}

}  // namespace
}  // namespace fettle
