#include "common/duration.h"

#include <array>
#include <cstdint>
#include <limits>

namespace fettle {
namespace {

struct Unit {
  std::string_view name;
  std::int64_t millis;
  // Years and weeks only if nothing remains, because 90d reads better than 12w6d.
  bool exact;
};
constexpr std::int64_t kDay = 86'400'000;
constexpr std::array kUnits = {
    Unit{"y", 365 * kDay, true}, Unit{"w", 7 * kDay, true}, Unit{"d", kDay, false},
    Unit{"h", 3'600'000, false}, Unit{"m", 60'000, false},  Unit{"s", 1'000, false},
    Unit{"ms", 1, false},
};
// Go counts durations in nanoseconds; what it refuses, Prometheus refuses.
constexpr std::int64_t kMillisMax = std::numeric_limits<std::int64_t>::max() / 1'000'000;

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

// Reads texts from the left. Every Take says whether it was there.
class Cursor {
 public:
  explicit Cursor(std::string_view text) : text_(text) {}
  bool AtEnd() const { return text_.empty(); }
  std::size_t Left() const { return text_.size(); }

  bool Take(char c) {
    if (text_.empty() || text_[0] != c) return false;
    text_.remove_prefix(1);
    return true;
  }
  bool TakeEither(char a, char b) { return Take(a) || Take(b); }
  // Exactly `count` digits, in [low, high].
  bool TakeNumber(int count, int low, int high, int& value) {
    if (text_.size() < static_cast<std::size_t>(count)) return false;
    value = 0;
    for (int i = 0; i < count; ++i) {
      if (!IsDigit(text_[0])) return false;
      value = value * 10 + (text_[0] - '0');
      text_.remove_prefix(1);
    }
    return value >= low && value <= high;
  }
  std::string_view TakeDigits() {
    std::size_t count = 0;
    while (count < text_.size() && IsDigit(text_[count])) ++count;
    const std::string_view digits = text_.substr(0, count);
    text_.remove_prefix(count);
    return digits;
  }
  std::string_view TakeLetters() {
    std::size_t count = 0;
    while (count < text_.size() && text_[count] >= 'a' && text_[count] <= 'z') ++count;
    const std::string_view letters = text_.substr(0, count);
    text_.remove_prefix(count);
    return letters;
  }

 private:
  std::string_view text_;
};

// Adds digits × unit; false if the sum leaves Go's range.
bool AddUnits(std::string_view digits, std::int64_t unit, std::int64_t& sum) {
  std::int64_t count = 0;
  for (const char c : digits) {
    if (count > kMillisMax / 10) return false;
    count = count * 10 + (c - '0');
  }
  if (count > kMillisMax / unit) return false;
  sum += count * unit;
  return sum <= kMillisMax;
}

// The zone's distance from UTC in minutes; false if there is none.
bool TakeZone(Cursor& cursor, int& minutes) {
  if (cursor.TakeEither('Z', 'z')) return true;
  const bool east = cursor.Take('+');
  if (!east && !cursor.Take('-')) return false;
  int hour = 0;
  int minute = 0;
  if (!cursor.TakeNumber(2, 0, 23, hour) || !cursor.Take(':') ||
      !cursor.TakeNumber(2, 0, 59, minute)) {
    return false;
  }
  minutes = (hour * 60 + minute) * (east ? 1 : -1);
  return true;
}

// Milliseconds of a fraction of a second, if there is one; false if it is malformed.
bool TakeFraction(Cursor& cursor, int& millis) {
  if (!cursor.Take('.')) return true;
  const std::string_view digits = cursor.TakeDigits();
  if (digits.empty() || digits.size() > 9) return false;
  for (std::size_t i = 0; i < 3; ++i) {
    millis = millis * 10 + (i < digits.size() ? digits[i] - '0' : 0);
  }
  return true;
}

}  // namespace

Result<Millis> ParseDuration(std::string_view text) {
  if (text.empty()) return Fail(Cause::kInvalid, "empty duration string");
  if (text == "0") return Millis(0);
  Cursor cursor(text);
  std::int64_t sum = 0;
  bool in_range = true;
  std::size_t next = 0;  // units come largest first, each once
  while (!cursor.AtEnd()) {
    const std::string_view digits = cursor.TakeDigits();
    const std::string_view name = cursor.TakeLetters();
    while (next < kUnits.size() && kUnits[next].name != name) ++next;
    if (digits.empty() || next == kUnits.size()) {
      return Fail(Cause::kInvalid, "not a valid duration string: \"{}\"", text);
    }
    in_range = AddUnits(digits, kUnits[next].millis, sum) && in_range;
    ++next;
  }
  if (!in_range) return Fail(Cause::kInvalid, "duration out of range: \"{}\"", text);
  return Millis(sum);
}

std::string FormatDuration(Millis duration) {
  // The magnitude as unsigned, because the smallest duration has no positive twin.
  const bool negative = duration.count() < 0;
  auto rest = static_cast<std::uint64_t>(duration.count());
  if (negative) rest = 0 - rest;
  if (rest == 0) return "0s";
  std::string out = negative ? "-" : "";
  for (const Unit& unit : kUnits) {
    const auto millis = static_cast<std::uint64_t>(unit.millis);
    if (unit.exact && rest % millis != 0) continue;
    if (rest / millis > 0) out += fmt::format("{}{}", rest / millis, unit.name);
    rest %= millis;
  }
  return out;
}

Result<Time> ParseRfc3339(std::string_view text) {
  Cursor cursor(text);
  int year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0, millis = 0, zone = 0;
  const bool shaped = cursor.TakeNumber(4, 0, 9999, year) && cursor.Take('-') &&
                      cursor.TakeNumber(2, 1, 12, month) && cursor.Take('-') &&
                      cursor.TakeNumber(2, 1, 31, day) && cursor.TakeEither('T', 't') &&
                      cursor.TakeNumber(2, 0, 23, hour) && cursor.Take(':') &&
                      cursor.TakeNumber(2, 0, 59, minute) && cursor.Take(':') &&
                      cursor.TakeNumber(2, 0, 59, second) && TakeFraction(cursor, millis) &&
                      TakeZone(cursor, zone) && cursor.AtEnd();
  const std::chrono::year_month_day date{std::chrono::year(year),
                                         std::chrono::month(static_cast<unsigned>(month)),
                                         std::chrono::day(static_cast<unsigned>(day))};
  if (!shaped || !date.ok()) return Fail(Cause::kInvalid, "not an RFC 3339 time: \"{}\"", text);
  const Time time = std::chrono::sys_days(date) + std::chrono::hours(hour) +
                    std::chrono::minutes(minute - zone) + std::chrono::seconds(second) +
                    Millis(millis);
  constexpr Time kGoZero = std::chrono::sys_days(std::chrono::year(1) / 1 / 1);
  return time == kGoZero ? Time{} : time;
}

std::string FormatRfc3339(Time time) {
  if (time == Time{}) return "0001-01-01T00:00:00Z";
  // RFC 3339 knows the years 0 to 9999; what is further away shows as their ends.
  constexpr Time kFirst = std::chrono::sys_days(std::chrono::year(0) / 1 / 1);
  constexpr Time kLast = std::chrono::sys_days(std::chrono::year(10'000) / 1 / 1) - Millis(1);
  const Time shown = time < kFirst ? kFirst : time > kLast ? kLast : time;
  const auto days = std::chrono::floor<std::chrono::days>(shown);
  const std::chrono::year_month_day date(days);
  const std::chrono::hh_mm_ss clock(shown - days);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                     clock.hours().count(), clock.minutes().count(), clock.seconds().count(),
                     clock.subseconds().count());
}

}  // namespace fettle
