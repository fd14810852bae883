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

std::optional<double> ParseFloat(std::string_view text) {
  if (text.starts_with("+")) text.remove_prefix(1);
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || text.empty()) {
    return std::nullopt;
  }
  return value;
}

// A quarter of what an int64 holds: no arithmetic on it overflows.
constexpr double kMillisMax = 2.3e18;

// Milliseconds of seconds, if they can be reckoned with.
std::optional<std::int64_t> ToWholeMillis(double seconds) {
  const double millis = std::round(seconds * 1000);
  if (!(std::abs(millis) < kMillisMax)) return std::nullopt;
  return static_cast<std::int64_t>(millis);
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

Result<Time> QueryParams::GetTime(std::string_view name, std::optional<Time> fallback) const {
  const std::string text = Get(name);
  if (text.empty() && fallback) return *fallback;
  if (const auto seconds = ParseFloat(text)) {
    if (const auto millis = ToWholeMillis(*seconds)) return TimeFromMillis(*millis);
  } else if (const Result<Time> time = ParseRfc3339(text)) {
    return *time;
  }
  return InvalidParameter(
      name, {fmt::format("cannot parse {} to a valid timestamp", Quote(text)), Cause::kInvalid});
}

Result<std::optional<Millis>> QueryParams::GetDuration(std::string_view name) const {
  const std::string text = Get(name);
  if (text.empty()) return std::optional<Millis>();
  const char* why = "cannot parse {} to a valid duration";
  if (const auto seconds = ParseFloat(text)) {
    if (const auto millis = ToWholeMillis(*seconds)) return std::optional(Millis(*millis));
    why = "cannot parse {} to a valid duration. It overflows int64";
  } else if (const Result<Millis> duration = ParseDuration(text)) {
    return std::optional(*duration);
  }
  return InvalidParameter(name, {fmt::format(fmt::runtime(why), Quote(text)), Cause::kInvalid});
}

Result<std::size_t> QueryParams::GetLimit() const {
  const std::string text = Get("limit");
  if (text.empty()) return std::size_t{0};
  std::size_t limit = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), limit);
  if (error == std::errc() && end == text.data() + text.size()) return limit;
  return InvalidParameter(
      "limit", {fmt::format("{} is not a limit: 0 or more is", Quote(text)), Cause::kInvalid});
}

Result<std::vector<Matchers>> QueryParams::GetSelectors() const {
  std::vector<Matchers> selectors;
  for (const std::string& text : GetAll("match[]")) {
    Result<Matchers> matchers = promql::ParseSelector(text);
    if (!matchers) return InvalidParameter("match[]", matchers.error());
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
