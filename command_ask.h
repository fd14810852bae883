// How commands ask a running daemon over its HTTP API.
#pragma once

#include "command.h"
#include "common/http.h"
#include "common/json.h"
#include "common/result.h"

namespace fettle {

// `request.url` is the path and query. The answer as it came, whatever its status.
Result<HttpResponse> ExchangeWithDaemon(const ClientOptions& client, HttpRequest request);
// The answer's JSON, or what is wrong: that nobody answers, or what the daemon complains about.
Result<Json> AskDaemon(const ClientOptions& client, HttpRequest request);

}  // namespace fettle
