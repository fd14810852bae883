// The working parts of bench/peers/prometheus.
//
//   promql_peer serve SET            fettle's query API over the data set, on a port the kernel
//                                    chooses; prints its URL, ends with its standard input
//   promql_peer feed SET URL         sends the data set by remote write; prints how long it took
//   promql_peer time CASES OURS PEER asks both the same queries in turn; a line of TSV a case:
//                                    name, ours ms, peer ms, bytes of ours, and whether the
//                                    answers agree
#include <fmt/format.h>
#include <malloc.h>
#include <snappy.h>

#include <algorithm>
#include <bit>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bench/blocking_client.h"
#include "bench/promql_data.h"
#include "common/http_server.h"
#include "rules/query_api.h"
#include "rules/samples/samples.h"

namespace fettle::bench {
namespace {

using Steady = std::chrono::steady_clock;

double MillisSince(Steady::time_point begin) {
  return std::chrono::duration<double, std::milli>(Steady::now() - begin).count();
}

[[noreturn]] void Quit(const std::string& why) {
  fmt::print(stderr, "promql_peer: {}\n", why);
  std::exit(1);
}

int Serve(const std::string& set) {
  // As main.cc has it.
  mallopt(M_ARENA_MAX, 2);
  mallopt(M_MMAP_THRESHOLD, 32 * 1024 * 1024);
  mallopt(M_TRIM_THRESHOLD, 64 * 1024 * 1024);
  const SystemClock clock;
  Metrics metrics;
  LogWriter log(clock, StderrSink(), {.level = LogLevel::kError});
  rules::SampleStore samples({.retention = std::chrono::hours(24 * 365 * 100)});
  DataSet data = MakeData(set);
  SampleBatch batch{.samples = {}, .origin = Origin::kRemoteWrite};
  for (const Labels& labels : data.series) batch.samples.push_back({labels, 0, {}});
  for (std::size_t i = 0; i < data.samples; ++i) {
    const std::vector<double>& values = data.values(i);
    for (std::size_t s = 0; s < values.size(); ++s) {
      batch.samples[s].value = values[s];
      batch.samples[s].at = TimeFromMillis(data.At(i));
    }
    if (Status status = samples.Append(batch); !status) Quit(status.error().message);
  }
  batch = {};
  data = {};
  const promql::Engine engine({.samples = samples, .clock = clock}, {});
  rules::QueryApi api({.engine = engine, .samples = samples, .clock = clock, .metrics = metrics},
                      {.parser = {.experimental_functions = true}});
  Router router;
  api.AddRoutes(router);
  auto server =
      HttpServer::Start({.clock = clock, .metrics = metrics, .log = Log(log, "web")},
                        {.listen_address = "127.0.0.1:0", .threads = 8}, {}, std::move(router));
  if (!server) Quit(server.error().message);
  fmt::print("{}\n", (*server)->url());
  std::fflush(stdout);
  while (std::getchar() != EOF) {
  }
  return 0;
}

// Protocol buffers of remote write 1.0 by hand.
void AppendVarint(std::uint64_t value, std::string& out) {
  for (; value >= 0x80; value >>= 7) out += static_cast<char>((value & 0x7f) | 0x80);
  out += static_cast<char>(value);
}

void AppendBytes(int field, std::string_view bytes, std::string& out) {
  AppendVarint(static_cast<std::uint64_t>(field) << 3 | 2, out);
  AppendVarint(bytes.size(), out);
  out += bytes;
}

std::string EncodeLabels(const Labels& labels) {
  std::string out;
  for (const auto& [name, value] : labels) {
    std::string label;
    AppendBytes(1, name, label);
    AppendBytes(2, value, label);
    AppendBytes(1, label, out);
  }
  return out;
}

void AppendSample(double value, std::int64_t at, std::string& out) {
  std::string sample = "\x09";
  const auto bits = std::bit_cast<std::uint64_t>(value);
  for (int i = 0; i < 8; ++i) sample += static_cast<char>(bits >> (8 * i));
  sample += '\x10';
  AppendVarint(static_cast<std::uint64_t>(at), sample);
  AppendBytes(2, sample, out);
}

// One sample of each series a request, as a Prometheus that scrapes them would send.
int Feed(const std::string& set, const std::string& url) {
  const DataSet data = MakeData(set);
  std::vector<std::string> labels;
  for (const Labels& series : data.series) labels.push_back(EncodeLabels(series));
  BlockingClient client(url);
  double took = 0;
  for (std::size_t i = 0; i < data.samples; ++i) {
    const std::vector<double>& values = data.values(i);
    std::string request;
    for (std::size_t s = 0; s < values.size(); ++s) {
      std::string series = labels[s];
      AppendSample(values[s], data.At(i), series);
      AppendBytes(1, series, request);
    }
    std::string packed;
    snappy::Compress(request.data(), request.size(), &packed);
    client.Prepare();
    const auto begin = Steady::now();
    const BlockingClient::Answer answer =
        client.Post("/api/v1/write", packed,
                    "Content-Type: application/x-protobuf\r\nContent-Encoding: snappy\r\n"
                    "X-Prometheus-Remote-Write-Version: 0.1.0\r\n");
    took += MillisSince(begin);
    if (answer.status / 100 != 2) Quit(fmt::format("{}: {}", answer.status, answer.body));
  }
  const auto samples = static_cast<double>(data.samples * data.series.size());
  fmt::print("{:.0f}\t{:.3f}\n", samples, took / 1000);
  return 0;
}

struct Case {
  std::string name;
  std::string target;
  std::string form;
  int status = 200;
};

// set TAB steps TAB query; a line without tabs or with # is none. One step is an instant query.
// No steps: the query three hundred times over and, at its end, a mistake, so that nothing but
// parsing is measured.
std::vector<Case> ReadCases(const std::string& path) {
  std::ifstream file(path);
  if (!file) Quit("cannot read " + path);
  std::vector<Case> cases;
  std::string line;
  while (std::getline(file, line)) {
    const std::size_t first = line.find('\t');
    const std::size_t second = line.find('\t', first + 1);
    if (line.starts_with("#") || second == std::string::npos) continue;
    const bool shop = line.starts_with("shop");
    const long steps = std::strtol(line.c_str() + first + 1, nullptr, 10);
    const std::string query = line.substr(second + 1);
    const std::int64_t interval = shop ? 15 : 10;
    const std::int64_t end = DataSet::kStart / 1000 + (shop ? 719 : 9'639) * interval;
    Case one{.name = fmt::format("{} [{}]", query, steps), .target = {}, .form = {}};
    if (steps == 0) {
      std::string text;
      for (int i = 0; i < 300; ++i) text += query + " or ";
      one.name = "parser: " + query;
      one.target = "/api/v1/query";
      one.form = fmt::format("query={})&time={}", PercentEncode(text), end);
      one.status = 400;
    } else if (steps == 1) {
      one.target = "/api/v1/query";
      one.form = fmt::format("query={}&time={}", PercentEncode(query), end);
    } else {
      one.target = "/api/v1/query_range";
      one.form = fmt::format("query={}&start={}&end={}&step={}", PercentEncode(query),
                             end - (steps - 1) * interval, end, interval);
    }
    cases.push_back(std::move(one));
  }
  return cases;
}

// The series of an answer, sorted, since an instant answer has no order.
std::vector<std::string_view> SeriesOf(std::string_view body) {
  constexpr std::string_view kBegin = "{\"metric\":";
  body = body.substr(0, body.rfind(']') + 1);
  std::vector<std::string_view> out;
  for (std::size_t at = body.find(kBegin); at != std::string_view::npos;) {
    const std::size_t next = body.find(kBegin, at + 1);
    std::string_view series = body.substr(at, next - at);
    while (!series.empty() && series.back() != '}') series.remove_suffix(1);
    out.push_back(series);
    at = next;
  }
  std::sort(out.begin(), out.end());
  return out;
}

std::string_view Agreement(const std::string& ours, const std::string& peer) {
  if (ours == peer || ours.starts_with(R"({"status":"error")")) return "same";
  const std::vector<std::string_view> left = SeriesOf(ours);
  const std::vector<std::string_view> right = SeriesOf(peer);
  if (left == right) return "same";
  // A last digit may differ, where a library computes logarithms or sums in another order.
  return left.size() == right.size() && !left.empty() ? "nearly" : "DIFFERENT";
}

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

int Time(const std::string& path, const std::string& ours_url, const std::string& peer_url) {
  constexpr double kEnoughMillis = 400;  // of the slower side
  constexpr std::size_t kTimesMin = 3;
  constexpr std::size_t kTimesMax = 200;
  BlockingClient ours(ours_url);
  BlockingClient peer(peer_url);
  for (const Case& one : ReadCases(path)) {
    const auto ask = [&](BlockingClient& client, std::string& body) {
      client.Prepare();
      const auto begin = Steady::now();
      BlockingClient::Answer answer =
          client.Post(one.target, one.form, "Content-Type: application/x-www-form-urlencoded\r\n");
      const double took = MillisSince(begin);
      if (answer.status != one.status)
        Quit(fmt::format("{}: {} {}", one.name, answer.status, answer.body));
      body = std::move(answer.body);
      return took;
    };
    std::string left;
    std::string right;
    ask(ours, left);
    ask(peer, right);
    std::vector<double> ours_took;
    std::vector<double> peer_took;
    double spent = 0;
    while (ours_took.size() < kTimesMax &&
           (ours_took.size() < kTimesMin || spent < kEnoughMillis)) {
      ours_took.push_back(ask(ours, left));
      peer_took.push_back(ask(peer, right));
      spent += std::max(ours_took.back(), peer_took.back());
    }
    fmt::print("{}\t{:.4f}\t{:.4f}\t{}\t{}\n", one.name, Median(ours_took), Median(peer_took),
               left.size(), Agreement(left, right));
    std::fflush(stdout);
  }
  return 0;
}

}  // namespace
}  // namespace fettle::bench

int main(int argc, char** argv) {
  const std::vector<std::string> words(argv + 1, argv + argc);
  if (words.size() == 2 && words[0] == "serve") return fettle::bench::Serve(words[1]);
  if (words.size() == 3 && words[0] == "feed") return fettle::bench::Feed(words[1], words[2]);
  if (words.size() == 4 && words[0] == "time") {
    return fettle::bench::Time(words[1], words[2], words[3]);
  }
  fmt::print(stderr, "use: promql_peer serve SET | feed SET URL | time CASES OURS PEER\n");
  return 2;
}
