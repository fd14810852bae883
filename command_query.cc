// fettle query: asks a running daemon (or any Prometheus) and prints as promtool does.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>

#include "command.h"
#include "command_ask.h"
#include "common/duration.h"
#include "common/json.h"
#include "common/labels.h"
#include "common/number.h"

namespace fettle {
namespace {

using Form = std::vector<std::pair<std::string, std::string>>;

bool WantsJson(const QueryCommand& command) { return command.format == "json"; }

int Say(const std::string& problem) {
  std::fputs(fmt::format("fettle: {}\n", problem).c_str(), stderr);
  return 1;
}

// `data` of the answer; what is said beside it goes to stderr.
Result<Json> AskQuery(const QueryCommand& command, std::string method, std::string path,
                      const Form& form) {
  std::string encoded;
  for (const auto& [name, value] : form) {
    if (!encoded.empty()) encoded += '&';
    encoded += PercentEncode(name) + "=" + PercentEncode(value);
  }
  HttpRequest request{.method = std::move(method), .url = std::move(path)};
  if (request.method == "POST") {
    request.headers.Set("Content-Type", "application/x-www-form-urlencoded");
    request.body = std::move(encoded);
  } else if (!encoded.empty()) {
    request.url += "?" + encoded;
  }
  const Result<Json> answer = AskDaemon(command.client, std::move(request));
  if (!answer) return tl::unexpected(answer.error());
  for (const char* kind : {"warnings", "infos"}) {
    for (const Json& text : (*answer)[kind].Items()) {
      std::fputs(fmt::format("{}\n", text.StringOr("")).c_str(), stderr);
    }
  }
  return (*answer)["data"];
}

// Seconds or RFC 3339, as the daemon reads them, too; here to reckon with.
Result<double> ReadTime(const std::string& text, const std::string& flag, double fallback) {
  if (text.empty()) return fallback;
  if (const Result<Time> time = ParseRfc3339(text)) return ToSeconds(*time);
  try {
    std::size_t end = 0;
    const double seconds = std::stod(text, &end);
    if (end == text.size() && std::isfinite(seconds)) return seconds;
  } catch (const std::exception&) {
    // std::stod's way to say no.
  }
  return Fail(Cause::kInvalid, "{}: {} is neither seconds nor RFC 3339", flag, Quote(text));
}

std::string SecondsText(double seconds) {
  std::string text = fmt::format("{:.3f}", seconds);
  while (text.ends_with('0')) text.pop_back();
  if (text.ends_with('.')) text.pop_back();
  return text;
}

Labels LabelsOf(const Json& metric) {
  std::vector<Labels::Pair> pairs;
  for (const auto& [name, value] : metric.Entries()) pairs.emplace_back(name, value.StringOr(""));
  return Labels(std::move(pairs));
}

// "1 @[1700000000.5]"; a histogram as its JSON.
std::string PointText(const Json& point) {
  const std::vector<Json> parts = point.Items();
  if (parts.size() != 2) return point.Dump();
  std::string value = parts[1].IsString() ? parts[1].StringOr("") : parts[1].Dump();
  // Never with an exponent.
  if (value.find('e') != std::string::npos && parts[1].IsString()) {
    value = FormatFloatFixed(std::strtod(value.c_str(), nullptr));
  }
  return fmt::format("{} @[{}]", value, SecondsText(parts[0].NumberOr(0)));
}

std::string SeriesText(const Json& series) {
  std::string text = LabelsOf(series["metric"]).ToString() + " =>";
  for (const char* kind : {"values", "histograms"}) {
    for (const Json& point : series[kind].Items()) text += "\n" + PointText(point);
  }
  return text;
}

std::string ResultText(const Json& data) {
  const std::string type = data["resultType"].StringOr("");
  const Json result = data["result"];
  if (type == "scalar") return "scalar: " + PointText(result);
  if (type == "string") return result.Items().size() == 2 ? result.Items()[1].StringOr("") : "";
  std::string text;
  for (const Json& one : result.Items()) {
    if (!text.empty()) text += '\n';
    if (type == "matrix") {
      text += SeriesText(one);
    } else {
      const Json point = one["value"].exists() ? one["value"] : one["histogram"];
      text += fmt::format("{} => {}", LabelsOf(one["metric"]).ToString(), PointText(point));
    }
  }
  return text;
}

int PrintResult(const QueryCommand& command, const Result<Json>& data) {
  if (!data) return Say(data.error().message);
  fmt::print("{}\n", WantsJson(command) ? (*data)["result"].Dump() : ResultText(*data));
  return 0;
}

Form Scope(const QueryCommand& command) {
  Form form;
  for (const std::string& match : command.matches) form.emplace_back("match[]", match);
  if (!command.start.empty()) form.emplace_back("start", command.start);
  if (!command.end.empty()) form.emplace_back("end", command.end);
  return form;
}

}  // namespace

int RunQueryInstant(const QueryCommand& command) {
  Form form{{"query", command.expression}};
  if (!command.time.empty()) form.emplace_back("time", command.time);
  return PrintResult(command, AskQuery(command, "POST", "/api/v1/query", form));
}

int RunQueryRange(const QueryCommand& command) {
  constexpr double kDefaultSeconds = 300;
  constexpr double kDefaultSteps = 250;
  const Result<double> end = ReadTime(command.end, "--end", ToSeconds(SystemClock().Now().wall));
  if (!end) return Say(end.error().message);
  const Result<double> start = ReadTime(command.start, "--start", *end - kDefaultSeconds);
  if (!start) return Say(start.error().message);
  const double step = std::max(std::floor((*end - *start) / kDefaultSteps), 1.0);
  const Form form{{"query", command.expression},
                  {"start", SecondsText(*start)},
                  {"end", SecondsText(*end)},
                  {"step", command.step.empty() ? SecondsText(step) : command.step}};
  return PrintResult(command, AskQuery(command, "POST", "/api/v1/query_range", form));
}

int RunQuerySeries(const QueryCommand& command) {
  const Result<Json> data = AskQuery(command, "POST", "/api/v1/series", Scope(command));
  if (!data) return Say(data.error().message);
  if (WantsJson(command)) fmt::print("{}\n", data->Dump());
  for (const Json& metric : WantsJson(command) ? std::vector<Json>() : data->Items()) {
    // All labels alike: here the name is one of them.
    std::string text;
    for (const auto& [name, value] : LabelsOf(metric)) {
      if (!text.empty()) text += ", ";
      text += fmt::format("{}={}", name, Quote(value));
    }
    fmt::print("{{{}}}\n", text);
  }
  return 0;
}

int RunQueryLabels(const QueryCommand& command) {
  const bool names = command.label.empty();
  const std::string path =
      names ? "/api/v1/labels" : "/api/v1/label/" + PercentEncode(command.label) + "/values";
  const Result<Json> data = AskQuery(command, names ? "POST" : "GET", path, Scope(command));
  if (!data) return Say(data.error().message);
  if (WantsJson(command)) fmt::print("{}\n", data->Dump());
  for (const Json& text : WantsJson(command) ? std::vector<Json>() : data->Items()) {
    fmt::print("{}\n", text.StringOr(""));
  }
  return 0;
}

}  // namespace fettle
