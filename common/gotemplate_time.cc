// Go's time.Time and time.Duration as templates use them: Format and its layouts, String, and the
// methods.
#include <cctz/civil_time.h>
#include <cctz/time_zone.h>
#include <fmt/format.h>

#include <array>
#include <charconv>
#include <cmath>
#include <optional>
#include <utility>

#include "common/gotemplate_ast.h"

namespace fettle::gotemplate {
namespace {

constexpr std::array<std::string_view, 12> kMonths = {
    "January", "February", "March",     "April",   "May",      "June",
    "July",    "August",   "September", "October", "November", "December"};
constexpr std::array<std::string_view, 7> kDays = {"Monday", "Tuesday",  "Wednesday", "Thursday",
                                                   "Friday", "Saturday", "Sunday"};

cctz::time_zone ZoneOf(const Timestamp& time) {
  cctz::time_zone zone = cctz::utc_time_zone();
  if (time.zone == "Local") return cctz::local_time_zone();
  if (time.zone != "UTC" && !time.zone.empty()) cctz::load_time_zone(time.zone, &zone);
  return zone;
}

struct Civil {
  cctz::civil_second at;
  int offset = 0;  // seconds east of UTC
  std::string abbreviation;
  int millis = 0;
};

Civil CivilOf(const Timestamp& time) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(time.at);
  const auto found = ZoneOf(time).lookup(seconds);
  return {found.cs, found.offset, found.abbr, static_cast<int>((time.at - seconds).count())};
}

int Weekday(const Civil& civil) {  // 0 is Monday
  return static_cast<int>(cctz::get_weekday(cctz::civil_day(civil.at)));
}

std::string Offset(int seconds, bool colon, int parts) {
  std::string out(1, seconds < 0 ? '-' : '+');
  seconds = std::abs(seconds);
  out += fmt::format("{:02}", seconds / 3600);
  if (parts > 1) out += fmt::format("{}{:02}", colon ? ":" : "", seconds / 60 % 60);
  if (parts > 2) out += fmt::format("{}{:02}", colon ? ":" : "", seconds % 60);
  return out;
}

// One element of a layout: what stands there, and how it is written.
struct Chunk {
  std::string_view text;
  std::string (*write)(const Civil&);
};

int Hour12(const Civil& c) { return c.at.hour() % 12 == 0 ? 12 : c.at.hour() % 12; }
int YearDay(const Civil& c) { return static_cast<int>(cctz::get_yearday(cctz::civil_day(c.at))); }
std::string Zone(const Civil& c, bool colon, int parts) {
  return c.offset == 0 ? "Z" : Offset(c.offset, colon, parts);
}

// Longer ones before those they begin with.
constexpr Chunk kChunks[] = {
    {"January",
     [](const Civil& c) {
       return std::string(kMonths[static_cast<std::size_t>(c.at.month() - 1)]);
     }},
    {"Jan",
     [](const Civil& c) {
       return std::string(kMonths[static_cast<std::size_t>(c.at.month() - 1)].substr(0, 3));
     }},
    {"Monday",
     [](const Civil& c) { return std::string(kDays[static_cast<std::size_t>(Weekday(c))]); }},
    {"Mon",
     [](const Civil& c) {
       return std::string(kDays[static_cast<std::size_t>(Weekday(c))].substr(0, 3));
     }},
    {"MST", [](const Civil& c) { return c.abbreviation; }},
    {"2006", [](const Civil& c) { return fmt::format("{:04}", c.at.year()); }},
    {"__2", [](const Civil& c) { return fmt::format("{:3}", YearDay(c)); }},
    {"_2", [](const Civil& c) { return fmt::format("{:2}", c.at.day()); }},
    {"002", [](const Civil& c) { return fmt::format("{:03}", YearDay(c)); }},
    {"01", [](const Civil& c) { return fmt::format("{:02}", c.at.month()); }},
    {"02", [](const Civil& c) { return fmt::format("{:02}", c.at.day()); }},
    {"03", [](const Civil& c) { return fmt::format("{:02}", Hour12(c)); }},
    {"04", [](const Civil& c) { return fmt::format("{:02}", c.at.minute()); }},
    {"05", [](const Civil& c) { return fmt::format("{:02}", c.at.second()); }},
    {"06", [](const Civil& c) { return fmt::format("{:02}", c.at.year() % 100); }},
    {"15", [](const Civil& c) { return fmt::format("{:02}", c.at.hour()); }},
    {"1", [](const Civil& c) { return std::to_string(c.at.month()); }},
    {"2", [](const Civil& c) { return std::to_string(c.at.day()); }},
    {"3", [](const Civil& c) { return std::to_string(Hour12(c)); }},
    {"4", [](const Civil& c) { return std::to_string(c.at.minute()); }},
    {"5", [](const Civil& c) { return std::to_string(c.at.second()); }},
    {"PM", [](const Civil& c) { return std::string(c.at.hour() >= 12 ? "PM" : "AM"); }},
    {"pm", [](const Civil& c) { return std::string(c.at.hour() >= 12 ? "pm" : "am"); }},
    {"-07:00:00", [](const Civil& c) { return Offset(c.offset, true, 3); }},
    {"-07:00", [](const Civil& c) { return Offset(c.offset, true, 2); }},
    {"-070000", [](const Civil& c) { return Offset(c.offset, false, 3); }},
    {"-0700", [](const Civil& c) { return Offset(c.offset, false, 2); }},
    {"-07", [](const Civil& c) { return Offset(c.offset, false, 1); }},
    {"Z07:00:00", [](const Civil& c) { return Zone(c, true, 3); }},
    {"Z07:00", [](const Civil& c) { return Zone(c, true, 2); }},
    {"Z070000", [](const Civil& c) { return Zone(c, false, 3); }},
    {"Z0700", [](const Civil& c) { return Zone(c, false, 2); }},
    {"Z07", [](const Civil& c) { return Zone(c, false, 1); }},
};

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

// .000 or ,999 after a second: as many digits as written, zeros kept or dropped. 0 if it is none.
std::size_t FractionLength(std::string_view layout) {
  if (layout.size() < 2 || (layout[0] != '.' && layout[0] != ',')) return 0;
  const char digit = layout[1];
  if (digit != '0' && digit != '9') return 0;
  std::size_t end = layout.find_first_not_of(digit, 1);
  if (end == std::string_view::npos) end = layout.size();
  return end < layout.size() && IsDigit(layout[end]) ? 0 : end;
}

std::string Fraction(std::string_view chunk, int millis) {
  std::string digits =
      fmt::format("{:03}000000", millis).substr(0, std::min<std::size_t>(chunk.size() - 1, 9));
  if (chunk[1] == '9') {
    while (!digits.empty() && digits.back() == '0') digits.pop_back();
    if (digits.empty()) return {};
  }
  return chunk[0] + digits;
}

std::string FormatCivil(const Civil& civil, std::string_view layout) {
  std::string out;
  while (!layout.empty()) {
    if (const std::size_t length = FractionLength(layout); length > 0) {
      out += Fraction(layout.substr(0, length), civil.millis);
      layout.remove_prefix(length);
      continue;
    }
    const Chunk* found = nullptr;
    for (const Chunk& chunk : kChunks) {
      if (layout.substr(0, chunk.text.size()) != chunk.text) continue;
      // "Jan" and "Mon" do not begin a longer lower-case word.
      const bool word = chunk.text == "Jan" || chunk.text == "Mon";
      const char next = layout.size() > chunk.text.size() ? layout[chunk.text.size()] : ' ';
      if (word && next >= 'a' && next <= 'z') continue;
      found = &chunk;
      break;
    }
    if (found == nullptr) {
      out += layout.front();
      layout.remove_prefix(1);
    } else {
      out += found->write(civil);
      layout.remove_prefix(found->text.size());
    }
  }
  return out;
}

Result<Value> Refuse(std::string_view wanted, const std::vector<Value>& arguments) {
  if (arguments.size() != 1) {
    return Fail(Cause::kInvalid, "wrong number of args: want 1 got {}", arguments.size());
  }
  return Fail(Cause::kInvalid, "wrong type for value; expected {}; got {}", wanted,
              TypeName(arguments[0]));
}

template <typename T>
const T* Only(const std::vector<Value>& arguments) {
  return arguments.size() == 1 ? std::get_if<T>(&arguments[0].variant()) : nullptr;
}

// A duration argument may be an untyped number of nanoseconds, as in Go.
std::optional<Duration> DurationArgument(const std::vector<Value>& arguments) {
  if (const Duration* duration = Only<Duration>(arguments)) return *duration;
  if (const std::int64_t* count = Only<std::int64_t>(arguments)) return Duration(*count);
  return std::nullopt;
}

Value NamedNumber(std::string type, std::string_view printed, int number) {
  Object object;
  object.type_name = std::move(type);
  object.printed = printed;
  object.number = number;
  object.methods["String"] = [text = object.printed](const auto&) -> Result<Value> {
    return Value(text);
  };
  return object;
}

// Wraps around beyond the year 2262, as Go's UnixNano does.
std::int64_t Scaled(const Timestamp& time, std::uint64_t factor) {
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(ToMillis(time.at)) * factor);
}

using Plain = Value (*)(const Timestamp&);
constexpr std::pair<std::string_view, Plain> kTimeMethods[] = {
    {"Day", [](const Timestamp& t) { return Value(static_cast<int>(CivilOf(t).at.day())); }},
    {"Hour", [](const Timestamp& t) { return Value(static_cast<int>(CivilOf(t).at.hour())); }},
    {"IsZero", [](const Timestamp& t) { return Value(t.at == Time{}); }},
    {"Local",
     [](const Timestamp& t) {
       return Value(Timestamp{t.at, "Local"});
     }},
    {"Minute", [](const Timestamp& t) { return Value(static_cast<int>(CivilOf(t).at.minute())); }},
    {"Month",
     [](const Timestamp& t) {
       const int month = static_cast<int>(CivilOf(t).at.month());
       return NamedNumber("time.Month", kMonths[static_cast<std::size_t>(month - 1)], month);
     }},
    {"Nanosecond", [](const Timestamp& t) { return Value(CivilOf(t).millis * 1'000'000); }},
    {"Second", [](const Timestamp& t) { return Value(static_cast<int>(CivilOf(t).at.second())); }},
    {"String", [](const Timestamp& t) { return Value(PrintTime(t)); }},
    {"UTC", [](const Timestamp& t) { return Value(Timestamp{t.at}); }},
    {"Unix",
     [](const Timestamp& t) {
       return Value(
           std::int64_t{std::chrono::floor<std::chrono::seconds>(t.at).time_since_epoch().count()});
     }},
    {"UnixMicro", [](const Timestamp& t) { return Value(Scaled(t, 1'000)); }},
    {"UnixMilli", [](const Timestamp& t) { return Value(std::int64_t{ToMillis(t.at)}); }},
    {"UnixNano", [](const Timestamp& t) { return Value(Scaled(t, 1'000'000)); }},
    {"Weekday",
     [](const Timestamp& t) {
       const int day = Weekday(CivilOf(t));
       return NamedNumber("time.Weekday", kDays[static_cast<std::size_t>(day)], (day + 1) % 7);
     }},
    {"Year", [](const Timestamp& t) { return Value(std::int64_t{CivilOf(t).at.year()}); }},
    {"YearDay", [](const Timestamp& t) { return Value(YearDay(CivilOf(t))); }},
};

Result<Value> Compare(const Timestamp& time, const std::vector<Value>& arguments, int wanted) {
  const Timestamp* other = Only<Timestamp>(arguments);
  if (other == nullptr) return Refuse("time.Time", arguments);
  const int order = time.at < other->at ? -1 : time.at > other->at ? 1 : 0;
  return Value(order == wanted);
}

Time Rounded(Time time, Duration unit, bool up) {
  const auto millis = std::chrono::duration_cast<Millis>(unit).count();
  if (millis <= 0) return time;
  // Go counts from its own zero time, the year 1; the distance is whole weeks but not whole months.
  constexpr std::int64_t kYearOne = -62'135'596'800'000;
  const std::int64_t since = ToMillis(time) - kYearOne;
  const std::int64_t rest = ((since % millis) + millis) % millis;
  const bool next = up && rest * 2 >= millis;
  return TimeFromMillis(ToMillis(time) - rest + (next ? millis : 0));
}

Result<Value> AddDate(const Timestamp& time, const std::vector<Value>& arguments) {
  std::int64_t parts[3] = {};
  if (arguments.size() != 3) {
    return Fail(Cause::kInvalid, "wrong number of args: want 3 got {}", arguments.size());
  }
  for (std::size_t i = 0; i < 3; ++i) {
    const std::int64_t* number = arguments[i].AsInteger();
    if (number == nullptr || std::abs(*number) > 1'000'000) {
      return Fail(Cause::kInvalid, "wrong value for AddDate: {}", Print(arguments[i]));
    }
    parts[i] = *number;
  }
  const Civil civil = CivilOf(time);
  const cctz::civil_second moved(civil.at.year() + parts[0], civil.at.month() + parts[1],
                                 civil.at.day() + parts[2], civil.at.hour(), civil.at.minute(),
                                 civil.at.second());
  const auto seconds = cctz::convert(moved, ZoneOf(time));
  return Value(Timestamp{
      Time(std::chrono::duration_cast<Millis>(seconds.time_since_epoch())) + Millis(civil.millis),
      time.zone});
}

Function MethodOf(const Timestamp& time, const std::string& name) {
  if (name == "Format") {
    return [time](const std::vector<Value>& arguments) -> Result<Value> {
      const std::string* layout = Only<std::string>(arguments);
      if (layout == nullptr) return Refuse("string", arguments);
      return Value(FormatTime(time, *layout));
    };
  }
  if (name == "Before" || name == "After" || name == "Equal") {
    const int wanted = name == "Before" ? -1 : name == "After" ? 1 : 0;
    return [time, wanted](const std::vector<Value>& arguments) {
      return Compare(time, arguments, wanted);
    };
  }
  if (name == "Sub") {
    return [time](const std::vector<Value>& arguments) -> Result<Value> {
      const Timestamp* other = Only<Timestamp>(arguments);
      if (other == nullptr) return Refuse("time.Time", arguments);
      constexpr std::int64_t kMost = INT64_MAX / 1'000'000;
      const std::int64_t millis =
          std::clamp<std::int64_t>((time.at - other->at).count(), -kMost, kMost);
      return Value(Duration(Millis(millis)));
    };
  }
  if (name == "Add" || name == "Round" || name == "Truncate") {
    return [time, name](const std::vector<Value>& arguments) -> Result<Value> {
      const std::optional<Duration> duration = DurationArgument(arguments);
      if (!duration) return Refuse("time.Duration", arguments);
      const Time moved = name == "Add" ? time.at + std::chrono::floor<Millis>(*duration)
                                       : Rounded(time.at, *duration, name == "Round");
      return Value(Timestamp{moved, time.zone});
    };
  }
  if (name == "AddDate") {
    return [time](const std::vector<Value>& arguments) { return AddDate(time, arguments); };
  }
  for (const auto& [known, method] : kTimeMethods) {
    if (known != name) continue;
    return [time, method](const std::vector<Value>& arguments) -> Result<Value> {
      if (Status wanted = WantArguments(arguments, 0); !wanted)
        return tl::unexpected(wanted.error());
      return method(time);
    };
  }
  return nullptr;
}

Duration RoundedDuration(Duration duration, Duration unit, bool nearest) {
  if (unit.count() <= 0) return duration;
  const Duration rest = duration % unit;
  const Duration down = duration - rest;
  const Duration magnitude = rest < Duration(0) ? -rest : rest;
  if (!nearest || magnitude < unit - magnitude) return down;
  return duration < Duration(0) ? down - unit : down + unit;
}

Result<Value> CallDuration(Duration duration, const std::string& name,
                           const std::vector<Value>& arguments) {
  if (name == "Round" || name == "Truncate") {
    const std::optional<Duration> unit = DurationArgument(arguments);
    if (!unit) return Refuse("time.Duration", arguments);
    return Value(RoundedDuration(duration, *unit, name == "Round"));
  }
  if (Status wanted = WantArguments(arguments, 0); !wanted) return tl::unexpected(wanted.error());
  const std::int64_t nanos = duration.count();
  if (name == "Nanoseconds") return Value(nanos);
  if (name == "Microseconds") return Value(nanos / 1'000);
  if (name == "Milliseconds") return Value(nanos / 1'000'000);
  // Go adds the whole units and the rest, which rounds differently from one division.
  const auto in = [nanos](std::int64_t unit) {
    return Value(static_cast<double>(nanos / unit) +
                 static_cast<double>(nanos % unit) / static_cast<double>(unit));
  };
  if (name == "Seconds") return in(1'000'000'000);
  if (name == "Minutes") return in(60'000'000'000);
  if (name == "Hours") return in(3'600'000'000'000);
  if (name == "Abs") return Value(nanos < 0 ? -duration : duration);
  return Value(PrintDuration(duration));
}

Function MethodOf(Duration duration, const std::string& name) {
  static constexpr std::string_view kNames[] = {
      "Abs",         "Hours", "Microseconds", "Milliseconds", "Minutes",
      "Nanoseconds", "Round", "Seconds",      "String",       "Truncate"};
  for (const std::string_view known : kNames) {
    if (known != name) continue;
    return [duration, name](const std::vector<Value>& arguments) {
      return CallDuration(duration, name, arguments);
    };
  }
  return nullptr;
}

// 1.5 from 1500 thousandths: the digits of value / 10^places without trailing zeros.
std::string Decimal(std::uint64_t value, int places) {
  std::string digits = std::to_string(value);
  const auto width = static_cast<std::size_t>(places) + 1;
  if (digits.size() < width) digits.insert(0, width - digits.size(), '0');
  std::string whole = digits.substr(0, digits.size() - static_cast<std::size_t>(places));
  std::string fraction = digits.substr(whole.size());
  while (!fraction.empty() && fraction.back() == '0') fraction.pop_back();
  return fraction.empty() ? whole : whole + "." + fraction;
}

}  // namespace

Function TimeMethod(const Value& value, const std::string& name) {
  if (const auto* const time = std::get_if<Timestamp>(&value.variant())) {
    return MethodOf(*time, name);
  }
  if (const auto* const duration = std::get_if<Duration>(&value.variant())) {
    return MethodOf(*duration, name);
  }
  return nullptr;
}

std::string FormatTime(const Timestamp& time, std::string_view layout) {
  return FormatCivil(CivilOf(time), layout);
}

std::string PrintTime(const Timestamp& time) {
  return FormatTime(time, "2006-01-02 15:04:05.999999999 -0700 MST");
}

std::string PrintDuration(Duration duration) {
  const std::int64_t nanos = duration.count();
  if (nanos == 0) return "0s";
  const auto magnitude =
      nanos < 0 ? 0 - static_cast<std::uint64_t>(nanos) : static_cast<std::uint64_t>(nanos);
  std::string out = nanos < 0 ? "-" : "";
  if (magnitude < 1'000) return out + std::to_string(magnitude) + "ns";
  if (magnitude < 1'000'000) return out + Decimal(magnitude, 3) + "µs";
  if (magnitude < 1'000'000'000) return out + Decimal(magnitude, 6) + "ms";
  const std::uint64_t minutes = magnitude / 60'000'000'000;
  if (minutes >= 60) out += std::to_string(minutes / 60) + "h";
  if (minutes > 0) out += std::to_string(minutes % 60) + "m";
  return out + Decimal(magnitude % 60'000'000'000, 9) + "s";
}

}  // namespace fettle::gotemplate
