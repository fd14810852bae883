// Every case of tests/data/acceptance as a drop-in of its own, in real time and side by side;
// members of a cluster share a PostgreSQL. Goal: who was told what, and when, by the second.
//
// A machine that is late does not fail a case: it is told again, three times at most.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <re2/re2.h>

#include <algorithm>
#include <map>
#include <mutex>
#include <set>
#include <sstream>
#include <thread>

#include "common/duration.h"
#include "tests/support/case_file.h"
#include "tests/support/drop_in.h"
#include "tests/support/postgres_server.h"
#include "tests/support/test_server.h"
#include "tests/support/wait.h"

namespace fettle {
namespace {

using namespace std::chrono_literals;

// How much later than upstream's own limits a message may come, and how far its times may be off.
constexpr double kLate = 0.4;
constexpr double kOff = 0.3;
constexpr int kAttempts = 3;

struct ToldAlert {
  std::map<std::string, std::string> labels;
  double began = 0;
  std::optional<double> ended;
  std::string note;

  bool Is(const ToldAlert& other) const {
    const bool ends = ended.has_value() == other.ended.has_value() &&
                      (!ended || std::abs(*ended - *other.ended) <= kOff);
    return labels == other.labels && note == other.note && ends &&
           std::abs(began - other.began) <= kOff;
  }
};

struct Message {
  std::string receiver;
  double at = 0;  // of one that is wanted: the earliest
  std::vector<ToldAlert> alerts;
  double until = 0;
};

std::vector<std::string> Split(const std::string& text, const std::string& by) {
  std::vector<std::string> parts;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find(by, begin), text.size());
    if (end > begin) parts.push_back(text.substr(begin, end - begin));
    begin = end + by.size();
  }
  return parts;
}

std::vector<ToldAlert> ReadAlerts(const std::string& text) {
  std::vector<ToldAlert> alerts;
  for (const std::string& one : Split(text, ";")) {
    ToldAlert alert;
    for (const std::string& word : Split(one, " ")) {
      if (word.front() == '@') {
        alert.began = std::stod(word.substr(1));
      } else if (word.front() == '!') {
        alert.ended = std::stod(word.substr(1));
      } else if (word.front() == '#') {
        alert.note = word.substr(1);
      } else {
        for (const std::string& pair : Split(word, ",")) {
          alert.labels[pair.substr(0, pair.find('='))] = pair.substr(pair.find('=') + 1);
        }
      }
    }
    alerts.push_back(std::move(alert));
  }
  return alerts;
}

// One telling of one case.
class Story {
 public:
  explicit Story(const TextCase& c) : case_(c) {
    server_.Route(
        "POST", "/to/",
        [this](const HttpRequest& request) {
          Hear(request);
          return TextResponse(200, "");
        },
        Role::kPublic);
    server_.Start();
    Start();
  }

  // What went wrong, "" if nothing.
  std::string Run() {
    for (const std::string& line : Split(case_.parts.at("do"), "\n")) Do(line);
    double end = 0;
    std::vector<Message> wanted;
    std::vector<Message> optional;
    for (std::string line : Split(case_.parts.at("want"), "\n")) {
      const bool either = line.starts_with("either ");
      if (either) line.erase(0, 7);
      std::string receiver;
      double from = 0;
      double to = 0;
      std::string rest;
      EXPECT_TRUE(
          RE2::FullMatch(line, R"((\S+) ([\d.]+)-([\d.]+) ?(.*))", &receiver, &from, &to, &rest));
      end = std::max(end, to);
      if (receiver != "none") {
        (either ? optional : wanted).push_back({receiver, from, ReadAlerts(rest), to});
      }
    }
    WaitFor(end + kLate);
    return Compare(wanted, optional, end + kLate);
  }

 private:
  void Start() {
    std::string config = case_.input;
    if (config.find("receivers:") == std::string::npos) {
      config += "\nreceivers: [{name: default, webhook_configs: [{url: 'URL/default'}]}]\n";
    }
    RE2::GlobalReplace(&config, "URL", server_.url() + "/to");
    config_ = config;
    std::vector<std::string> arguments;
    if (case_.Has("arguments")) arguments = Split(case_.parts.at("arguments"), " ");
    const int members = case_.Has("members") ? std::stoi(case_.parts.at("members")) : 1;
    if (members > 1) {
      PostgresServer& postgres = PostgresServer::Shared();
      dir_.Write("dsn", postgres.Dsn(postgres.CreateDatabase()));
      arguments.insert(arguments.end(), {"--store.postgres.dsn-file", dir_ / "dsn"});
    }
    for (int i = 0; i < members; ++i) {
      members_.push_back(std::make_unique<DropIn>(DropIn::Kind::kFettle, config, arguments));
    }
    base_ = SystemClock().Now().wall;
  }

  double Seconds() const { return ToSeconds(SystemClock().Now().wall - base_); }
  std::string At(double seconds) const {
    return FormatRfc3339(base_ + Millis(static_cast<std::int64_t>(seconds * 1'000)));
  }
  void WaitFor(double seconds) const {
    (void)WaitUntil([&] { return Seconds() >= seconds; }, 120s);
  }

  void Do(const std::string& line) {
    double at = 0;
    std::string verb;
    std::string rest;
    EXPECT_TRUE(RE2::FullMatch(line, R"(([\d.]+) (\w+) ?(.*))", &at, &verb, &rest)) << line;
    WaitFor(at);
    if (verb == "push") {
      for (const auto& member : members_) Push(*member, rest);
    } else if (verb == "silence") {
      Silence(rest);
    } else if (verb == "expire") {
      HttpRequest request{.method = "DELETE", .url = "/api/v2/silence/" + silences_[rest]};
      EXPECT_EQ(members_.front()->Send(std::move(request)).status, 200);
    } else {
      for (const auto& member : members_) member->Reload(config_);
    }
  }

  void Push(const DropIn& to, const std::string& alerts) const {
    JsonWriter json;
    json.BeginArray();
    for (const ToldAlert& alert : ReadAlerts(alerts)) {
      json.BeginObject().Key("labels").BeginObject();
      for (const auto& [name, value] : alert.labels) json.Field(name, value);
      json.EndObject().Field("startsAt", At(alert.began));
      if (alert.ended) json.Field("endsAt", At(*alert.ended));
      if (!alert.note.empty()) {
        json.Key("annotations").BeginObject().Field("ann", alert.note).EndObject();
      }
      json.EndObject();
    }
    EXPECT_EQ(to.Post("/api/v2/alerts", json.EndArray().Take()).status, 200);
  }

  void Silence(const std::string& text) {
    std::string name;
    double from = 0;
    double to = 0;
    std::string label;
    std::string op;
    std::string value;
    EXPECT_TRUE(RE2::FullMatch(text, R"((\w+) ([\d.]+) ([\d.]+) (\w+)(=~?)(.*))", &name, &from, &to,
                               &label, &op, &value));
    JsonWriter json;
    json.BeginObject().Field("comment", "c").Field("createdBy", "me");
    json.Field("startsAt", At(from)).Field("endsAt", At(to)).Key("matchers").BeginArray();
    json.BeginObject().Field("name", label).Field("value", value).Field("isRegex", op == "=~");
    json.EndObject().EndArray().EndObject();
    const HttpResponse answer = members_.front()->Post("/api/v2/silences", json.Take());
    silences_[name] = (*Json::Parse(answer.body))["silenceID"].StringOr("");
  }

  void Hear(const HttpRequest& request) {
    if (case_.Has("slow until") && Seconds() < std::stod(case_.parts.at("slow until"))) {
      (void)WaitUntil([] { return false; }, 1s);
      return;
    }
    const Result<Json> json = Json::Parse(request.body);
    Message message{request.Path().substr(4), Seconds(), {}, 0};
    const auto seconds = [this](const Json& time) {
      const Result<Time> read = ParseRfc3339(time.StringOr(""));
      return read ? ToSeconds(*read - base_) : -1e9;
    };
    for (const Json& one : (*json)["alerts"].Items()) {
      ToldAlert alert;
      for (const auto& [name, value] : one["labels"].Entries()) {
        alert.labels[name] = value.StringOr("");
      }
      alert.note = one["annotations"]["ann"].StringOr("");
      alert.began = seconds(one["startsAt"]);
      if (one["status"].StringOr("") == "resolved") alert.ended = seconds(one["endsAt"]);
      message.alerts.push_back(std::move(alert));
    }
    const std::lock_guard lock(mutex_);
    heard_.push_back(std::move(message));
  }

  static bool Same(const Message& wanted, const Message& heard) {
    return wanted.receiver == heard.receiver && wanted.alerts.size() == heard.alerts.size() &&
           std::all_of(wanted.alerts.begin(), wanted.alerts.end(), [&](const ToldAlert& alert) {
             return std::any_of(heard.alerts.begin(), heard.alerts.end(),
                                [&](const ToldAlert& other) { return alert.Is(other); });
           });
  }

  std::string Compare(const std::vector<Message>& wanted, const std::vector<Message>& optional,
                      double end) const {
    const std::lock_guard lock(mutex_);
    std::vector<Message> left;
    for (const Message& message : heard_) {
      if (message.at <= end) left.push_back(message);
    }
    std::string wrong;
    for (std::size_t i = 0; i < wanted.size(); ++i) {
      const auto found = std::find_if(left.begin(), left.end(), [&](const Message& message) {
        return message.at >= wanted[i].at && message.at <= wanted[i].until + kLate &&
               Same(wanted[i], message);
      });
      if (found == left.end()) {
        wrong += fmt::format("nothing as wanted from {} s on; ", wanted[i].at);
      } else {
        left.erase(found);
      }
    }
    for (const Message& message : left) {
      const bool allowed = std::any_of(optional.begin(), optional.end(),
                                       [&](const Message& one) { return Same(one, message); });
      if (!allowed) {
        wrong += fmt::format("{} was told of {} alerts at {:.2f} s; ", message.receiver,
                             message.alerts.size(), message.at);
      }
    }
    return wrong;
  }

  const TextCase& case_;
  const TempDir dir_;
  TestServer server_;
  std::string config_;
  std::vector<std::unique_ptr<DropIn>> members_;
  Time base_{};
  std::map<std::string, std::string> silences_;
  mutable std::mutex mutex_;
  std::vector<Message> heard_;
};

TEST(AcceptanceRealTest, EveryCaseIsToldAsWanted) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "sanitizers take more time than the seconds that are counted here";
#endif
  const std::vector<TextCase> cases = LoadCases("acceptance");
  std::vector<std::string> wrong(cases.size());
  (void)PostgresServer::Shared();
  std::vector<std::thread> tellers;
  for (std::size_t i = 0; i < cases.size(); ++i) {
    tellers.emplace_back([&, i] {
      for (int attempt = 0; attempt < kAttempts; ++attempt) {
        wrong[i] = Story(cases[i]).Run();
        if (wrong[i].empty()) return;
        fmt::print("[          ] {}, try {}: {}\n", cases[i].name, attempt + 1, wrong[i]);
      }
    });
  }
  for (std::thread& teller : tellers) teller.join();
  for (std::size_t i = 0; i < cases.size(); ++i) EXPECT_EQ(wrong[i], "") << cases[i].name;
}

}  // namespace
}  // namespace fettle
