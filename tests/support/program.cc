#include "tests/support/program.h"

#include <gtest/gtest.h>

#include <utility>

#include "tests/support/wait.h"

namespace fettle {

using namespace std::chrono_literals;

Program::Program(Options options) : options_(std::move(options)) {
  dir_.Write("fettle.yml", options_.config);
}

void Program::Start() {
  port_ = port_ == 0 ? FreePort() : port_;
  Child::Options child;
  child.argv = {FETTLE_PROGRAM, "serve", "--config.file=" + (dir_ / "fettle.yml"),
                "--storage.path=" + storage(),
                "--web.listen-address=127.0.0.1:" + std::to_string(port_)};
  child.argv.insert(child.argv.end(), options_.arguments.begin(), options_.arguments.end());
  child.environment = options_.environment;
  child.log_file = dir_ / "log";
  child_ = Child::Start(child);
  const bool ready = WaitUntil([&] { return !Running() || Get("/-/ready").status == 200; }, 60s);
  ASSERT_TRUE(ready && Running()) << Log();
}

void Program::Kill() {
  child_->Signal(SIGKILL);
  child_->Wait(20s);
}

int Program::Stop() {
  child_->Signal(SIGTERM);
  return child_->Wait(20s).value_or(-1);
}

HttpResponse Program::Get(const std::string& path) { return Send({.url = path}); }

HttpResponse Program::Post(const std::string& path, const std::string& body) {
  HttpRequest request{.method = "POST", .url = path, .body = body};
  request.headers.Set("Content-Type", "application/json");
  return Send(std::move(request));
}

HttpResponse Program::Send(HttpRequest request) {
  request.url = url() + request.url;
  if (!options_.token.empty() && !request.headers.Has("Authorization")) {
    request.headers.Set("Authorization", "Bearer " + options_.token);
  }
  HttpOptions how{.timeout = 20s};
  how.tls.insecure_skip_verify = options_.tls;
  Result<HttpResponse> response = client_.Send(request, how);
  return response ? *std::move(response) : HttpResponse{0, {}, response.error().message};
}

double Program::Metric(const std::string& series) {
  const std::string page = "\n" + Get("/metrics").body;
  const std::size_t at = page.find("\n" + series + " ");
  if (at == std::string::npos) return -1;
  return std::strtod(page.c_str() + at + series.size() + 2, nullptr);
}

double Program::Query(const std::string& expression) {
  const Result<Json> answer =
      Json::Parse(Get("/api/v1/query?query=" + PercentEncode(expression)).body);
  if (!answer) return -1;
  const std::vector<Json> elements = (*answer)["data"]["result"].Items();
  if (elements.empty()) return -1;
  return std::strtod(elements[0]["value"].Items().at(1).StringOr("-1").c_str(), nullptr);
}

std::vector<Json> Program::Incidents() {
  const Result<Json> answer = Json::Parse(Get("/api/fettle/v1/incidents").body);
  if (!answer) return {};
  return (*answer)["incidents"].Items();
}

Ran RunFettle(const std::vector<std::string>& arguments,
              const std::map<std::string, std::string>& environment) {
  const TempDir dir;
  Child::Options child;
  child.argv = {FETTLE_PROGRAM};
  child.argv.insert(child.argv.end(), arguments.begin(), arguments.end());
  child.environment = environment;
  child.log_file = dir / "output";
  const int code = Child::Run(child);
  return {code, dir.Read("output")};
}

}  // namespace fettle
