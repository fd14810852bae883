#include "receivers/calendar.h"

#include <cctz/civil_time.h>
#include <cctz/time_zone.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <functional>

namespace fettle::receivers {
namespace {

constexpr std::array<std::string_view, 7> kWeekdays = {"sunday",   "monday", "tuesday", "wednesday",
                                                       "thursday", "friday", "saturday"};
constexpr std::array<std::string_view, 12> kMonths = {
    "january", "february", "march",     "april",   "may",      "june",
    "july",    "august",   "september", "october", "november", "december"};
constexpr int kShortestMonth = 28;

std::string Lower(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return lower;
}

std::optional<int> Number(std::string_view text) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || text.empty()) return std::nullopt;
  return value;
}

template <std::size_t N>
std::optional<int> IndexOf(const std::array<std::string_view, N>& words, std::string_view word) {
  const auto found = std::find(words.begin(), words.end(), word);
  if (found == words.end()) return std::nullopt;
  return static_cast<int>(found - words.begin());
}

using Member = std::function<Result<int>(const std::string& word)>;

Result<Range> ParseRange(std::string_view text, const Member& member) {
  const std::string lower = Lower(text);
  const std::size_t colon = lower.find(':');
  if (colon == std::string::npos) {
    const Result<int> only = member(lower);
    if (!only) return tl::unexpected<Error>(only.error());
    return Range{*only, *only};
  }
  if (lower.find(':', colon + 1) != std::string::npos) {
    return Fail(Cause::kInvalid, "couldn't parse range {}, invalid format", lower);
  }
  const Result<int> begin = member(lower.substr(0, colon));
  if (!begin) return tl::unexpected<Error>(begin.error());
  const Result<int> end = member(lower.substr(colon + 1));
  if (!end) return tl::unexpected<Error>(end.error());
  return Range{*begin, *end};
}

Result<int> MinuteOfDay(std::string_view text) {
  const auto digit = [&](std::size_t i) { return text[i] >= '0' && text[i] <= '9'; };
  if (text.size() == 5 && digit(0) && digit(1) && text[2] == ':' && digit(3) && digit(4)) {
    const int hour = (text[0] - '0') * 10 + (text[1] - '0');
    const int minute = (text[3] - '0') * 10 + (text[4] - '0');
    const int minutes = hour * 60 + minute;
    if (minute < 60 && minutes <= 24 * 60) return minutes;
  }
  return Fail(Cause::kInvalid, "couldn't parse timestamp {}, invalid format", text);
}

bool Holds(const TimeInterval::Ranges& ranges, int value) {
  if (!ranges) return true;
  return std::any_of(ranges->begin(), ranges->end(), [&](const Range& range) {
    return value >= range.begin && value <= range.end;
  });
}

bool HoldsDay(const TimeInterval::Ranges& ranges, const cctz::civil_second& at) {
  if (!ranges) return true;
  const cctz::civil_month month(at);
  const int days = static_cast<int>(cctz::civil_day(month + 1) - cctz::civil_day(month));
  return std::any_of(ranges->begin(), ranges->end(), [&](const Range& range) {
    const int begin = range.begin < 0 ? days + range.begin + 1 : range.begin;
    const int end = range.end < 0 ? days + range.end + 1 : range.end;
    return begin <= days && at.day() >= begin && at.day() <= end;
  });
}

bool LoadZone(const std::string& location, cctz::time_zone& zone) {
  if (location == "Local") {
    zone = cctz::local_time_zone();
    return true;
  }
  return cctz::load_time_zone(location, &zone);
}

}  // namespace

Result<Range> ParseWeekdays(std::string_view text) {
  Result<Range> range = ParseRange(text, [](const std::string& word) -> Result<int> {
    if (const auto day = IndexOf(kWeekdays, word)) return *day;
    return Fail(Cause::kInvalid, "{} is not a valid weekday", word);
  });
  if (range && range->begin > range->end) {
    return Fail(Cause::kInvalid, "start day cannot be before end day");
  }
  return range;
}

Result<Range> ParseDaysOfMonth(std::string_view text) {
  Result<Range> range = ParseRange(text, [](const std::string& word) -> Result<int> {
    const auto day = Number(word);
    if (!day) return Fail(Cause::kInvalid, "{} is not a valid day of the month", word);
    if (*day == 0 || *day < -31 || *day > 31) {
      return Fail(Cause::kInvalid, "{} is not a valid day of the month: out of range", *day);
    }
    return *day;
  });
  if (!range) return range;
  if (range->begin < 0 && range->end > 0) {
    return Fail(Cause::kInvalid, "end day must be negative if start day is negative");
  }
  const int begin = range->begin < 0 ? kShortestMonth + range->begin : range->begin;
  const int end = range->end < 0 ? kShortestMonth + range->end : range->end;
  if (begin > end) {
    return Fail(Cause::kInvalid, "end day {} is always before start day {}", range->end,
                range->begin);
  }
  return range;
}

Result<Range> ParseMonths(std::string_view text) {
  Result<Range> range = ParseRange(text, [](const std::string& word) -> Result<int> {
    if (const auto month = IndexOf(kMonths, word)) return *month + 1;
    const auto month = Number(word);
    if (month && *month >= 1 && *month <= 12) return *month;
    return Fail(Cause::kInvalid, "{} is not a valid month", word);
  });
  if (range && range->begin > range->end) {
    return Fail(Cause::kInvalid, "end month {} is before start month {}",
                kMonths[static_cast<std::size_t>(range->end - 1)],
                kMonths[static_cast<std::size_t>(range->begin - 1)]);
  }
  return range;
}

Result<Range> ParseYears(std::string_view text) {
  Result<Range> range = ParseRange(text, [](const std::string& word) -> Result<int> {
    if (const auto year = Number(word)) return *year;
    return Fail(Cause::kInvalid, "{} is not a valid year", word);
  });
  if (range && range->begin > range->end) {
    return Fail(Cause::kInvalid, "end year {} is before start year {}", range->end, range->begin);
  }
  return range;
}

Result<Range> ParseTimes(std::string_view start, std::string_view end) {
  const Result<int> from = MinuteOfDay(start);
  if (!from) return tl::unexpected<Error>(from.error());
  const Result<int> to = MinuteOfDay(end);
  if (!to) return tl::unexpected<Error>(to.error());
  if (*from >= *to) {
    return Fail(Cause::kInvalid, "start time cannot be equal or greater than end time");
  }
  return Range{*from, *to - 1};
}

Status CheckLocation(const std::string& location) {
  cctz::time_zone zone;
  if (LoadZone(location, zone)) return {};
  return Fail(Cause::kInvalid, "unknown time zone {}", location);
}

bool TimeInterval::Contains(Time at) const {
  cctz::time_zone zone;
  LoadZone(location, zone);
  const cctz::civil_second civil = cctz::convert(at, zone);
  // cctz counts from monday, Alertmanager from sunday.
  const int weekday = (static_cast<int>(cctz::get_weekday(cctz::civil_day(civil))) + 1) % 7;
  return Holds(times, civil.hour() * 60 + civil.minute()) && HoldsDay(days_of_month, civil) &&
         Holds(months, civil.month()) && Holds(weekdays, weekday) &&
         Holds(years, static_cast<int>(civil.year()));
}

bool Calendar::In(const std::string& name, Time at) const {
  const auto found = intervals_.find(name);
  return found != intervals_.end() &&
         std::any_of(found->second.begin(), found->second.end(),
                     [&](const TimeInterval& interval) { return interval.Contains(at); });
}

std::vector<std::string> Calendar::Which(const std::vector<std::string>& names, Time at) const {
  std::vector<std::string> in;
  for (const std::string& name : names) {
    if (In(name, at)) in.push_back(name);
  }
  return in;
}

}  // namespace fettle::receivers
