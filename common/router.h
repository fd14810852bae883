// The routes of one server, listed by hand where the program is built. A value; read from any
// thread once it is filled.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/http.h"

namespace fettle {

// Longest path wins; a path ending in "/" is a prefix, but "/" itself is only "/". A known path
// with another method is 405. HEAD is served by GET's handler.
class Router {
 public:
  struct Route {
    std::string method;
    std::string path;
    Role role = Role::kRead;
    HttpHandler handler;
  };
  void Add(std::string method, std::string path, Role role, HttpHandler handler);

  // `path` is decoded. nullptr if there is none.
  const Route* Find(std::string_view method, std::string_view path) const;
  // Sorted; empty if the path is not known at all.
  std::vector<std::string> MethodsAt(std::string_view path) const;
  const std::vector<Route>& routes() const { return routes_; }

 private:
  std::vector<Route> routes_;
};

}  // namespace fettle
