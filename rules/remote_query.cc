#include "rules/remote_query.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <utility>

#include "common/http_client.h"
#include "common/json.h"
#include "rules/judge.h"

namespace fettle::rules {
namespace {

constexpr std::size_t kErrorTextMax = 300;

// "1.5", "NaN", "+Inf": as the API writes numbers.
Result<double> ReadNumber(const Json& json) {
  std::string text = json.StringOr("");
  if (text.starts_with('+')) text.erase(0, 1);
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool whole = !text.empty() && end == text.data() + text.size();
  if (error == std::errc::result_out_of_range && whole) return std::strtod(text.c_str(), nullptr);
  if (error != std::errc() || !whole) {
    return Fail(Cause::kInvalid, "{} is no number", yaml::Shown(text));
  }
  return value;
}

Result<double> ReadPoint(const Json& pair) {
  const std::vector<Json> items = pair.Items();
  if (items.size() != 2) return Fail(Cause::kInvalid, "a sample has no time and value");
  return ReadNumber(items[1]);
}

LabelsPtr ReadLabels(const Json& metric) {
  std::vector<Labels::Pair> pairs;
  for (const auto& [name, value] : metric.Entries()) pairs.emplace_back(name, value.StringOr(""));
  return std::make_shared<const Labels>(std::move(pairs));
}

Status ReadVector(const Json& result, promql::Vector& vector) {
  for (const Json& item : result.Items()) {
    // A histogram's buckets as the API shows them cannot be made into one again.
    if (!item["value"].exists()) continue;
    const Result<double> value = ReadPoint(item["value"]);
    if (!value) return tl::unexpected(value.error());
    vector.push_back({ReadLabels(item["metric"]), *value, nullptr});
  }
  return {};
}

// What a refusal says: {"errorType": …, "error": …}, or the beginning of whatever it is.
std::string ReasonIn(std::string_view body) {
  const Result<Json> json = Json::Parse(body);
  const std::string said = json ? (*json)["error"].StringOr("") : "";
  std::string text = said.empty() ? std::string(body) : said;
  if (text.size() > kErrorTextMax) text.resize(kErrorTextMax);
  std::replace(text.begin(), text.end(), '\n', ' ');
  return text;
}

std::string FormOf(const std::string& query, Time at, Millis timeout) {
  return fmt::format("query={}&time={:.3f}&timeout={:.3f}&stats=true", PercentEncode(query),
                     ToSeconds(at), ToSeconds(timeout));
}

}  // namespace

QueryTarget ReadQueryTarget(yaml::Mapping& rules, const std::string& directory) {
  QueryTarget target;
  target.url = rules.Get<std::string>("query_url", "");
  while (target.url.ends_with('/')) target.url.pop_back();
  if (!target.url.empty() && !target.url.starts_with("http://") &&
      !target.url.starts_with("https://")) {
    rules.Complain(rules.Child("query_url")->place,
                   fmt::format("query_url {} does not begin with http:// or https://",
                               yaml::Shown(target.url)));
  }
  if (const yaml::Node* http = rules.Child("query_http_config")) {
    target.http = ReadHttpConfig(*http, directory, rules.complaints());
  }
  return target;
}

Result<RuleAnswer> ReadQueryAnswer(std::string_view body) {
  const Result<Json> json = Json::Parse(body, RemoteQuery::kAnswerBytesMax);
  if (!json) return tl::unexpected(json.error());
  if ((*json)["status"].StringOr("") != "success") return Fail("{}", ReasonIn(body));
  const Json data = (*json)["data"];
  const std::string type = data["resultType"].StringOr("");
  RuleAnswer answer;
  if (type == "vector") {
    if (Status read = ReadVector(data["result"], answer.vector); !read) {
      return tl::unexpected(read.error());
    }
  } else if (type == "scalar") {
    const Result<double> value = ReadPoint(data["result"]);
    if (!value) return tl::unexpected(value.error());
    answer.vector.push_back({std::make_shared<const Labels>(), *value, nullptr});
  } else {
    return Fail(Cause::kInvalid, "rule result is not a vector or scalar");
  }
  const Json read = data["stats"]["samples"]["totalQueryableSamples"];
  answer.samples = read.exists()
                       ? static_cast<std::size_t>(std::max<std::int64_t>(read.IntegerOr(0), 0))
                       : std::max<std::size_t>(answer.vector.size(), 1);
  return answer;
}

Result<RuleAnswer> RemoteQuery::Ask(const promql::Expr&, const std::string& text, Time at,
                                    BootTime deadline) const {
  const Millis left =
      std::min(std::chrono::duration_cast<Millis>(deadline - deps_.clock.Now().boot), kTimeoutMax);
  if (left <= Millis(0)) return Fail(Cause::kTimeout, "query timed out");
  HttpRequest request{.method = "POST", .url = target_.url + "/api/v1/query"};
  request.headers.Set("Content-Type", "application/x-www-form-urlencoded");
  request.body = FormOf(text, at, left);
  HttpOptions options{.timeout = left, .body_bytes_max = kAnswerBytesMax};
  if (Status applied = target_.http.Apply(request, options); !applied) {
    return tl::unexpected(applied.error());
  }
  options.accept_gzip = true;
  const Result<HttpResponse> response = deps_.transport.Send(request, options);
  const std::string asking = "asking " + RedactUrl(target_.url);
  if (!response) return While(asking, response.error());
  if (response->status != 200) {
    const Cause cause = response->status / 100 == 5 ? Cause::kUnavailable : Cause::kInvalid;
    return Fail(cause, "{}: HTTP status {}: {}", asking, response->status,
                ReasonIn(response->body));
  }
  Result<RuleAnswer> answer = ReadQueryAnswer(response->body);
  if (!answer) return While(asking, answer.error());
  return answer;
}

Status QueryJudge::Check(std::string_view expression) const {
  const auto tree = promql::Parse(expression, parser_);
  if (!tree) return tl::unexpected(tree.error());
  const promql::ValueType type = (*tree)->type;
  if (type == promql::ValueType::kVector || type == promql::ValueType::kScalar) return {};
  return Fail(Cause::kInvalid, "{}: an instant vector or a scalar is needed, not a {}",
              promql::LineAndColumn(expression, (*tree)->span.start), promql::ToString(type));
}

Result<std::vector<Sample>> QueryJudge::Ask(std::string_view expression, Time at,
                                            Millis timeout) const {
  const auto tree = promql::Parse(expression, parser_);
  if (!tree) return tl::unexpected(tree.error());
  const Result<RuleAnswer> answer =
      query_.Ask(**tree, std::string(expression), at, clock_.Now().boot + timeout);
  if (!answer) return While(fmt::format("evaluating {}", expression), answer.error());
  std::vector<Sample> samples;
  for (const promql::Element& element : answer->vector) {
    if (element.histogram == nullptr) samples.push_back({*element.labels, element.value, at});
  }
  return samples;
}

std::string QueryJudge::Compared(std::string_view expression) const {
  const auto tree = promql::Parse(expression, parser_);
  return tree ? ComparedIn(**tree) : "";
}

}  // namespace fettle::rules
