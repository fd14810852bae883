// Posts a JSON document to where people are told, and sorts the answers as Alertmanager does: 2xx
// is told, 5xx and a broken way are tried again, anything else is not.
#pragma once

#include <stop_token>
#include <string>
#include <string_view>

#include "common/clock.h"
#include "common/http.h"
#include "common/http_config.h"
#include "receivers/notifier.h"

namespace fettle::receivers {

// What every notifier that speaks HTTP is given.
struct PostDeps {
  HttpTransport& http;
  // "Alertmanager/0.33.1 fettle/0.1.0": what receives messages sees the Alertmanager it knows.
  std::string user_agent;
};

class Poster {
 public:
  Poster(PostDeps deps, HttpConfig config) : deps_(std::move(deps)), config_(std::move(config)) {}

  struct Message {
    std::string url;
    std::string body;
    Headers headers = {};  // besides the usual ones
    std::string method = "POST";
    std::string content_type = "application/json";  // "" with no body
  };
  struct Answer {
    Outcome outcome;  // by the status alone
    HttpResponse response;
  };
  // `timeout` is what is left of the flush; `limit` the receiver's own, zero if none. Errors name
  // the URL's scheme and host only.
  Answer Post(Message message, Millis timeout, Millis limit, const std::stop_token& stop) const;

 private:
  PostDeps deps_;
  HttpConfig config_;
};

// The first runes of a text, with … as the last if it was longer.
std::string TruncateRunes(std::string_view text, std::size_t runes_max);

// "unexpected status code 500: body's beginning", and whether another try may help.
Outcome ByStatus(const HttpResponse& response);

}  // namespace fettle::receivers
