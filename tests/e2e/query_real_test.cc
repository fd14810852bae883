// The running program asked for what it holds: by Grafana, by `fettle query` beside promtool, and
// by people who ask too much.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <fstream>
#include <mutex>
#include <sstream>
#include <thread>

#include "tests/support/demo_samples.h"
#include "tests/support/peer.h"
#include "tests/support/program.h"
#include "tests/support/remote_write.h"

namespace fettle {
namespace {

constexpr const char* kConfig = "exporter: {interval: 1s}\nrules: {rule_files: []}\n";

std::vector<std::string> Arguments(std::vector<std::string> more = {}) {
  // The demo's samples are old.
  more.insert(more.end(), {"--web.enable-remote-write-receiver", "--storage.retention=100y"});
  return more;
}

void Write(Program& program, const std::vector<Sample>& samples) {
  const HttpResponse response = program.Send(
      {.method = "POST",
       .url = "/api/v1/write",
       .headers = {{"Content-Type", "application/x-protobuf"}, {"Content-Encoding", "snappy"}},
       .body = RemoteWriteBody(samples)});
  ASSERT_EQ(response.status / 100, 2) << response.body;
}

HttpResponse PostForm(Program& program, const std::string& path, const std::string& form) {
  return program.Send({.method = "POST",
                       .url = path,
                       .headers = {{"Content-Type", "application/x-www-form-urlencoded"}},
                       .body = form});
}

TEST(QueryRealTest, GrafanaIsAnsweredAsByPrometheus) {
  Program program({.config = kConfig, .arguments = Arguments()});
  program.Start();
  Write(program, DemoSamples());
  std::ifstream in(std::string(FETTLE_TEST_DATA) + "/grafana_requests.txt");
  int asked = 0;
  for (std::string line; std::getline(in, line);) {
    if (line.empty() || line.starts_with("#")) continue;
    std::istringstream cells(line);
    std::string method, path, form, status, body;
    for (std::string* cell : {&method, &path, &form, &status, &body}) {
      std::getline(cells, *cell, '\t');
    }
    const HttpResponse response =
        method == "GET" ? program.Get(path) : PostForm(program, path, form);
    EXPECT_EQ(std::to_string(response.status), status) << line << "\n" << response.body;
    EXPECT_NE(response.body.find(body), std::string::npos) << line << "\n" << response.body;
    ++asked;
  }
  EXPECT_GT(asked, 25);
}

// What a command prints to stdout.
std::string Output(const std::vector<std::string>& argv) {
  const TempDir dir;
  std::string line = "exec 2>&1";
  for (std::size_t i = 0; i < argv.size(); ++i) line += (i == 0 ? "; " : " ") + argv[i];
  const int code = Child::Run({.argv = {"sh", "-c", line}, .log_file = dir / "out"});
  return fmt::format("{}[{}]", dir.Read("out"), code);
}

TEST(QueryRealTest, FettleQueryPrintsWhatPromtoolPrints) {
  Program program({.config = kConfig, .arguments = Arguments()});
  program.Start();
  Write(program, DemoSamples());
  const std::vector<std::string> commands = {
      "instant 'demo_num_cpus' --time=1700003000",
      "instant 'sum(demo_num_cpus)' --time=1700003000.5",
      "instant '1 + 1' --time=2023-11-14T23:03:20Z",
      "instant 'nothing_here' --time=1700003000",
      "instant 'demo_num_cpus[30s]' --time=1700003000",
      "instant 'demo_odd_values' --time=1700003000",
      "-o json instant 'demo_num_cpus' --time=1700003000",
      "range 'demo_num_cpus' --start=1700003000 --end=1700003060 --step=30s",
      "range 'sum(demo_num_cpus)' --start=1700002000 --end=1700003000",
      "-o json range 'demo_num_cpus' --start=1700003000 --end=1700003060 --step=30s",
      "series --match=demo_num_cpus --start=1700003000 --end=1700003060",
      "series --match='{\"demo.utf8 name\"}' --match=demo_num_cpus --start=1700003000 "
      "--end=1700003060",
      "-o json series --match=demo_num_cpus --start=1700003000 --end=1700003060",
      "labels instance --start=1700003000 --end=1700003060 --match=demo_num_cpus",
      "-o json labels kind --start=1700003000 --end=1700003060",
  };
  for (const std::string& command : commands) {
    // promtool's flags come anywhere; its server is the first argument after the kind.
    std::size_t kind = command.starts_with("-o json ") ? 8 : 0;
    kind = std::min(command.find(' ', kind), command.size());
    const std::string theirs = Output(
        {PromtoolProgram(), "query", command.substr(0, kind), program.url(), command.substr(kind)});
    std::string ours = command;
    if (ours.starts_with("-o json ")) ours = ours.substr(8) + " -o json";
    EXPECT_EQ(Output({FETTLE_PROGRAM, "query", ours, "--url", program.url()}), theirs) << command;
  }
  EXPECT_EQ(Output({FETTLE_PROGRAM, "query", "instant", "'sum('", "--url", program.url()}),
            fmt::format("fettle: {} answered 400: invalid parameter \"query\": 1:5: parse error: "
                        "unclosed left parenthesis\n[1]",
                        program.url()));
  EXPECT_EQ(Output({FETTLE_PROGRAM, "query", "range", "1", "--start", "soon"}),
            "fettle: --start: \"soon\" is neither seconds nor RFC 3339\n[1]");
}

TEST(QueryRealTest, FettleQueryBringsItsCredentials) {
  const TempDir dir;
  dir.Write("token", "open sesame");
  const std::string web = dir.Write(
      "web.yml",
      fmt::format("tokens: [{{name: reader, role: read, token_file: {}}}]\n", dir / "token"));
  const std::string http = dir.Write(
      "http.yml",
      fmt::format("authorization: {{type: Bearer, credentials_file: {}}}\n", dir / "token"));
  Program program({.config = kConfig,
                   .arguments = Arguments({"--web.config.file=" + web}),
                   .token = "open sesame"});
  program.Start();
  const std::vector<std::string> ask = {FETTLE_PROGRAM, "query", "instant",    "1",
                                        "--time=5",     "--url", program.url()};
  EXPECT_NE(Output(ask).find("answered 401"), std::string::npos) << Output(ask);
  std::vector<std::string> with = ask;
  with.push_back("--http.config.file=" + http);
  EXPECT_EQ(Output(with), "scalar: 1 @[5]\n[0]");
}

// ------------------------------------------------------------------------------ asking too much

struct Hostile {
  std::string what;
  std::string path;
  std::string form;
  // Any of them: which limit is met first depends on the machine's speed.
  std::vector<std::string> endings;
};

std::string Times(const std::string& text, int n) {
  std::string out;
  for (int i = 0; i < n; ++i) out += text;
  return out;
}

std::vector<Hostile> HostileQueries() {
  const std::string bad = "400 bad_data";
  const std::string limit = "422 execution";
  const std::string late = "503 timeout";
  const auto instant = [](const std::string& query) {
    return "time=1700003000&query=" + PercentEncode(query);
  };
  const auto range = [](const std::string& query) {
    return "start=1700000000&end=1700005000&step=1&query=" + PercentEncode(query);
  };
  std::string doubling = "label_replace(n, \"x\", \"abcdefgh\", \"\", \"\")";
  for (int i = 0; i < 40; ++i) {
    doubling = "label_replace(" + doubling + ", \"x\", \"$1$1$1$1\", \"x\", \"(.*)\")";
  }
  std::string nested = "n";
  for (int i = 0; i < 8; ++i) nested = "sum_over_time(" + nested + "[1d:1s])";
  return {
      {"a year by the second",
       "/api/v1/query_range",
       "start=1668000000&end=1700000000&step=1&query=n",
       {bad}},
      {"every series at every second", "/api/v1/query_range", range("{__name__=~\".+\"}"), {limit}},
      {"a sum of everything by everything",
       "/api/v1/query_range",
       range("sum by (i, j) (rate({__name__=~\".+\"}[1h]))"),
       {limit, late}},
      {"a deep nest",
       "/api/v1/query",
       instant(Times("(", 100'000) + "1" + Times(")", 100'000)),
       {bad}},
      {"a deep nest of functions",
       "/api/v1/query",
       instant(Times("abs(", 50'000) + "n" + Times(")", 50'000)),
       {bad}},
      {"a long chain", "/api/v1/query", instant("1" + Times("+1", 100'000)), {bad}},
      {"many signs", "/api/v1/query", instant(Times("-", 200'000) + "n"), {bad}},
      {"a long list",
       "/api/v1/query",
       instant("sum by (" + Times("a,", 600'000) + "a) (n)"),
       {bad}},
      {"everything with everything",
       "/api/v1/query_range",
       range("count(n * on(j) group_left n{i=~\".*7\"})"),
       {limit, late}},
      {"subqueries in subqueries", "/api/v1/query", instant(nested), {limit, late, bad}},
      {"a subquery of a century by the millisecond",
       "/api/v1/query",
       instant("count_over_time(vector(1)[100y:1ms])"),
       {limit, late}},
      {"a range of everything, at every step",
       "/api/v1/query_range",
       range("quantile_over_time(0.5, n[1h])"),
       {limit, late}},
      {"a label that grows", "/api/v1/query", instant("count(" + doubling + ")"), {limit, late}},
      {"a regexp that repeats repeats",
       "/api/v1/query",
       instant("n{i=~\"((a{1000}){1000}){1000}\"}"),
       {bad}},
      {"a large regexp",
       "/api/v1/query",
       instant("n{i=~\"" + Times("(a|b)*", 100'000) + "\"}"),
       {bad}},
      {"a regexp that others backtrack on",
       "/api/v1/query",
       instant("count(n{i=~\"(x+x+)+y|(a*)*b|.*.*.*.*=.*\"})"),
       {"200"}},
      {"a long query",
       "/api/v1/query",
       instant("n{i=\"" + std::string(2'000'000, 'x') + "\"}"),
       {bad}},
      {"values as names",
       "/api/v1/query_range",
       range("count_values(\"v\", rand or n)"),
       {limit, late}},
      {"every name", "/api/v1/series", "match[]=" + PercentEncode("{__name__=~\".+\"}"), {"200"}},
  };
}

// "422 execution" of an answer.
std::string Ending(const HttpResponse& response) {
  const Result<Json> json = Json::Parse(response.body);
  const std::string type = json ? (*json)["errorType"].StringOr("") : "";
  return type.empty() ? std::to_string(response.status)
                      : fmt::format("{} {}", response.status, type);
}

TEST(QueryRealTest, WhoAsksTooMuchIsRefusedWhileOthersAreServed) {
  Program program({.config = kConfig,
                   .arguments = Arguments({"--query.timeout=2s", "--query.max-samples=2000000"})});
  program.Start();
  std::vector<Sample> samples;
  for (int i = 0; i < 5'000; ++i) {
    const Labels labels{{"__name__", "n"}, {"i", std::to_string(i)}, {"j", std::to_string(i % 50)}};
    for (int at = 0; at < 20; ++at) {
      samples.push_back({labels, 1.0 * i + at, TimeFromMillis(1'700'000'000'000 + at * 240'000)});
    }
  }
  Write(program, samples);
  std::atomic<int> served = 0;
  Millis slowest{0};
  std::jthread others([&](const std::stop_token& done) {
    std::mutex mutex;
    std::condition_variable_any patience;
    while (!done.stop_requested()) {
      const auto begin = std::chrono::steady_clock::now();
      EXPECT_EQ(program.Get("/-/healthy").status, 200);
      EXPECT_EQ(Ending(program.Get("/api/v1/query?query=sum(n)&time=1700003000")), "200");
      slowest = std::max(
          slowest, std::chrono::duration_cast<Millis>(std::chrono::steady_clock::now() - begin));
      ++served;
      std::unique_lock lock(mutex);
      patience.wait_for(lock, done, Millis(20), [] { return false; });
    }
  });
  for (const Hostile& one : HostileQueries()) {
    const auto begin = std::chrono::steady_clock::now();
    const std::string ending = Ending(PostForm(program, one.path, one.form));
    const auto took = std::chrono::steady_clock::now() - begin;
    EXPECT_NE(std::find(one.endings.begin(), one.endings.end(), ending), one.endings.end())
        << one.what << " ended as " << ending;
    // Twice the timeout and something for a busy machine.
    EXPECT_LT(took, std::chrono::seconds(15)) << one.what;
    if (std::getenv("FETTLE_TELL") != nullptr) {
      fmt::print("[ hostile  ] {}: {} after {} ms\n", one.what, ending,
                 std::chrono::duration_cast<Millis>(took).count());
    }
  }
  others.request_stop();
  others.join();
  EXPECT_TRUE(program.Running());
  EXPECT_GT(served, 5);
  EXPECT_LT(slowest, Millis(10'000));
}

}  // namespace
}  // namespace fettle
