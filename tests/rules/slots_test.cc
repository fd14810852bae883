#include "rules/slots.h"

#include <gtest/gtest.h>

#include <string>

#include "common/duration.h"

namespace fettle::rules {
namespace {

using namespace std::chrono_literals;

TEST(SlotsTest, AreTheLastOnesAtOrBeforeAMoment) {
  const Slots slots("rules.yml", "g", 15s);
  const Slots::Nanos now = Slots::ToNanos(*ParseRfc3339("2026-01-01T00:00:00Z"));
  const Slots::Nanos slot = slots.AtOrBefore(now);
  EXPECT_LE(slot, now);
  EXPECT_GT(slot, now - 15'000'000'000);
  EXPECT_EQ(slots.AtOrBefore(slot), slot);
  EXPECT_EQ(slots.AtOrBefore(slot - 1), slot - 15'000'000'000);
  EXPECT_EQ(slots.AtOrBefore(slot + 15'000'000'000), slot + 15'000'000'000);
}

TEST(SlotsTest, ArePrometheusOwn) {
  // Where Prometheus 3.5 put the samples of three recording rules, modulo the interval.
  struct Case {
    const char* group;
    Millis interval;
    std::int64_t millis;
  };
  const Case cases[] = {{"one", 5s, 1'238}, {"two", 5s, 3'508}, {"three", 7s, 1'747}};
  for (const Case& one : cases) {
    const Slots slots("/tmp/rules_t/slots.yml", one.group, one.interval);
    EXPECT_EQ(slots.AtOrBefore(1'800'000'000'000'000'000) / 1'000'000 % one.interval.count(),
              one.millis)
        << one.group;
  }
}

TEST(SlotsTest, TakeNamesOfAnyLength) {
  const Slots slots(std::string(300, 'f'), std::string(70'000, 'g'), 1min);
  EXPECT_LE(slots.AtOrBefore(1'800'000'000'000'000'000), 1'800'000'000'000'000'000);
}

TEST(SlotsTest, DifferByFileAndByName) {
  const Slots::Nanos now = 1'800'000'000'000'000'000;
  const Slots a("a.yml", "g", 1min);
  EXPECT_NE(a.AtOrBefore(now), Slots("b.yml", "g", 1min).AtOrBefore(now));
  EXPECT_NE(a.AtOrBefore(now), Slots("a.yml", "h", 1min).AtOrBefore(now));
  EXPECT_EQ(a.AtOrBefore(now), Slots("a.yml", "g", 1min).AtOrBefore(now));
}

TEST(SlotsTest, AreCutToMillisecondsAsTimes) {
  EXPECT_EQ(Slots::ToTime(1'234'999'999), TimeFromMillis(1'234));
}

}  // namespace
}  // namespace fettle::rules
