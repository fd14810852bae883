#include "tests/support/drop_in.h"

#include <gtest/gtest.h>
#include <re2/re2.h>

#include <filesystem>
#include <utility>

#include "common/http_client.h"
#include "tests/support/peer.h"
#include "tests/support/wait.h"

namespace fettle {

using namespace std::chrono_literals;

DropIn::DropIn(Kind kind, const std::string& config, std::vector<std::string> arguments)
    : kind_(kind), arguments_(std::move(arguments)) {
  dir_.Write("alertmanager.yml", config);
  Start();
}

bool DropIn::IsNewAlertmanager() {
  const TempDir dir;
  Child::Run({.argv = {AlertmanagerProgram(), "--version"}, .log_file = dir / "version"});
  return dir.Read("version").find("version 0.33.") != std::string::npos;
}

void DropIn::Start() {
  Child::Options child;
  child.argv = {kind_ == Kind::kFettle ? FETTLE_PROGRAM : AlertmanagerProgram()};
  if (kind_ == Kind::kFettle) child.argv.emplace_back("alertmanager");
  for (const std::string& argument : std::vector<std::string>{
           "--config.file", dir_ / "alertmanager.yml", "--log.level", "debug",
           "--web.listen-address", "127.0.0.1:0", "--storage.path", dir_ / "data",
           "--cluster.listen-address", "127.0.0.1:0", "--cluster.settle-timeout", "0s"}) {
    child.argv.push_back(argument);
  }
  child.argv.insert(child.argv.end(), arguments_.begin(), arguments_.end());
  child.log_file = dir_ / "log";
  std::filesystem::remove(child.log_file);
  child_ = Child::Start(child);
  address_.clear();
  // As the harness of Alertmanager's own acceptance tests finds it.
  const bool up = WaitUntil(
      [&] {
        return !child_->Running() ||
               RE2::PartialMatch(Log(), R"(Listening on.* address=(127\.0\.0\.1:\d+))", &address_);
      },
      20s);
  ASSERT_TRUE(up && !address_.empty()) << Log();
}

void DropIn::Kill() {
  child_->Signal(SIGKILL);
  child_->Wait(20s);
}

int DropIn::Stop() {
  child_->Signal(SIGTERM);
  return child_->Wait(20s).value_or(-1);
}

void DropIn::Reload(const std::string& config) {
  dir_.Write("alertmanager.yml", config);
  child_->Signal(SIGHUP);
}

HttpResponse DropIn::Send(HttpRequest request) const {
  HttpClient client;
  request.url = url() + request.url;
  Result<HttpResponse> response = client.Send(request, {.timeout = 20s});
  return response ? *std::move(response) : HttpResponse{0, {}, response.error().message};
}

HttpResponse DropIn::Post(const std::string& path, const std::string& body) const {
  HttpRequest request{.method = "POST", .url = path, .body = body};
  request.headers.Set("Content-Type", "application/json");
  return Send(std::move(request));
}

Json DropIn::GetJson(const std::string& path) const {
  const HttpResponse response = Get(path);
  const Result<Json> json = Json::Parse(response.body);
  EXPECT_TRUE(json) << path << ": " << response.status << " " << response.body;
  return json ? *json : Json();
}

std::string DropIn::Amtool(const std::string& program, std::vector<std::string> arguments) const {
  const TempDir dir;
  Child::Options child;
  child.argv = {program, "--alertmanager.url=" + url()};
  child.argv.insert(child.argv.end(), arguments.begin(), arguments.end());
  child.log_file = dir / "output";
  const int code = Child::Run(child);
  std::string output = dir.Read("output");
  RE2::GlobalReplace(&output, R"([0-9a-f]{8}-[0-9a-f-]{27}|\b[0-9A-HJKMNP-TV-Z]{26}\b)", "ID");
  RE2::GlobalReplace(&output, R"(\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(\.\d+)?( UTC|Z)?)", "TIME");
  RE2::GlobalReplace(&output, R"(127\.0\.0\.1:\d+)", "ADDRESS");
  RE2::GlobalReplace(&output, "settling", "ready");
  return output + "exit " + std::to_string(code) + "\n";
}

}  // namespace fettle
