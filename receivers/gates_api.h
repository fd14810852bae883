// `/api/fettle/v1/gates`: asks, reserves and settles.
//
//   GET  /gates                             all, with what they would decide now and what is
//   reserved POST /gates/NAME                         {operation?, estimate_usd?, reserve?,
//   ttl_seconds?, idempotency_key?}
//                                            200 allowed or 403 denied, both with {decision,
//                                            reason, sentence, …}; 400, 404, 503 if the reservation
//                                            could not be stored
//   POST /gates/NAME/reservations/ID         {actual_usd}: 200; 400, 404, 409, 503
#pragma once

#include <string_view>

#include "common/brain.h"
#include "common/router.h"
#include "receivers/gates.h"

namespace fettle::receivers {

class GatesApi {
 public:
  static constexpr Millis kAnswerWithin{8'000};

  struct Deps {
    Brain& brain;
    Gates& gates;
    const Clock& clock;
  };
  explicit GatesApi(Deps deps) : deps_(deps) {}

  // The API must outlive the server.
  void AddRoutes(Router& router);

  HttpResponse List(const HttpRequest& request) const;
  HttpResponse Do(const HttpRequest& request);

 private:
  HttpResponse Ask(const GateSpec& gate, const HttpRequest& request);
  HttpResponse Settle(const std::string& gate, const std::string& id, const HttpRequest& request);

  const Deps deps_;
};

// Reads a question; kInvalid says what is wrong with it.
Result<GateRequest> ParseGateRequest(std::string_view body);

}  // namespace fettle::receivers
