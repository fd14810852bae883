#include "common/schedule.h"

#include <cctz/civil_time.h>
#include <cctz/time_zone.h>

#include <algorithm>
#include <array>
#include <bitset>
#include <vector>

#include "common/check.h"
#include "common/labels.h"

namespace fettle {
namespace {

using Bits = std::bitset<64>;

// One of the five fields: what it may hold, and words for numbers.
struct FieldKind {
  std::string_view name;
  int low;
  int high;
  std::string_view words;  // three letters each, from `low`; empty if it has none
};
constexpr FieldKind kMinute{"minute", 0, 59, ""};
constexpr FieldKind kHour{"hour", 0, 23, ""};
constexpr FieldKind kDay{"day", 1, 31, ""};
constexpr FieldKind kMonth{"month", 1, 12, "janfebmaraprmayjunjulaugsepoctnovdec"};
constexpr FieldKind kWeekday{"weekday", 0, 7, "sunmontuewedthufrisat"};
constexpr std::array kKinds = {kMinute, kHour, kDay, kMonth, kWeekday};

struct Nickname {
  std::string_view name;
  std::string_view cron;
};
constexpr std::array kNicknames = {
    Nickname{"@yearly", "0 0 1 1 *"},  Nickname{"@annually", "0 0 1 1 *"},
    Nickname{"@monthly", "0 0 1 * *"}, Nickname{"@weekly", "0 0 * * 0"},
    Nickname{"@daily", "0 0 * * *"},   Nickname{"@midnight", "0 0 * * *"},
    Nickname{"@hourly", "0 * * * *"},
};

constexpr std::size_t kCronBytesMax = 1'000;
// The calendar repeats itself after so many days.
constexpr int kDaysOfTheCycle = 146'097;
// Further than anybody plans; the arithmetic of time zones is exact up to there.
constexpr Time kLast = std::chrono::sys_days(std::chrono::year(9'999) / 1 / 1);
constexpr Millis kGapWindow = std::chrono::days(14);

std::vector<std::string_view> Split(std::string_view text, std::string_view separators) {
  std::vector<std::string_view> out;
  for (;;) {
    const std::size_t end = text.find_first_of(separators);
    out.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return out;
    text.remove_prefix(end + 1);
  }
}

std::string Lowered(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return out;
}

Result<int> ParseNumber(std::string_view text, const FieldKind& kind) {
  if (text.size() == 3 && !kind.words.empty()) {
    const std::size_t at = kind.words.find(Lowered(text));
    if (at != std::string_view::npos && at % 3 == 0) return kind.low + static_cast<int>(at / 3);
  }
  const bool digits =
      !text.empty() && text.size() <= 4 &&
      std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
  if (!digits) return Fail(Cause::kInvalid, "{} {} is not a number", kind.name, Quote(text));
  int value = 0;
  for (const char c : text) value = value * 10 + (c - '0');
  if (value < kind.low || value > kind.high) {
    return Fail(Cause::kInvalid, "{} {} is not between {} and {}", kind.name, value, kind.low,
                kind.high);
  }
  return value;
}

// "*", "5", "1-5", each with "/step"; "5/10" goes up to the highest.
Status AddRange(std::string_view text, const FieldKind& kind, Bits& bits) {
  const std::size_t slash = text.find('/');
  int step = 1;
  if (slash != std::string_view::npos) {
    const Result<int> number =
        ParseNumber(text.substr(slash + 1), {"step of", 1, kind.high - kind.low + 1, ""});
    if (!number) {
      return Fail(Cause::kInvalid, "{}'s step {} is not a number between 1 and {}", kind.name,
                  Quote(text.substr(slash + 1)), kind.high - kind.low + 1);
    }
    step = *number;
    text = text.substr(0, slash);
  }
  int low = kind.low;
  int high = kind.high;
  if (text != "*") {
    const std::size_t dash = text.find('-');
    const Result<int> first = ParseNumber(text.substr(0, dash), kind);
    if (!first) return tl::unexpected(first.error());
    low = *first;
    if (dash != std::string_view::npos) {
      const Result<int> last = ParseNumber(text.substr(dash + 1), kind);
      if (!last) return tl::unexpected(last.error());
      high = *last;
      // FRI-SUN: Sunday ends the week as well as it begins it.
      if (kind.name == kWeekday.name && high == 0 && low > 0) high = 7;
    } else if (slash == std::string_view::npos) {
      high = low;
    }
    if (low > high) {
      return Fail(Cause::kInvalid, "{} range {} runs backwards", kind.name, Quote(text));
    }
  }
  for (int value = low; value <= high; value += step) bits.set(static_cast<std::size_t>(value));
  return {};
}

Result<Bits> ParseField(std::string_view text, const FieldKind& kind) {
  Bits bits;
  for (const std::string_view range : Split(text, ",")) {
    const Status added = AddRange(range, kind, bits);
    if (!added) return tl::unexpected(added.error());
  }
  // Both 0 and 7 are Sunday.
  if (kind.name == kWeekday.name && bits[7]) bits.set(0);
  return bits;
}

// cctz opens files by these names.
bool IsZoneName(std::string_view name) {
  const auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-' || c == '+' || c == '/';
  };
  return !name.empty() && name.size() <= 100 && name.front() != '/' &&
         std::all_of(name.begin(), name.end(), allowed);
}

Result<cctz::time_zone> LoadZone(std::string_view name) {
  if (name == "UTC") return cctz::utc_time_zone();
  if (name == "Local") return cctz::local_time_zone();
  cctz::time_zone zone;
  if (!IsZoneName(name) || !cctz::load_time_zone(std::string(name), &zone)) {
    return Fail(Cause::kInvalid,
                "unknown time zone {}: use UTC, Local or a name such as Europe/Berlin (of the "
                "tzdata package)",
                Quote(name));
  }
  return zone;
}

}  // namespace

struct Schedule::Fields {
  std::string cron;
  std::string timezone;
  cctz::time_zone zone;
  Bits minutes, hours, days, months, weekdays;
  // Vixie's rule: with a star in either, a day must fit both; else one of them.
  bool either_day = false;

  bool Fits(cctz::civil_day day) const {
    if (!months[static_cast<std::size_t>(day.month())]) return false;
    // cctz counts from Monday.
    const auto weekday = (static_cast<std::size_t>(cctz::get_weekday(day)) + 1) % 7;
    const bool by_day = days[static_cast<std::size_t>(day.day())];
    const bool by_weekday = weekdays[weekday];
    return either_day ? by_day || by_weekday : by_day && by_weekday;
  }

  bool EverFires() const {
    cctz::civil_day day(2000, 1, 1);
    for (int i = 0; i < kDaysOfTheCycle; ++i, ++day) {
      if (Fits(day)) return true;
    }
    return false;
  }

  // The first slot of the calendar at or after `from`.
  cctz::civil_minute SlotFrom(cctz::civil_minute from) const {
    cctz::civil_day day(from);
    if (Fits(day)) {
      for (auto hour = static_cast<std::size_t>(from.hour()); hour < 24; ++hour) {
        if (!hours[hour]) continue;
        const bool first = hour == static_cast<std::size_t>(from.hour());
        for (auto minute = first ? static_cast<std::size_t>(from.minute()) : 0; minute < 60;
             ++minute) {
          if (minutes[minute]) return At(day, hour, minute);
        }
      }
    }
    for (int i = 0; i <= kDaysOfTheCycle; ++i) {
      if (!Fits(++day)) continue;
      return At(day, Lowest(hours), Lowest(minutes));
    }
    FETTLE_CHECK(false);  // Parse() has seen that it fires.
    return from;
  }

  // When a slot of the calendar is, in this zone: the first moment after the gap if it is skipped,
  // the first time if it comes twice.
  Time When(cctz::civil_minute slot) const {
    const cctz::time_zone::civil_lookup found = zone.lookup(cctz::civil_second(slot));
    const auto at = found.kind == cctz::time_zone::civil_lookup::SKIPPED ? found.trans : found.pre;
    return std::chrono::time_point_cast<Millis>(at);
  }

  static std::size_t Lowest(const Bits& bits) { return bits._Find_first(); }
  static cctz::civil_minute At(cctz::civil_day day, std::size_t hour, std::size_t minute) {
    return cctz::civil_minute(day.year(), day.month(), day.day(), static_cast<int>(hour),
                              static_cast<int>(minute));
  }
};

Result<Schedule> Schedule::Parse(std::string_view cron, std::string_view timezone) {
  const auto bad = [&](std::string_view reason) {
    return Fail(Cause::kInvalid, "bad cron {}: {}", Quote(cron), reason);
  };
  if (cron.size() > kCronBytesMax) {
    return Fail(Cause::kInvalid, "bad cron: longer than {} bytes", kCronBytesMax);
  }
  std::string_view expanded = cron;
  for (const Nickname& nickname : kNicknames) {
    if (cron == nickname.name) expanded = nickname.cron;
  }
  if (expanded.starts_with('@')) {
    return bad("known are @yearly, @monthly, @weekly, @daily and @hourly");
  }
  std::vector<std::string_view> words = Split(expanded, " \t");
  std::erase_if(words, [](std::string_view word) { return word.empty(); });
  if (words.size() != kKinds.size()) {
    return bad(
        fmt::format("it has {} fields, not five (minute, hour, day of month, month, day of week)",
                    words.size()));
  }
  std::array<Bits, kKinds.size()> bits;
  for (std::size_t i = 0; i < kKinds.size(); ++i) {
    const Result<Bits> field = ParseField(words[i], kKinds[i]);
    if (!field) return bad(field.error().message);
    bits[i] = *field;
  }
  Result<cctz::time_zone> zone = LoadZone(timezone);
  if (!zone) return tl::unexpected(zone.error());
  const auto fields = std::make_shared<Fields>();
  fields->cron = cron;
  fields->timezone = timezone;
  fields->zone = *zone;
  fields->minutes = bits[0];
  fields->hours = bits[1];
  fields->days = bits[2];
  fields->months = bits[3];
  fields->weekdays = bits[4];
  fields->either_day = !words[2].starts_with('*') && !words[4].starts_with('*');
  if (!fields->EverFires()) return bad("no day of any year fits it");
  Schedule schedule;
  schedule.fields_ = fields;
  return schedule;
}

Time Schedule::Next(Time after) const {
  if (after >= kLast) return Time::max();
  const auto seconds = std::chrono::floor<std::chrono::seconds>(after);
  // What the calendar says now is not skipped and stands nowhere later, so every slot up to here
  // is past; of those that follow some may be, if the clock was just put back.
  auto slot = cctz::civil_minute(cctz::convert(seconds, fields_->zone));
  for (;;) {
    slot = fields_->SlotFrom(slot + 1);
    const Time at = fields_->When(slot);
    if (at > after) return at;
  }
}

Millis Schedule::LongestGap(Time from) const {
  Millis longest{0};
  Time slot = Next(from);
  do {
    const Time next = Next(slot);
    if (next == Time::max()) break;
    longest = std::max(longest, next - slot);
    slot = next;
  } while (slot - from <= kGapWindow);
  return longest;
}

const std::string& Schedule::cron() const { return fields_->cron; }
const std::string& Schedule::timezone() const { return fields_->timezone; }

}  // namespace fettle
