#include "receivers/calendar.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/duration.h"

namespace fettle::receivers {
namespace {

using testing::ElementsAre;

Time At(std::string_view text) { return ParseRfc3339(text).value(); }

TEST(CalendarTest, ReadsRangesAsAlertmanagerDoes) {
  EXPECT_EQ(ParseWeekdays("monday:friday").value(), (Range{1, 5}));
  EXPECT_EQ(ParseWeekdays("Sunday").value(), (Range{0, 0}));
  EXPECT_EQ(ParseDaysOfMonth("-3:-1").value(), (Range{-3, -1}));
  EXPECT_EQ(ParseDaysOfMonth("1:-1").value(), (Range{1, -1}));
  EXPECT_EQ(ParseMonths("may:8").value(), (Range{5, 8}));
  EXPECT_EQ(ParseYears("2020:2022").value(), (Range{2020, 2022}));
  EXPECT_EQ(ParseTimes("09:00", "24:00").value(), (Range{540, 1439}));
}

TEST(CalendarTest, ExplainsWhatIsWrongWithARange) {
  struct Case {
    Result<Range> (*parse)(std::string_view);
    std::string text;
    std::string error;
  };
  const Case cases[] = {
      {ParseWeekdays, "friday:monday", "start day cannot be before end day"},
      {ParseWeekdays, "someday", "someday is not a valid weekday"},
      {ParseWeekdays, "monday:tuesday:friday",
       "couldn't parse range monday:tuesday:friday, invalid format"},
      {ParseDaysOfMonth, "0", "0 is not a valid day of the month: out of range"},
      {ParseDaysOfMonth, "32", "32 is not a valid day of the month: out of range"},
      {ParseDaysOfMonth, "-1:5", "end day must be negative if start day is negative"},
      {ParseDaysOfMonth, "28:-3", "end day -3 is always before start day 28"},
      {ParseMonths, "june:may", "end month may is before start month june"},
      {ParseMonths, "13", "13 is not a valid month"},
      {ParseYears, "2022:2020", "end year 2020 is before start year 2022"},
      {ParseYears, "soon", "soon is not a valid year"},
  };
  for (const Case& c : cases) {
    const Result<Range> range = c.parse(c.text);
    ASSERT_FALSE(range) << c.text;
    EXPECT_EQ(range.error().message, c.error) << c.text;
  }
  EXPECT_EQ(ParseTimes("25:00", "26:00").error().message,
            "couldn't parse timestamp 25:00, invalid format");
  EXPECT_EQ(ParseTimes("24:01", "24:02").error().message,
            "couldn't parse timestamp 24:01, invalid format");
  EXPECT_EQ(ParseTimes("10:00", "10:00").error().message,
            "start time cannot be equal or greater than end time");
  EXPECT_EQ(CheckLocation("Mars/Olympus").error().message, "unknown time zone Mars/Olympus");
  EXPECT_TRUE(CheckLocation("Europe/Berlin"));
  EXPECT_TRUE(CheckLocation("Local"));
}

TimeInterval Interval(std::string_view weekdays, std::string_view start, std::string_view end) {
  TimeInterval interval;
  if (!weekdays.empty()) interval.weekdays = {ParseWeekdays(weekdays).value()};
  if (!start.empty()) interval.times = {ParseTimes(start, end).value()};
  return interval;
}

TEST(CalendarTest, AnIntervalNeedsEveryFieldAndAnyRange) {
  TimeInterval work = Interval("monday:friday", "09:00", "17:00");
  EXPECT_TRUE(work.Contains(At("2026-11-20T09:00:00Z")));  // a Friday
  EXPECT_TRUE(work.Contains(At("2026-11-20T16:59:59.999Z")));
  EXPECT_FALSE(work.Contains(At("2026-11-20T17:00:00Z")));
  EXPECT_FALSE(work.Contains(At("2026-11-20T08:59:59Z")));
  EXPECT_FALSE(work.Contains(At("2026-11-21T12:00:00Z")));
  work.times->push_back(ParseTimes("20:00", "24:00").value());
  EXPECT_TRUE(work.Contains(At("2026-11-20T23:59:00Z")));
}

TEST(CalendarTest, AnAbsentFieldIsAnyAndAnEmptyOneIsNever) {
  TimeInterval interval;
  EXPECT_TRUE(interval.Contains(At("2026-11-20T09:00:00Z")));
  interval.months.emplace();
  EXPECT_FALSE(interval.Contains(At("2026-11-20T09:00:00Z")));
}

TEST(CalendarTest, DaysCountFromTheEndOfTheirMonth) {
  TimeInterval last;
  last.days_of_month = {ParseDaysOfMonth("-1").value()};
  EXPECT_TRUE(last.Contains(At("2026-02-28T12:00:00Z")));
  EXPECT_FALSE(last.Contains(At("2028-02-28T12:00:00Z")));
  EXPECT_TRUE(last.Contains(At("2028-02-29T12:00:00Z")));
  EXPECT_TRUE(last.Contains(At("2026-12-31T12:00:00Z")));

  TimeInterval late;
  late.days_of_month = {ParseDaysOfMonth("29:31").value()};
  EXPECT_FALSE(late.Contains(At("2026-02-28T12:00:00Z")));
  EXPECT_TRUE(late.Contains(At("2026-04-30T12:00:00Z")));

  TimeInterval most;
  most.days_of_month = {ParseDaysOfMonth("-31:-2").value()};
  EXPECT_TRUE(most.Contains(At("2026-02-01T12:00:00Z")));
  EXPECT_FALSE(most.Contains(At("2026-02-28T12:00:00Z")));
}

TEST(CalendarTest, FieldsAreReadInTheLocationOfTheInterval_V07) {
  TimeInterval night = Interval("saturday", "00:00", "02:00");
  night.location = "Europe/Berlin";
  EXPECT_TRUE(night.Contains(At("2026-11-20T23:30:00Z")));  // Saturday 00:30 in Berlin
  EXPECT_FALSE(night.Contains(At("2026-11-21T01:30:00Z")));
  // In summer Berlin is two hours ahead.
  EXPECT_TRUE(night.Contains(At("2026-07-17T22:00:00Z")));
  EXPECT_FALSE(night.Contains(At("2026-07-17T21:59:00Z")));
}

TEST(CalendarTest, MonthsAndYearsHoldToo) {
  TimeInterval interval;
  interval.months = {ParseMonths("november:december").value()};
  interval.years = {ParseYears("2026").value()};
  EXPECT_TRUE(interval.Contains(At("2026-11-01T00:00:00Z")));
  EXPECT_FALSE(interval.Contains(At("2026-10-31T23:59:59Z")));
  EXPECT_FALSE(interval.Contains(At("2027-11-01T00:00:00Z")));
}

TEST(CalendarTest, ANamedIntervalIsAnyOfItsIntervals) {
  const Calendar calendar(
      {{"nights", {Interval("", "22:00", "24:00"), Interval("", "00:00", "06:00")}},
       {"weekends", {Interval("saturday", "", ""), Interval("sunday", "", "")}}});
  EXPECT_TRUE(calendar.Has("nights"));
  EXPECT_FALSE(calendar.Has("days"));
  EXPECT_TRUE(calendar.In("nights", At("2026-11-20T23:00:00Z")));
  EXPECT_TRUE(calendar.In("nights", At("2026-11-20T05:00:00Z")));
  EXPECT_FALSE(calendar.In("nights", At("2026-11-20T12:00:00Z")));
  EXPECT_FALSE(calendar.In("days", At("2026-11-20T12:00:00Z")));
  EXPECT_THAT(calendar.Which({"weekends", "nights", "days"}, At("2026-11-21T23:00:00Z")),
              ElementsAre("weekends", "nights"));
}

}  // namespace
}  // namespace fettle::receivers
