#include "tests/support/post_box.h"

#include <utility>

#include "common/check.h"

namespace fettle {

PostBox::PostBox() {
  Router router;
  for (const char* path : {"/team", "/slack", "/oncall"}) {
    router.Add("POST", path, Role::kPublic, [this](const HttpRequest& request) {
      const std::lock_guard lock(mutex_);
      posts_.emplace_back(request.Path(), request.body);
      // Slack wants this body; a webhook does not mind.
      return TextResponse(200, "ok");
    });
  }
  auto server =
      HttpServer::Start({.clock = clock_, .metrics = metrics_, .log = log_.For("post box")},
                        {.listen_address = "127.0.0.1:0", .threads = 8}, {}, std::move(router));
  FETTLE_CHECK(server.has_value());
  server_ = *std::move(server);
}

std::vector<std::string> PostBox::At(const std::string& path) const {
  const std::lock_guard lock(mutex_);
  std::vector<std::string> bodies;
  for (const auto& [where, body] : posts_) {
    if (where == path) bodies.push_back(body);
  }
  return bodies;
}

}  // namespace fettle
