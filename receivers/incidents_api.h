// `/api/fettle/v1/incidents` and `/targets`: what is being repaired and why or why not, and what a
// person may do about it.
//
//   GET  /incidents            open ones first, then closed ones, the newest first
//   GET  /incidents/ID         one, with its timeline and attempts
//   POST /incidents/ID/approve | hold | retry     200 once stored; 404 no such open
//                              incident; 409 it does not fit its state
//   GET  /approve?incident=&token=   of a link in a message: a page with a button, which
//   POST /approve?incident=&token=   approves; 403 for a link that is wrong, over or used
//   GET  /targets              what may be repaired, and what it is now
#pragma once

#include <string>

#include "common/brain.h"
#include "common/http_server.h"
#include "receivers/mender.h"

namespace fettle::receivers {

class IncidentsApi {
 public:
  static constexpr Millis kAnswerWithin{8'000};

  struct Deps {
    Brain& brain;
    Mender& mender;
    Store* store = nullptr;                // where evidence is; nullptr: none is shown
    const Approvals* approvals = nullptr;  // nullptr: links are not taken
    const Clock* clock = nullptr;          // for links that expire
  };
  explicit IncidentsApi(Deps deps) : deps_(deps) {}

  // The API must outlive the server.
  void AddRoutes(Router& router);

  HttpResponse List(const HttpRequest& request) const;
  HttpResponse One(const HttpRequest& request) const;
  HttpResponse Do(const HttpRequest& request);
  HttpResponse ShowApproval(const HttpRequest& request) const;
  HttpResponse Approve(const HttpRequest& request);
  HttpResponse Targets(const HttpRequest& request) const;

 private:
  const Deps deps_;
};

}  // namespace fettle::receivers
