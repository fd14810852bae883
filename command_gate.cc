// `fettle gate NAME`: for shell pipelines; what the daemon decides is the exit code.
#include <fmt/format.h>

#include <cstdio>

#include "command.h"
#include "command_ask.h"
#include "common/http.h"
#include "common/json.h"

namespace fettle {
namespace {

constexpr int kAllow = 0;
constexpr int kDeny = 10;
constexpr int kCouldNotAsk = 11;

}  // namespace

int RunGate(const GateCommand& command) {
  JsonWriter body;
  body.BeginObject().Field("operation", command.operation);
  if (command.estimate_usd > 0) body.Field("estimate_usd", command.estimate_usd);
  if (command.reserve) body.Field("reserve", true);
  if (!command.idempotency_key.empty()) body.Field("idempotency_key", command.idempotency_key);
  body.EndObject();
  HttpRequest request{.method = "POST",
                      .url = "/api/fettle/v1/gates/" + PercentEncode(command.name),
                      .body = body.Take()};
  const Result<HttpResponse> response = ExchangeWithDaemon(command.client, std::move(request));
  const Result<Json> json =
      response ? Json::Parse(response->body) : tl::unexpected(response.error());
  if (!json || (response->status != 200 && response->status != 403) ||
      !(*json)["decision"].exists()) {
    const std::string why = !response ? response.error().message
                            : json    ? (*json)["error"].StringOr(response->body)
                                      : json.error().message;
    std::fputs(fmt::format("fettle: gate {} could not be asked: {}\n", command.name, why).c_str(),
               stderr);
    return command.on_error == "allow" ? kAllow : command.on_error == "deny" ? kDeny : kCouldNotAsk;
  }
  const bool allowed = (*json)["decision"].StringOr("") == "allow";
  fmt::print("{}: {}\n", (*json)["decision"].StringOr(""), (*json)["sentence"].StringOr(""));
  const std::string reservation = (*json)["reservation_id"].StringOr("");
  if (!reservation.empty()) fmt::print("reservation {}\n", reservation);
  return allowed ? kAllow : kDeny;
}

}  // namespace fettle
