// Days of a town in which alerts come and go, receivers fail, and the process dies at any commit;
// each seed is a story that can be told again.
//
// What must hold: whatever fires or is over in the end was last told as such; nothing that was
// never posted is told; and nobody hears the same twice within its repeat interval, unless the
// process died between telling and recording it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>

#include "common/json.h"
#include "tests/support/town.h"

namespace fettle::receivers {
namespace {

using namespace std::chrono_literals;

constexpr const char* kConfig = R"(
global: {resolve_timeout: 10000h}
route:
  receiver: people
  group_by: [team]
  group_wait: 30s
  group_interval: 5m
  repeat_interval: 4h
  routes: [{matchers: [team=b], receiver: others, group_by: [], repeat_interval: 1h}]
receivers:
- {name: people, webhook_configs: [{url: "http://town/people"}]}
- {name: others, webhook_configs: [{url: "http://town/others"}, {url: "http://town/thirds"}]}
)";

class TellingSimulation : public testing::TestWithParam<unsigned> {
 protected:
  std::size_t Random(std::size_t below) { return random_() % below; }
  Labels LabelsOf(std::size_t number) {
    return {{"alertname", "A" + std::to_string(number)}, {"team", number % 2 == 0 ? "a" : "b"}};
  }

  // Posts until it is answered; a sender repeats itself.
  void Post(std::size_t number, bool fire) {
    posted_.insert(LabelsOf(number).ToString());
    for (;;) {
      Alert alert{LabelsOf(number), {}, Time{}, fire ? Time{} : town_.now(), ""};
      const Status status = town_.Post({AlertSource::kApi, {alert}});
      if (town_.store().Crashed()) Revive();
      if (status) break;
    }
    fires_[LabelsOf(number).ToString()] = fire;
  }

  void Pass(Micros duration) {
    town_.Pass(duration);
    if (town_.store().Crashed()) Revive();
  }

  void Revive() {
    Hear();
    ++deaths_;
    town_.clock().Pass(Millis(Random(600'000)));
    town_.Restart();
  }

  // Reads what was sent since the last time.
  void Hear() {
    const Lines lines = town_.Sent();
    for (; read_ < town_.Bodies().size(); ++read_) {
      const Json message = Json::Parse(town_.Bodies()[read_]).value();
      const std::string& line = lines[lines.size() - (town_.Bodies().size() - read_)];
      const bool thirds = line.find(" thirds ") != std::string::npos;
      const std::string ear = thirds ? "thirds" : message["receiver"].StringOr("");
      std::string said = message["groupKey"].StringOr("");
      for (const Json& alert : message["alerts"].Items()) {
        std::vector<Labels::Pair> pairs;
        for (const auto& [name, value] : alert["labels"].Entries()) {
          pairs.emplace_back(name, value.StringOr(""));
        }
        const std::string labels = Labels(pairs).ToString();
        ASSERT_TRUE(posted_.contains(labels)) << labels;
        const bool firing = alert["status"].StringOr("") == "firing";
        heard_[message["receiver"].StringOr("") + labels] = firing;
        said += firing ? " +" + labels : " -" + labels;
      }
      if (message["notification_reason"].StringOr("") != "repeat interval elapsed" &&
          last_said_[ear + message["groupKey"].StringOr("")] == said) {
        ++repeated_[ear];
      }
      last_said_[ear + message["groupKey"].StringOr("")] = said;
    }
  }

  // Something, and some time after it.
  void Happen() {
    switch (Random(8)) {
      case 0:
      case 1:
      case 2:
        Post(Random(6), true);
        break;
      case 3:
      case 4:
        Post(Random(6), false);
        break;
      case 5:
        for (const char* receiver : {"people", "others", "thirds"}) {
          const bool fails = Random(4) == 0;
          town_.AnswerOf(receiver, fails ? [] { return TextResponse(500, ""); } : Town::Answer());
        }
        break;
      case 6:
        town_.store().CrashAtNth(static_cast<int>(1 + Random(4)),
                                 Random(2) == 0 ? Kept::kYes : Kept::kNo);
        break;
      case 7:
        town_.Reload(kConfig);
        break;
    }
    Pass(Millis(Random(400'000)));
    Hear();
  }

  // Receivers listen, and everybody has had a turn.
  void Calm() {
    for (const char* receiver : {"people", "others", "thirds"}) town_.AnswerOf(receiver, nullptr);
    for (int turn = 0; turn < 6; ++turn) Pass(5min);
    Hear();
  }

  void CheckTruth() {
    for (const auto& [labels, fires] : fires_) {
      const bool others = labels.find("team=\"b\"") != std::string::npos;
      const auto last = heard_.find((others ? "others" : "people") + labels);
      if (fires) {
        ASSERT_NE(last, heard_.end()) << labels << " fires and nobody was told";
        EXPECT_TRUE(last->second) << labels << " fires, but the last word was that it is over";
      } else if (last != heard_.end()) {
        EXPECT_FALSE(last->second) << labels << " is over, but nobody was told";
      }
    }
  }

  std::mt19937 random_{GetParam()};
  Town town_{kConfig};
  std::set<std::string> posted_;
  std::map<std::string, bool> fires_;  // the truth
  std::map<std::string, bool> heard_;  // by receiver and labels: the last word
  std::map<std::string, std::string> last_said_;
  std::size_t read_ = 0;
  int deaths_ = 0;
  std::map<std::string, int> repeated_;  // by who heard it
};

TEST_P(TellingSimulation, TellsTheTruthAndTellsItOnce) {
  town_.pick = [this] { return Random(100); };
  for (int day = 0; day < 12 && !HasFailure(); ++day) {
    for (int step = 0; step < 12; ++step) Happen();
    Calm();
    CheckTruth();
  }
  for (const auto& [ear, times] : repeated_) {
    EXPECT_LE(times, deaths_) << ear << " heard the same again without need";
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, TellingSimulation, testing::Range(0u, 20u));

}  // namespace
}  // namespace fettle::receivers
