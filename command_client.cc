#include <fmt/format.h>

#include <cstdio>

#include "command.h"
#include "common/http_client.h"
#include "common/http_config.h"
#include "common/json.h"
#include "common/sqlite_store.h"

namespace fettle {
namespace {

int Say(const std::string& problem) {
  std::fputs(fmt::format("fettle: {}\n", problem).c_str(), stderr);
  return 1;
}

Result<Json> Ask(const ClientOptions& client, const std::string& method, const std::string& path) {
  HttpRequest request{.method = method, .url = client.url + path};
  HttpOptions options;
  if (!client.http_config_file.empty()) {
    yaml::Complaints complaints;
    const auto node = yaml::LoadFile(client.http_config_file, complaints);
    HttpConfig config;
    if (node) config = ReadHttpConfig(*node, "", complaints);
    if (!complaints.empty()) return Fail(Cause::kInvalid, "{}", complaints.ToString());
    if (Status applied = config.Apply(request, options); !applied) {
      return tl::unexpected(applied.error());
    }
  }
  HttpClient transport;
  const Result<HttpResponse> response = transport.Send(request, options);
  if (!response) return While("asking " + client.url, response.error());
  Result<Json> json = Json::Parse(response->body);
  if (response->status >= 300) {
    return Fail("{} answered {}: {}", client.url, response->status,
                json ? (*json)["error"].StringOr(response->body) : response->body);
  }
  return json;
}

}  // namespace

Result<Json> AskDaemon(const ClientOptions& client, const std::string& method,
                       const std::string& path) {
  return Ask(client, method, path);
}

int RunStatus(const ClientOptions& client) {
  const Result<Json> status = Ask(client, "GET", "/api/fettle/v1/status");
  if (!status) return Say(status.error().message);
  const Json& s = *status;
  fmt::print("{}, up since {}, store {}\n", s["version"].StringOr(""), s["started"].StringOr(""),
             s["store"].StringOr(""));
  fmt::print("alerts firing    {}\n", s["alerts_firing"].IntegerOr(0));
  fmt::print("incidents open   {} ({} escalated)\n", s["incidents_open"].IntegerOr(0),
             s["incidents_escalated"].IntegerOr(0));
  for (const Json& engine : s["engines"].Items()) {
    fmt::print("engine {:<9} {}, {} containers\n", engine["name"].StringOr(""),
               engine["following"].BoolOr(false) ? "followed" : "NOT followed",
               engine["containers"].IntegerOr(0));
  }
  for (const Json& backup : s["backups"].Items()) {
    fmt::print("backup {:<9} {}\n", backup["name"].StringOr(""), backup["state"].StringOr(""));
  }
  return s["ready"].BoolOr(false) ? 0 : 1;
}

int RunQueryInstant(const ClientOptions& client, const std::string& expression) {
  const Result<Json> answer =
      Ask(client, "GET", "/api/v1/query?query=" + PercentEncode(expression));
  if (!answer) return Say(answer.error().message);
  const Json data = (*answer)["data"];
  if (data["resultType"].StringOr("") != "vector") {
    const std::vector<Json> value = data["result"].Items();
    if (value.size() == 2) fmt::print("{}\n", value[1].StringOr(""));
    return 0;
  }
  for (const Json& element : data["result"].Items()) {
    std::vector<Labels::Pair> pairs;
    for (const auto& [label, value] : element["metric"].Entries()) {
      pairs.emplace_back(label, value.StringOr(""));
    }
    const std::vector<Json> value = element["value"].Items();
    fmt::print("{} {}\n", Labels(std::move(pairs)).ToString(),
               value.size() == 2 ? value[1].StringOr("") : "");
  }
  return 0;
}

int RunAuditVerify(const std::string& storage_path) {
  const SystemClock clock;
  LogWriter log(clock, StderrSink(), {.level = LogLevel::kError});
  Metrics metrics;
  auto store = SqliteStore::Open({.clock = clock, .metrics = metrics, .log = Log(log, "store")},
                                 {.directory = storage_path, .read_only = true});
  if (!store) return Say(store.error().message);
  if (Status verified = (*store)->VerifyAudit(); !verified) return Say(verified.error().message);
  fmt::print("the audit's chain is whole\n");
  return 0;
}

}  // namespace fettle
