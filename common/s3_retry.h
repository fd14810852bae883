// What an S3 answer means for the next try. Pure functions.
#pragma once

#include "common/clock.h"
#include "common/http.h"
#include "common/result.h"
#include "common/s3_xml.h"

namespace fettle::s3 {

enum class Verdict {
  kOk,
  kThrottle,     // too many requests: wait long
  kTransient,    // the server or the way broke: wait a little
  kCredentials,  // the keys may have been rotated: read them again, once
  kClock,        // our clock is wrong: measure, sign with theirs, once
  kRegion,       // the bucket lives elsewhere: ask there, once
  kConflict,     // somebody else is at it: up to three times
  kPermanent,    // the same request will fail again
};

// `error` is what the body (or, for HEAD, nothing) said.
Verdict Classify(const HttpResponse& response, const ErrorBody& error);
// Of an exchange that brought no response.
Verdict Classify(const Error& error);

// "AccessDenied (403): no such luck", as an Error with its cause.
Error ToError(const HttpResponse& response, const ErrorBody& error);

// Where the bucket says it is, or "" if it does not say; never what could not be a region's name.
std::string RegionOf(const HttpResponse& response, const ErrorBody& error);

// The n-th wait (from 1): full jitter, uniform in [0, base · 2ⁿ⁻¹) up to a cap. `unit` is in [0,
// 1). A server's Retry-After is the least.
Millis Backoff(Verdict verdict, int n, double unit, const HttpResponse& response);

}  // namespace fettle::s3
