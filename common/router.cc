#include "common/router.h"

#include <algorithm>
#include <utility>

namespace fettle {
namespace {

bool Matches(std::string_view pattern, std::string_view path) {
  const bool prefix = pattern.size() > 1 && pattern.back() == '/';
  return prefix ? path.starts_with(pattern) : path == pattern;
}

}  // namespace

void Router::Add(std::string method, std::string path, Role role, HttpHandler handler) {
  routes_.push_back({std::move(method), std::move(path), role, std::move(handler)});
}

const Router::Route* Router::Find(std::string_view method, std::string_view path) const {
  if (method == "HEAD") method = "GET";
  const Route* best = nullptr;
  for (const Route& route : routes_) {
    if (route.method != method || !Matches(route.path, path)) continue;
    if (best == nullptr || route.path.size() > best->path.size()) best = &route;
  }
  return best;
}

std::vector<std::string> Router::MethodsAt(std::string_view path) const {
  std::vector<std::string> methods;
  for (const Route& route : routes_) {
    if (!Matches(route.path, path)) continue;
    methods.push_back(route.method);
    if (route.method == "GET") methods.emplace_back("HEAD");
  }
  std::sort(methods.begin(), methods.end());
  methods.erase(std::unique(methods.begin(), methods.end()), methods.end());
  return methods;
}

}  // namespace fettle
