// The envelope of every answer of Prometheus' HTTP API:
// {"status":"success","data":…,"warnings":[…],"infos":[…]} or
// {"status":"error","errorType":…,"error":…}. Pure.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/http.h"
#include "common/result.h"

namespace fettle::rules {

// What stands before an answer's data.
inline constexpr std::string_view kApiSuccess = R"({"status":"success","data":)";

// An answer's data, JSON already, and what is to be said beside it.
struct ApiBody {
  std::string data{};
  std::vector<std::string> warnings{};
  std::vector<std::string> infos{};
  bool begun = false;  // `data` is large, and stands behind kApiSuccess already
};

HttpResponse ApiSuccess(ApiBody body);
// By its cause: kInvalid is 400 bad_data, kTimeout 503 timeout, kUnavailable 503 unavailable,
// kNotFound 404 not_found; anything else happened while executing: 422 execution.
HttpResponse ApiFailure(const Error& error);
// The daemon ends: 499 canceled, as when a client goes away.
HttpResponse ApiCanceled(const std::string& message);

inline HttpResponse ApiRespond(Result<ApiBody> body) {
  return body ? ApiSuccess(*std::move(body)) : ApiFailure(body.error());
}

}  // namespace fettle::rules
