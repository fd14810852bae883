#include "rules/query_params.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <limits>

#include "common/duration.h"
#include "common/labels.h"
#include "common/utf8.h"
#include "rules/promql/parser.h"

namespace fettle::rules {
namespace {

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

std::optional<double> ParsePlainFloat(std::string_view text) {
  if (text.starts_with("+")) text.remove_prefix(1);
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || text.empty()) {
    return std::nullopt;
  }
  return value;
}

// As Go's strconv.ParseFloat, which takes 1_000 for a thousand; hexadecimal numbers are none here.
std::optional<double> ParseFloat(std::string text) {
  for (std::size_t at = text.find('_'); at != std::string::npos; at = text.find('_', at)) {
    const auto digit = [&](std::size_t i) { return i < text.size() && IsDigit(text[i]); };
    if (at == 0 || !digit(at - 1) || !digit(at + 1)) return std::nullopt;
    text.erase(at, 1);
  }
  return ParsePlainFloat(text);
}

// A quarter of what an int64 holds: no arithmetic on it overflows.
constexpr double kMillisMax = 2.3e18;
// Go's durations are nanoseconds in an int64.
constexpr double kDurationSecondsMax = 9223372036.854775807;

// The boundaries of time as upstream's clients print them; RFC 3339 has no such years.
constexpr std::string_view kTimeMinText = "-292273086-05-16T16:47:06Z";
constexpr std::string_view kTimeMaxText = "292277025-08-18T07:12:54.999999999Z";

std::optional<Time> ParseTime(const std::string& text) {
  if (const auto seconds = ParseFloat(text)) {
    const double millis = std::round(*seconds * 1000);
    if (!(std::abs(millis) < kMillisMax)) return std::nullopt;
    return TimeFromMillis(static_cast<std::int64_t>(millis));
  }
  if (const Result<Time> time = ParseRfc3339(text)) return *time;
  if (text == kTimeMinText) return TimeFromMillis(static_cast<std::int64_t>(-kMillisMax));
  if (text == kTimeMaxText) return TimeFromMillis(static_cast<std::int64_t>(kMillisMax));
  return std::nullopt;
}

std::string NoTime(const std::string& text) {
  return fmt::format("cannot parse {} to a valid timestamp", Quote(text));
}

}  // namespace

tl::unexpected<Error> InvalidParameter(std::string_view name, const Error& error) {
  return Fail(error.cause, "invalid parameter {}: {}", Quote(name), error.message);
}

QueryParams::QueryParams(const HttpRequest& request) : request_(request) {
  const std::string_view type = request.headers.Get("Content-Type");
  if (request.method == "POST" && type.starts_with("application/x-www-form-urlencoded")) {
    form_.url = "/?" + request.body;
  }
}

std::string QueryParams::Get(std::string_view name) const {
  if (const auto value = form_.Query(name)) return *value;
  return request_.Query(name).value_or("");
}

std::vector<std::string> QueryParams::GetAll(std::string_view name) const {
  std::vector<std::string> values = form_.QueryAll(name);
  for (std::string& value : request_.QueryAll(name)) values.push_back(std::move(value));
  return values;
}

Result<Time> QueryParams::GetTime(std::string_view name) const {
  const std::string text = Get(name);
  if (const auto time = ParseTime(text)) return *time;
  return InvalidParameter(name, {NoTime(text), Cause::kInvalid});
}

Result<Time> QueryParams::GetTimeOr(std::string_view name, Time fallback) const {
  const std::string text = Get(name);
  if (text.empty()) return fallback;
  if (const auto time = ParseTime(text)) return *time;
  return InvalidParameter(
      name, {fmt::format("invalid time value for '{}': {}", name, NoTime(text)), Cause::kInvalid});
}

Result<std::optional<Millis>> QueryParams::GetBareDuration(std::string_view name) const {
  const std::string text = Get(name);
  if (text.empty()) return std::optional<Millis>();
  const char* why = "cannot parse {} to a valid duration";
  if (const auto seconds = ParseFloat(text)) {
    if (std::abs(*seconds) <= kDurationSecondsMax) {
      return std::optional(Millis(static_cast<std::int64_t>(*seconds * 1000)));
    }
    if (!std::isnan(*seconds)) why = "cannot parse {} to a valid duration. It overflows int64";
  } else if (const Result<Millis> duration = ParseDuration(text)) {
    return std::optional(*duration);
  }
  return Fail(Cause::kInvalid, fmt::runtime(why), Quote(text));
}

Result<std::optional<Millis>> QueryParams::GetDuration(std::string_view name) const {
  Result<std::optional<Millis>> duration = GetBareDuration(name);
  if (!duration) return InvalidParameter(name, duration.error());
  return duration;
}

Result<std::optional<std::int64_t>> QueryParams::GetInteger(std::string_view name) const {
  const std::string text = Get(name);
  if (text.empty()) return std::optional<std::int64_t>();
  std::string_view digits = text;
  if (digits.starts_with("+") && !digits.starts_with("+-")) digits.remove_prefix(1);
  std::int64_t value = 0;
  const char* const last = digits.data() + digits.size();
  const auto [end, error] = std::from_chars(digits.data(), last, value);
  if (end != last || digits.empty() || error == std::errc::invalid_argument) {
    return Fail(Cause::kInvalid, "strconv.Atoi: parsing {}: invalid syntax", Quote(text));
  }
  if (error == std::errc::result_out_of_range) {
    return Fail(Cause::kInvalid, "strconv.Atoi: parsing {}: value out of range", Quote(text));
  }
  return std::optional(value);
}

Result<std::size_t> QueryParams::GetLimit() const {
  const Result<std::optional<std::int64_t>> limit = GetInteger("limit");
  if (!limit) return InvalidParameter("limit", limit.error());
  if (limit->value_or(0) < 0) {
    return InvalidParameter("limit", {"limit must be non-negative", Cause::kInvalid});
  }
  return static_cast<std::size_t>(limit->value_or(0));
}

Result<std::vector<Matchers>> QueryParams::GetSelectors() const {
  std::vector<Matchers> selectors;
  for (const std::string& text : GetAll("match[]")) {
    Result<Matchers> matchers = promql::ParseSelector(text);
    if (!matchers) return tl::unexpected(matchers.error());
    selectors.push_back(std::move(*matchers));
  }
  return selectors;
}

std::string UnescapeLabelName(std::string_view name) {
  if (!name.starts_with("U__")) return std::string(name);
  std::string out;
  const std::string_view escaped = name.substr(3);
  for (std::size_t at = 0; at < escaped.size(); ++at) {
    if (escaped[at] != '_') {
      out += escaped[at];
      continue;
    }
    if (escaped.substr(at).starts_with("__")) {
      out += '_';
      ++at;
      continue;
    }
    // _2e_: a character by its number.
    std::uint32_t rune = 0;
    const char* const begin = escaped.data() + at + 1;
    const auto [end, error] = std::from_chars(begin, escaped.data() + escaped.size(), rune, 16);
    const auto length = static_cast<std::size_t>(end - begin);
    const bool scalar = rune <= 0x10ffff && (rune < 0xd800 || rune > 0xdfff);
    if (error != std::errc() || length == 0 || length > 6 || !scalar ||
        at + 1 + length >= escaped.size() || *end != '_') {
      return std::string(name);
    }
    AppendRune(rune, out);
    at += length + 1;
  }
  return out;
}

}  // namespace fettle::rules
