// Stops the process on a broken promise of our own; what the world breaks is handled and counted.
// Stays on in production: a sidecar that restarts is safer than one that repairs by mistake.
#pragma once

#include <source_location>

namespace fettle {

[[noreturn]] void CheckFailed(const char* condition, const std::source_location& where);

}  // namespace fettle

#define FETTLE_CHECK(condition) \
  ((condition) ? void() : ::fettle::CheckFailed(#condition, std::source_location::current()))
