// Reads a request's parameters the way Prometheus' API does, from the URL and from a form body.
// Complaints are `invalid parameter "start": cannot parse "x" to a valid timestamp`, kInvalid.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/clock.h"
#include "common/http.h"
#include "common/matcher.h"
#include "common/result.h"

namespace fettle::rules {

class QueryParams {
 public:
  explicit QueryParams(const HttpRequest& request);

  // The first value, of the body before the URL; "" if absent.
  std::string Get(std::string_view name) const;
  std::vector<std::string> GetAll(std::string_view name) const;

  // Seconds with a fraction, or RFC 3339.
  Result<Time> GetTime(std::string_view name) const;
  // The same, where it may be absent; the complaint is worded otherwise, as upstream's.
  Result<Time> GetTimeOr(std::string_view name, Time fallback) const;
  // Seconds with a fraction, or 1h30m. nullopt if absent. The bare complaint is without the
  // parameter's name.
  Result<std::optional<Millis>> GetDuration(std::string_view name) const;
  Result<std::optional<Millis>> GetBareDuration(std::string_view name) const;
  // 0 if absent: no limit.
  Result<std::size_t> GetLimit() const;
  // As strconv.Atoi reads it; nullopt if absent.
  Result<std::optional<std::int64_t>> GetInteger(std::string_view name) const;
  // Every match[] parameter, read as a selector. The complaint is without the parameter's name.
  Result<std::vector<Matchers>> GetSelectors() const;

 private:
  const HttpRequest& request_;
  HttpRequest form_;  // its URL holds the body
};

// The complaint about a parameter.
tl::unexpected<Error> InvalidParameter(std::string_view name, const Error& error);
// U__a_2e_b is a.b; other names are themselves.
std::string UnescapeLabelName(std::string_view name);

}  // namespace fettle::rules
