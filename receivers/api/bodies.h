// What clients post to API v2, read as Alertmanager reads it: first JSON, then its model's rules,
// each with its own kind of answer. Pure functions over values.
// Source: Alertmanager's api/v2/openapi.yaml and measured answers.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/alert.h"
#include "common/http.h"
#include "receivers/silences.h"

namespace fettle::receivers {

// An answer that is none: {"code": …, "message": …} if there is a code, else a JSON string.
struct ApiError {
  int status = 400;
  int code = 0;
  std::string message;

  HttpResponse ToResponse() const;
};
template <typename T>
using ApiResult = tl::expected<T, ApiError>;

// application/json, or why not.
ApiResult<bool> CheckContentType(const HttpRequest& request);

// Times may be absent: Time{}. Labels without value are dropped.
ApiResult<std::vector<Alert>> ReadPostableAlerts(std::string_view body);
ApiResult<Silence> ReadPostableSilence(std::string_view body);

// One filter's text, or what is wrong with it in Alertmanager's words.
Result<Matcher> ReadFilterMatcher(const std::string& text, MatcherSyntax syntax);
// A message about an expression that shows it as Alertmanager anchors it: ^(?:…)$.
std::string AnchoredAsAlertmanagers(std::string message);

// 8-4-4-4-12 hexadecimal digits.
bool IsUuid(std::string_view text);

}  // namespace fettle::receivers
