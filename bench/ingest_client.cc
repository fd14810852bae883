// Sends samples by remote write 1.0, as a Prometheus with many targets does, and says how long the
// server took. What bench/peers/ingest runs.
//
//   ingest_client URL SERIES STEPS BATCH CONNECTIONS
//
// SERIES series x STEPS samples, 15 s apart, the last of them now; BATCH series a request, each
// connection its own series. Five labels of about 110 bytes a series, as node_exporter's have; a
// third counters, a third gauges with two decimals, a third that mostly stand still. Requests of a
// few steps are made ahead, so that what is measured is the server. Prints samples and seconds.
#include <fmt/format.h>
#include <snappy.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "bench/blocking_client.h"

namespace {

constexpr std::int64_t kInterval = 15'000;
constexpr int kStepsAhead = 12;
constexpr std::string_view kHeaders =
    "Content-Type: application/x-protobuf\r\n"
    "Content-Encoding: snappy\r\n"
    "X-Prometheus-Remote-Write-Version: 0.1.0\r\n";

void Varint(std::uint64_t value, std::string& out) {
  for (; value >= 0x80; value >>= 7) out += static_cast<char>((value & 0x7f) | 0x80);
  out += static_cast<char>(value);
}

void Field(char tag, std::string_view bytes, std::string& out) {
  out += tag;
  Varint(bytes.size(), out);
  out += bytes;
}

struct Series {
  std::string labels;  // encoded
  int kind = 0;
  double value = 0;
};

Series MakeSeries(int number) {
  Series series{.kind = number % 3};
  const auto label = [&](const std::string& name, const std::string& value) {
    std::string pair;
    Field('\x0a', name, pair);
    Field('\x12', value, pair);
    Field('\x0a', pair, series.labels);
  };
  label("__name__", fmt::format("node_network_metric_{}_total", number % 200));
  label("device", fmt::format("eth{}", number / 200 % 8));
  label("instance", fmt::format("host-{:05}.example.com:9100", number / 1600));
  label("job", "node-exporter");
  label("queue", fmt::format("{}-eu-central-1", number % 200));
  return series;
}

void Advance(Series& series, std::mt19937& random) {
  if (series.kind == 0) series.value += static_cast<double>(random() % 2'000);
  if (series.kind == 1) series.value = std::round(static_cast<double>(random() % 100'000)) / 100;
  if (series.kind == 2 && random() % 50 == 0) series.value = static_cast<double>(random() % 4);
}

// One connection's part of the work.
class Sender {
 public:
  Sender(const std::string& url, int first, int end, int batch, std::int64_t begin)
      : client_(url),
        batch_(static_cast<std::size_t>(batch)),
        begin_(begin),
        random_(static_cast<std::mt19937::result_type>(first)) {
    for (int i = first; i < end; ++i) series_.push_back(MakeSeries(i));
  }
  void Encode(int step) {
    const std::int64_t time = begin_ + step * kInterval;
    for (std::size_t i = 0; i < series_.size(); i += batch_) {
      std::string request;
      for (std::size_t j = i; j < std::min(i + batch_, series_.size()); ++j) {
        Advance(series_[j], random_);
        std::string sample("\x09");
        sample.resize(9);
        std::memcpy(sample.data() + 1, &series_[j].value, 8);
        sample += '\x10';
        Varint(static_cast<std::uint64_t>(time), sample);
        std::string whole = series_[j].labels;
        Field('\x12', sample, whole);
        Field('\x0a', whole, request);
      }
      std::string packed;
      snappy::Compress(request.data(), request.size(), &packed);
      requests_.push_back(std::move(packed));
    }
  }
  void Send() {
    for (const std::string& request : requests_) {
      client_.Prepare();
      const auto answer = client_.Post("/api/v1/write", request, kHeaders);
      if (answer.status / 100 == 2) continue;
      std::fprintf(stderr, "ingest_client: %d %s\n", answer.status, answer.body.c_str());
      std::exit(1);
    }
    requests_.clear();
  }

 private:
  fettle::bench::BlockingClient client_;
  const std::size_t batch_;
  const std::int64_t begin_;
  std::mt19937 random_;
  std::vector<Series> series_;
  std::vector<std::string> requests_;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 6) return 2;
  const int series = std::atoi(argv[2]);
  const int steps = std::atoi(argv[3]);
  const int connections = std::atoi(argv[5]);
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  const std::int64_t begin =
      std::chrono::duration_cast<std::chrono::milliseconds>(now).count() - (steps - 1) * kInterval;
  std::vector<std::unique_ptr<Sender>> senders;
  for (int i = 0; i < connections; ++i) {
    senders.push_back(std::make_unique<Sender>(argv[1], series * i / connections,
                                               series * (i + 1) / connections, std::atoi(argv[4]),
                                               begin));
  }
  double seconds = 0;
  for (int step = 0; step < steps;) {
    for (int ahead = 0; ahead < kStepsAhead && step < steps; ++ahead, ++step) {
      for (auto& sender : senders) sender->Encode(step);
    }
    const auto began = std::chrono::steady_clock::now();
    {
      std::vector<std::jthread> threads;
      for (auto& sender : senders) threads.emplace_back([&sender] { sender->Send(); });
    }
    seconds += std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
  }
  std::printf("%lld %.3f\n", static_cast<long long>(series) * steps, seconds);
  return 0;
}
