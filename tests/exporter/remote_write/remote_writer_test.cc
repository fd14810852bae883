// What is sent by remote write, and what becomes of it when the other side is away. The other side
// reads with an eye of its own: a few fields of protocol buffers, by hand.
#include "exporter/remote_write/remote_writer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <snappy.h>

#include <cstring>
#include <protozero/pbf_reader.hpp>

#include "tests/support/fake_transport.h"
#include "tests/support/manual_clock.h"
#include "tests/support/recorded_log.h"
#include "tests/support/temp_dir.h"
#include "tests/support/wait.h"

namespace fettle::exporter {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

std::string ReadLabelsOf(protozero::pbf_reader& series) {
  protozero::pbf_reader label = series.get_message();
  std::string text;
  while (label.next()) {
    text += label.tag() == 1 ? "" : "=";
    text += label.get_string();
  }
  return text + " ";
}

// "name=value … sample@time" of every series; "# name help" of metadata.
std::vector<std::string> ReadMessage(const std::string& body) {
  std::string message;
  EXPECT_TRUE(snappy::Uncompress(body.data(), body.size(), &message));
  std::vector<std::string> lines;
  protozero::pbf_reader request(message);
  while (request.next()) {
    const bool metadata = request.tag() == 3;
    protozero::pbf_reader one = request.get_message();
    std::string line = metadata ? "#" : "";
    while (one.next()) {
      if (metadata) {
        line += one.tag() == 1 ? " " + std::to_string(one.get_enum()) : " " + one.get_string();
      } else if (one.tag() == 1) {
        line += ReadLabelsOf(one);
      } else {
        const bool exemplar = one.tag() == 3;
        protozero::pbf_reader point = one.get_message();
        if (exemplar) line += "exemplar ";
        while (point.next()) {
          if (exemplar && point.tag() == 1) {
            line += ReadLabelsOf(point);
          } else if (point.tag() == (exemplar ? 2U : 1U)) {
            const double value = point.get_double();
            line += IsStaleNaN(value) ? "stale" : fmt::format("{}", value);
          } else {
            line += fmt::format("@{}", point.get_int64());
          }
        }
      }
    }
    lines.push_back(line);
  }
  return lines;
}

class RemoteWriterTest : public testing::Test {
 protected:
  RemoteWriterTest() { Answer(204); }
  void Open(const std::string& keys = "") {
    yaml::Complaints complaints;
    const auto node = yaml::Load(
        "remote_write: [{url: 'http://far/write', name: far, " + keys + "}]", "f", complaints);
    std::vector<RemoteWriteConfig> configs;
    {
      yaml::Mapping mapping(*node, "exporter", complaints);
      configs = ReadRemoteWriteConfigs(mapping, "");
    }
    ASSERT_EQ(complaints.ToString(), "");
    writer_.reset();
    auto writer = RemoteWriter::Open(
        {.transport = network_, .clock = clock_, .metrics = metrics_, .log = log_.For("far")},
        configs.front(),
        {.directory = dir_ / "far",
         .external_labels = {{"site", "x"}},
         .user_agent = "fettle/test",
         .threads = false});
    ASSERT_TRUE(writer.has_value());
    writer_ = *std::move(writer);
  }
  void Answer(int status, const std::string& retry_after = "") {
    network_.AnswerWith([=](const HttpRequest&) -> Result<HttpResponse> {
      HttpResponse response{status, {}, "why\nmore"};
      if (!retry_after.empty()) response.headers.Set("Retry-After", retry_after);
      return response;
    });
  }
  void Take(std::vector<Sample> samples, std::vector<SampleExemplar> exemplars = {}) {
    auto batch = std::make_shared<RemoteWriter::Batch>();
    batch->samples = std::move(samples);
    batch->exemplars = std::move(exemplars);
    writer_->Take(std::move(batch));
    writer_->WriteForTest();
  }
  std::vector<std::string> Heard() {
    std::vector<std::string> lines;
    for (std::size_t i = heard_; i < network_.Sent().size(); ++i) {
      for (std::string& line : ReadMessage(network_.Sent()[i].body)) lines.push_back(line);
    }
    heard_ = network_.Sent().size();
    return lines;
  }
  double Dropped(const std::string& reason) {
    return metrics_
        .Counter("prometheus_remote_storage_samples_dropped_total", "",
                 {{"remote_name", "far"}, {"url", "http://far/write"}, {"reason", reason}})
        .Value();
  }

  ManualClock clock_;
  FakeTransport network_;
  Metrics metrics_;
  RecordedLog log_;
  TempDir dir_;
  std::unique_ptr<RemoteWriter> writer_;
  std::size_t heard_ = 0;
};

Sample At(const std::string& name, double value, std::int64_t ms = 1'000) {
  return {{{"__name__", name}}, value, TimeFromMillis(ms)};
}

TEST_F(RemoteWriterTest, SendsSamplesMarkersAndExternalLabels) {
  Open("headers: {X-Scope-OrgID: me}, basic_auth: {username: u, password: p}");
  Take({At("a", 1.5), {{{"__name__", "b"}, {"site", "own"}}, StaleNaN(), TimeFromMillis(5)}});
  EXPECT_TRUE(writer_->SendForTest());
  EXPECT_THAT(Heard(), ElementsAre("__name__=a site=x 1.5@1000", "__name__=b site=own stale@5"));
  const HttpRequest request = network_.Sent().front();
  EXPECT_EQ(request.headers.Get("X-Prometheus-Remote-Write-Version"), "0.1.0");
  EXPECT_EQ(request.headers.Get("Content-Encoding"), "snappy");
  EXPECT_EQ(request.headers.Get("X-Scope-OrgID"), "me");
  EXPECT_EQ(request.headers.Get("Authorization"), "Basic dTpw");
  EXPECT_FALSE(writer_->SendForTest());
}

TEST_F(RemoteWriterTest, RelabellingComesAfterExternalLabels) {
  Open(
      "write_relabel_configs: [{source_labels: [__name__], regex: 'b', action: drop}, "
      "{source_labels: [site], target_label: place}, {regex: site, action: labeldrop}]");
  Take({At("a", 1), At("b", 2)});
  writer_->SendForTest();
  EXPECT_THAT(Heard(), ElementsAre("__name__=a place=x 1@1000"));
  EXPECT_EQ(Dropped("dropped_series"), 1);
}

TEST_F(RemoteWriterTest, ExemplarsGoIfAskedFor) {
  const SampleExemplar exemplar{{{"__name__", "a"}}, {{"trace", "t"}}, 0.5, TimeFromMillis(7)};
  Open("send_exemplars: true");
  Take({At("a", 1)}, {exemplar});
  writer_->SendForTest();
  EXPECT_THAT(Heard(),
              ElementsAre("__name__=a site=x 1@1000", "__name__=a site=x exemplar trace=t 0.5@7"));
}

TEST_F(RemoteWriterTest, WhatWaitsSurvivesTheProcess) {
  Open();
  Take({At("a", 1)});
  Take({At("a", 2, 2'000)});
  Open();
  writer_->SendForTest();
  EXPECT_THAT(Heard(), ElementsAre("__name__=a site=x 1@1000", "__name__=a site=x 2@2000"));
  Open();
  EXPECT_FALSE(writer_->SendForTest()) << "what was sent is not sent again";
}

TEST_F(RemoteWriterTest, WhatWasTakenLastIsOnDiskAtTheEnd) {
  Open();
  auto batch = std::make_shared<RemoteWriter::Batch>();
  batch->samples = {At("a", 1)};
  writer_->Take(batch);
  Open();
  writer_->SendForTest();
  EXPECT_THAT(Heard(), ElementsAre("__name__=a site=x 1@1000"));
}

TEST_F(RemoteWriterTest, AFailureIsTriedAgainUntilItIsNone) {
  Open("queue_config: {min_backoff: 1ms, max_backoff: 2ms}");
  Take({At("a", 1)});
  int tries = 0;
  network_.AnswerWith([&](const HttpRequest&) -> Result<HttpResponse> {
    ++tries;
    if (tries == 1) return Fail(Cause::kUnavailable, "connection refused");
    return HttpResponse{tries < 4 ? 503 : 204};
  });
  EXPECT_TRUE(writer_->SendForTest());
  EXPECT_EQ(tries, 4);
  EXPECT_EQ(metrics_
                .Counter("prometheus_remote_storage_samples_retried_total", "",
                         {{"remote_name", "far"}, {"url", "http://far/write"}})
                .Value(),
            3);
}

TEST_F(RemoteWriterTest, ARefusalIsNotTriedAgain) {
  Open();
  for (const int status : {400, 429}) {
    Answer(status);
    Take({At("a", 1)});
    EXPECT_TRUE(writer_->SendForTest());
  }
  EXPECT_EQ(network_.Sent().size(), 2U);
  EXPECT_FALSE(writer_->SendForTest());
}

TEST_F(RemoteWriterTest, ShardsKeepTheOrderOfEachSeries) {
  Open("queue_config: {max_samples_per_send: 10, max_shards: 4}");
  std::mutex mutex;
  std::map<std::string, std::vector<std::string>> by_series;
  network_.AnswerWith([&](const HttpRequest& request) -> Result<HttpResponse> {
    const std::lock_guard lock(mutex);
    for (const std::string& line : ReadMessage(request.body)) {
      const std::size_t blank = line.rfind(' ');
      by_series[line.substr(0, blank)].push_back(line.substr(line.find('@') + 1));
    }
    return HttpResponse{204};
  });
  for (int turn = 1; turn <= 20; ++turn) {
    std::vector<Sample> samples;
    for (int series = 0; series < 7; ++series) {
      samples.push_back(At("s" + std::to_string(series), turn, 1'000 + turn));
    }
    Take(std::move(samples));
  }
  while (writer_->SendForTest()) {
  }
  ASSERT_EQ(by_series.size(), 7U);
  for (const auto& [series, times] : by_series) {
    EXPECT_EQ(times.size(), 20U) << series;
    EXPECT_TRUE(std::is_sorted(times.begin(), times.end())) << series;
  }
}

TEST_F(RemoteWriterTest, OldSamplesAreLeftOutIfAskedFor) {
  Open("queue_config: {sample_age_limit: 1m}");
  const std::int64_t now = ToMillis(clock_.Now().wall);
  Take({At("old", 1, now - 61'000), At("new", 1, now)});
  writer_->SendForTest();
  EXPECT_THAT(Heard(), testing::SizeIs(1));
  EXPECT_EQ(Dropped("too_old"), 1);
}

TEST_F(RemoteWriterTest, ItsThreadsDoItAll) {
  yaml::Complaints complaints;
  RemoteWriteConfig config{.url = "http://far/write", .name = "far"};
  config.deadline = Millis(1);
  SystemClock clock;
  {
    auto writer = RemoteWriter::Open(
        {.transport = network_,
         .clock = clock,
         .metrics = metrics_,
         .log = log_.For("far"),
         .metadata =
             [] {
               return std::vector<MetricMetadata>{{"a", MetricType::kCounter, "Help."}};
             }},
        config, {.directory = dir_ / "threads"});
    ASSERT_TRUE(writer.has_value());
    auto batch = std::make_shared<RemoteWriter::Batch>();
    batch->samples = {At("a", 1)};
    (*writer)->Take(batch);
    EXPECT_TRUE(WaitUntil([&] { return network_.Sent().size() >= 2; }));
  }
  EXPECT_THAT(Heard(), UnorderedElementsAre("__name__=a 1@1000", "# 1 a Help. "));
}

}  // namespace
}  // namespace fettle::exporter
