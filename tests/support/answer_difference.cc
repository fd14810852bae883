#include "tests/support/answer_difference.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <map>
#include <optional>
#include <vector>

namespace fettle {
namespace {

std::string Shown(const Json& json) {
  const std::string text = json.Dump();
  return text.size() > 200 ? text.substr(0, 200) + "…" : text;
}

std::string Different(const std::string& where, const Json& theirs, const Json& ours) {
  return fmt::format("{}: they {}, we {}", where, Shown(theirs), Shown(ours));
}

std::optional<double> NumberOf(const std::string& text) {
  char* end = nullptr;
  const double value = std::strtod(text.c_str(), &end);
  if (text.empty() || *end != '\0') return std::nullopt;
  return value;
}

int TypeOf(const Json& json) {
  if (json.IsObject()) return 1;
  if (json.IsArray()) return 2;
  if (json.IsString()) return 3;
  if (json.IsNumber()) return 4;
  if (json.IsBool()) return 5;
  return json.IsNull() ? 6 : 0;
}

std::string Compare(const std::string& where, const Json& theirs, const Json& ours,
                    const Tolerance& tolerance);

std::string CompareObjects(const std::string& where, const Json& theirs, const Json& ours,
                           const Tolerance& tolerance) {
  const auto left = theirs.Entries();
  const auto right = ours.Entries();
  for (std::size_t i = 0; i < std::max(left.size(), right.size()); ++i) {
    if (i >= left.size()) return fmt::format("{}: we have also {}", where, right[i].first);
    if (i >= right.size()) return fmt::format("{}: we miss {}", where, left[i].first);
    if (left[i].first != right[i].first) {
      return fmt::format("{}: they have {} where we have {}", where, left[i].first, right[i].first);
    }
    std::string difference =
        Compare(where + "." + left[i].first, left[i].second, right[i].second, tolerance);
    if (!difference.empty()) return difference;
  }
  return "";
}

std::string CompareArrays(const std::string& where, const Json& theirs, const Json& ours,
                          const Tolerance& tolerance) {
  const std::vector<Json> left = theirs.Items();
  const std::vector<Json> right = ours.Items();
  const std::size_t both = std::min(left.size(), right.size());
  const std::size_t looked_at = tolerance.shape_only ? std::min<std::size_t>(both, 1) : both;
  for (std::size_t i = 0; i < looked_at; ++i) {
    std::string difference = Compare(fmt::format("{}[{}]", where, i), left[i], right[i], tolerance);
    if (!difference.empty()) return difference;
  }
  if (tolerance.shape_only || left.size() == right.size()) return "";
  return fmt::format("{}: they have {} elements, we {}", where, left.size(), right.size());
}

std::string Compare(const std::string& where, const Json& theirs, const Json& ours,
                    const Tolerance& tolerance) {
  if (TypeOf(theirs) != TypeOf(ours)) return Different(where, theirs, ours);
  if (theirs.IsObject()) return CompareObjects(where, theirs, ours, tolerance);
  if (theirs.IsArray()) return CompareArrays(where, theirs, ours, tolerance);
  if (tolerance.shape_only) return "";
  if (theirs.IsNumber()) {
    const bool same = SameNumber(theirs.NumberOr(0), ours.NumberOr(0), tolerance.relative);
    return same ? "" : Different(where, theirs, ours);
  }
  if (theirs.Dump() == ours.Dump()) return "";
  const auto a = NumberOf(theirs.StringOr(""));
  const auto b = NumberOf(ours.StringOr(""));
  return a && b && SameNumber(*a, *b, tolerance.relative) ? "" : Different(where, theirs, ours);
}

std::map<std::string, Json> BySeries(const Json& result) {
  std::map<std::string, Json> out;
  for (const Json& series : result.Items()) out[series["metric"].Dump()] = series;
  return out;
}

}  // namespace

bool SameNumber(double a, double b, double relative) {
  if (std::isnan(a) || std::isnan(b)) return std::isnan(a) && std::isnan(b);
  if (a == b) return true;
  const double scale = std::max(std::abs(a), std::abs(b));
  return std::abs(a - b) <= relative * scale || scale < 1e-9;
}

std::string JsonDifference(const Json& theirs, const Json& ours, const Tolerance& tolerance) {
  return Compare("$", theirs, ours, tolerance);
}

std::string AnswerDifference(const Json& theirs, const Json& ours, const Tolerance& tolerance) {
  if (theirs["status"].StringOr("") != ours["status"].StringOr("")) {
    return fmt::format("they {} {}, we {} {}", theirs["status"].Dump(), theirs["error"].Dump(),
                       ours["status"].Dump(), ours["error"].Dump());
  }
  if (theirs["status"].StringOr("") == "error") {
    return Compare("errorType", theirs["errorType"], ours["errorType"], tolerance);
  }
  const Json left = theirs["data"];
  const Json right = ours["data"];
  std::string difference =
      Compare("resultType", left["resultType"], right["resultType"], tolerance);
  const std::string type = left["resultType"].StringOr("");
  if (!difference.empty() || (type != "vector" && type != "matrix")) {
    return difference.empty() ? Compare("result", left["result"], right["result"], tolerance)
                              : difference;
  }
  const std::map<std::string, Json> their_series = BySeries(left["result"]);
  std::map<std::string, Json> our_series = BySeries(right["result"]);
  for (const auto& [labels, series] : their_series) {
    const auto found = our_series.find(labels);
    if (found == our_series.end()) return "we miss " + labels;
    difference = Compare(labels, series, found->second, tolerance);
    if (!difference.empty()) return difference;
    our_series.erase(found);
  }
  return our_series.empty() ? "" : "we have also " + our_series.begin()->first;
}

}  // namespace fettle
