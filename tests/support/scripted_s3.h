// An S3 client over a transport that answers by a script, with a clock that its waits move.
#pragma once

#include <deque>
#include <string>
#include <utility>
#include <vector>

#include "common/s3.h"
#include "tests/support/fake_transport.h"
#include "tests/support/manual_clock.h"
#include "tests/support/recorded_log.h"
#include "tests/support/seeded_random.h"

namespace fettle {

inline HttpResponse S3Answer(int status, std::string body = "", Headers headers = {}) {
  return HttpResponse{status, std::move(headers), std::move(body)};
}
inline HttpResponse S3Refusal(int status, const std::string& code, const std::string& more = "",
                              Headers headers = {}) {
  return S3Answer(status,
                  "<?xml version=\"1.0\"?><Error><Code>" + code +
                      "</Code><Message>told so</Message>" + more + "</Error>",
                  std::move(headers));
}

class ScriptedS3 {
 public:
  explicit ScriptedS3(S3Connection connection = DefaultConnection(), S3::Options options = {})
      : s3_({.transport = transport,
             .clock = clock,
             .random = random,
             .metrics = metrics,
             .log = log.For("s3"),
             .stop = stop.get_token(),
             .wait =
                 [this](Millis duration) {
                   waits.push_back(duration);
                   clock.Pass(duration);
                   return !stop.stop_requested();
                 },
             .getenv = [](const std::string&) { return std::nullopt; }},
            "main", std::move(connection), options) {
    transport.AnswerWith([this](const HttpRequest&) -> Result<HttpResponse> {
      if (script.empty()) return Fail("the script is over");
      auto next = std::move(script.front());
      script.pop_front();
      return next;
    });
  }

  static S3Connection DefaultConnection() {
    S3Connection connection;
    connection.endpoint = "http://minio:9000";
    connection.access_key_id = Secret::FromText("AKID");
    connection.secret_access_key = Secret::FromText("SECRET");
    return connection;
  }

  S3* operator->() { return &s3_; }
  ScriptedS3& Then(Result<HttpResponse> answer) {
    script.push_back(std::move(answer));
    return *this;
  }
  std::string UrlOf(std::size_t request) const { return transport.Sent().at(request).url; }
  std::size_t Requests() const { return transport.Sent().size(); }
  double Count(const std::string& name, const Labels& labels) {
    return metrics.Counter(name, "", labels).Value();
  }

  FakeTransport transport;
  ManualClock clock;
  SeededRandom random;
  Metrics metrics;
  RecordedLog log;
  std::stop_source stop;
  std::vector<Millis> waits;
  std::deque<Result<HttpResponse>> script;

 private:
  S3 s3_;
};

}  // namespace fettle
