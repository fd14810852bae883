// Requests in one line.
#pragma once

#include <string>
#include <utility>

#include "common/http.h"

namespace fettle {

inline HttpRequest Get(std::string url) {
  HttpRequest request;
  request.url = std::move(url);
  return request;
}

inline HttpRequest Post(std::string url, std::string body) {
  HttpRequest request;
  request.method = "POST";
  request.url = std::move(url);
  request.body = std::move(body);
  return request;
}

}  // namespace fettle
