#include "common/log.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/manual_clock.h"

namespace fettle {
namespace {

class LogTest : public testing::Test {
 protected:
  Log Start(LogFormat format, LogLevel level = LogLevel::kDebug) {
    writer_.emplace(
        clock_, [this](std::string_view line) { lines_.emplace_back(line); },
        LogWriter::Options{.level = level, .format = format});
    return Log(*writer_, "mender");
  }
  ManualClock clock_;
  std::vector<std::string> lines_;
  std::optional<LogWriter> writer_;
};

using Lines = std::vector<std::string>;

TEST_F(LogTest, WritesOneLogfmtLinePerEvent) {
  const Log log = Start(LogFormat::kLogfmt);
  log.Info("Listening on", {{"address", "127.0.0.1:9911"}, {"doors", 64}, {"tls", true}});
  EXPECT_EQ(lines_, (Lines{"ts=2026-01-01T00:00:00.000Z level=info component=mender "
                           "msg=\"Listening on\" address=127.0.0.1:9911 doors=64 tls=true"}));
}

TEST_F(LogTest, WritesOneJsonLinePerEvent) {
  const Log log = Start(LogFormat::kJson);
  clock_.Pass(std::chrono::milliseconds(1500));
  log.Warn("refused \"x\"", {{"lag", 1.5}, {"why", "a\nb"}});
  EXPECT_EQ(lines_, (Lines{R"({"ts":"2026-01-01T00:00:01.500Z","level":"warn",)"
                           R"("component":"mender","msg":"refused \"x\"","lag":"1.5",)"
                           R"("why":"a\nb"})"}));
}

TEST_F(LogTest, QuotesWhateverCouldForgeALineOrAField) {
  const Log log = Start(LogFormat::kLogfmt);
  log.Error("x", {{"a", ""},
                  {"b", "two words"},
                  {"c", "k=v"},
                  {"d", "line\nts=1"},
                  {"e", "\x1b[31m"},
                  {"f", "\xff"},
                  {"g", "back\\slash"},
                  {"h", "über"},
                  {"i j=", "key"}});
  EXPECT_EQ(lines_.at(0),
            "ts=2026-01-01T00:00:00.000Z level=error component=mender msg=x a=\"\" "
            "b=\"two words\" c=\"k=v\" d=\"line\\nts=1\" e=\"\\x1b[31m\" f=\"\\xff\" "
            "g=\"back\\\\slash\" h=\"über\" i_j_=key");
}

TEST_F(LogTest, KeepsTheFieldsOfWithOnEveryLine) {
  const Log log = Start(LogFormat::kLogfmt).With({{"incident", "i1"}}).With({{"rung", 2}});
  log.Debug("acting");
  log.Debug("acted", {{"result", "ok"}});
  EXPECT_EQ(lines_, (Lines{"ts=2026-01-01T00:00:00.000Z level=debug component=mender msg=acting "
                           "incident=i1 rung=2",
                           "ts=2026-01-01T00:00:00.000Z level=debug component=mender msg=acted "
                           "incident=i1 rung=2 result=ok"}));
}

TEST_F(LogTest, SaysNothingBelowItsLevel) {
  const Log log = Start(LogFormat::kLogfmt, LogLevel::kWarn);
  log.Debug("no");
  log.Info("no");
  log.Warn("yes");
  log.Error("yes");
  EXPECT_EQ(lines_.size(), 2U);
}

TEST_F(LogTest, CutsLongValuesAtACharacterAndSaysHowLongTheyWere) {
  const Log log = Start(LogFormat::kLogfmt);
  // The limit falls into the middle of the last ü.
  const std::string fits = std::string(LogWriter::kValueBytesMax - 1, 'x');
  log.Info("m", {{"body", fits + "ü" + std::string(100, 'y')}});
  EXPECT_EQ(lines_.at(0), "ts=2026-01-01T00:00:00.000Z level=info component=mender msg=m body=\"" +
                              fits + "… (8293 bytes)\"");
}

TEST_F(LogTest, HandsTheSinkOneLineAtATime) {
  int inside = 0;
  bool overlapped = false;
  int count = 0;
  LogWriter writer(clock_,
                   [&](std::string_view) {
                     overlapped = overlapped || inside++ != 0;
                     ++count;
                     --inside;
                   },
                   {});
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&writer] {
        const Log log(writer, "t");
        for (int i = 0; i < 200; ++i) log.Info("line");
      });
    }
  }
  EXPECT_FALSE(overlapped);
  EXPECT_EQ(count, 800);
}

TEST(LogLevelTest, ReadsTheFourLevels) {
  EXPECT_EQ(*ParseLogLevel("debug"), LogLevel::kDebug);
  EXPECT_EQ(*ParseLogLevel("info"), LogLevel::kInfo);
  EXPECT_EQ(*ParseLogLevel("warn"), LogLevel::kWarn);
  EXPECT_EQ(*ParseLogLevel("error"), LogLevel::kError);
  EXPECT_EQ(ParseLogLevel("loud").error().message,
            "unknown log level \"loud\": use debug, info, warn or error");
}

TEST(StderrSinkTest, WritesTheLineAndANewline) {
  testing::internal::CaptureStderr();
  StderrSink()("level=info msg=x");
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "level=info msg=x\n");
}

}  // namespace
}  // namespace fettle
