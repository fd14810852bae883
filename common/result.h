// The one way failure travels: a value that is either what was asked for or an Error.
//
// Messages are written for the person who is paged: lower case, no full stop, outermost intention
// first ("reading receivers.webhook: open /run/secrets/token: permission denied").
// Values; free to use from any thread.
#pragma once

#include <fmt/format.h>

#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <utility>

namespace fettle {

// What the caller can do about it. Ask for kFailed's details in the message, never by parsing it.
enum class Cause {
  kFailed,       // none of the below
  kInvalid,      // the input is wrong; the same input will fail again
  kNotFound,     // the thing named does not exist
  kConflict,     // somebody else changed it first: read again, then decide
  kDenied,       // credentials or permissions
  kTimeout,      // the deadline passed; whether it happened is unknown
  kUnavailable,  // the other side cannot be reached or is overloaded: waiting may help
  kLimit,        // one of our named limits was reached
};

struct Error {
  std::string message;
  Cause cause = Cause::kFailed;

  // True if doing nothing but waiting may help.
  bool retryable() const { return cause == Cause::kUnavailable || cause == Cause::kTimeout; }
};

template <typename T>
class [[nodiscard]] Result : public tl::expected<T, Error> {
 public:
  using Base = tl::expected<T, Error>;
  using Base::Base;
};

using Status = Result<void>;

// return Fail("open {}: {}", path, reason);
template <typename... Args>
tl::unexpected<Error> Fail(fmt::format_string<Args...> format, Args&&... args) {
  return tl::unexpected<Error>(Error{fmt::format(format, std::forward<Args>(args)...)});
}

// return Fail(Cause::kNotFound, "no container named {}", name);
template <typename... Args>
tl::unexpected<Error> Fail(Cause cause, fmt::format_string<Args...> format, Args&&... args) {
  return tl::unexpected<Error>(Error{fmt::format(format, std::forward<Args>(args)...), cause});
}

// Puts the intention before the reason and keeps the cause:
// return While("reading --web.config.file", result.error());
inline tl::unexpected<Error> While(std::string_view intention, const Error& error) {
  return tl::unexpected<Error>(Error{fmt::format("{}: {}", intention, error.message), error.cause});
}

}  // namespace fettle
