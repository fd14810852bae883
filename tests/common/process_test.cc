// Children that behave, and children that do not: that hang, ignore TERM, flood, or leave
// descendants holding their pipes. Every wait here ends by a condition, never by a guess.
#include "common/process.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>

namespace fettle {
namespace {

using ::testing::AllOf;
using ::testing::AnyOf;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::StartsWith;

ProcessSpec Shell(std::string script) {
  ProcessSpec spec;
  spec.argv = {"sh", "-c", std::move(script)};
  spec.timeout = Millis(20'000);
  spec.quiet_after_exit = Millis(100);
  return spec;
}

// Waits for any process to end, ours or not.
bool Gone(pid_t pid) {
  const int pidfd = static_cast<int>(::syscall(SYS_pidfd_open, pid, 0));
  if (pidfd < 0) return errno == ESRCH;
  pollfd ended{pidfd, POLLIN, 0};
  const int ready = ::poll(&ended, 1, 10'000);
  ::close(pidfd);
  return ready == 1;
}

std::string FileText(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    std::string pattern = std::filesystem::temp_directory_path() / "fettle-process-XXXXXX";
    path_ = ::mkdtemp(pattern.data());
  }
  ~TemporaryDirectory() { std::filesystem::remove_all(path_); }
  std::string Path(const std::string& name) const { return path_ + "/" + name; }
  std::string Read(const std::string& name) const { return FileText(Path(name)); }

 private:
  std::string path_;
};

TEST(ProcessTest, ReturnsOutputErrorAndExitStatus) {
  const auto result = RunProcess(Shell("echo out; echo err >&2; exit 3"));
  ASSERT_TRUE(result) << result.error().message;
  EXPECT_EQ(result->output, "out\n");
  EXPECT_EQ(result->error, "err\n");
  EXPECT_EQ(result->exit_code, 3);
  EXPECT_EQ(result->signal, 0);
  EXPECT_FALSE(result->succeeded());
  EXPECT_EQ(result->Describe(), "exit status 3: err");
}

TEST(ProcessTest, PassesArgumentsWithoutAShell) {
  ProcessSpec spec;
  spec.argv = {"printf", "%s|", "$HOME", "; rm -rf x", "`id`", "two words", ""};
  const auto result = RunProcess(spec);
  ASSERT_TRUE(result) << result.error().message;
  EXPECT_EQ(result->output, "$HOME|; rm -rf x|`id`|two words||");
  EXPECT_TRUE(result->succeeded());
}

TEST(ProcessTest, BuildsTheEnvironmentFromScratch) {
  ::setenv("FETTLE_TEST_SECRET", "leak", 1);
  ProcessSpec spec;
  spec.argv = {"env"};
  spec.environment = {{"A", "1"}, {"B", "with = and space"}};
  const auto result = RunProcess(spec);
  ASSERT_TRUE(result) << result.error().message;
  EXPECT_EQ(result->output, fmt::format("A=1\nB=with = and space\nPATH={}\n", std::getenv("PATH")));
}

TEST(ProcessTest, FindsTheProgramByTheChildsOwnPath) {
  const TemporaryDirectory room;
  std::ofstream(room.Path("greet")) << "#!/bin/sh\necho hello\n";
  ::chmod(room.Path("greet").c_str(), 0755);
  std::ofstream(room.Path("locked")) << "#!/bin/sh\n";
  ::chmod(room.Path("locked").c_str(), 0644);
  ProcessSpec spec;
  spec.argv = {"greet"};
  spec.environment = {{"PATH", "/nonexistent::" + room.Path("")}};
  const auto result = RunProcess(spec);
  ASSERT_TRUE(result) << result.error().message;
  EXPECT_EQ(result->output, "hello\n");

  spec.argv = {"locked"};
  EXPECT_EQ(RunProcess(spec).error().cause, Cause::kDenied);
}

TEST(ProcessTest, SaysWhenThereIsNoSuchProgram) {
  ProcessSpec spec;
  spec.argv = {"no-such-program-anywhere"};
  auto result = RunProcess(spec);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().cause, Cause::kNotFound);
  EXPECT_EQ(result.error().message, "run no-such-program-anywhere: no such program in PATH");

  spec.argv = {"/no/such/program"};
  result = RunProcess(spec);
  EXPECT_EQ(result.error().cause, Cause::kNotFound);
  EXPECT_EQ(result.error().message, "run /no/such/program: No such file or directory");

  spec.argv = {"/etc"};
  result = RunProcess(spec);
  EXPECT_EQ(result.error().cause, Cause::kDenied);
  EXPECT_EQ(result.error().message, "run /etc: Permission denied");
}

TEST(ProcessTest, RefusesWhatNoChildCouldGet) {
  ProcessSpec spec;
  EXPECT_EQ(RunProcess(spec).error().cause, Cause::kInvalid);
  spec.argv = {"true", std::string("a\0b", 3)};
  EXPECT_EQ(RunProcess(spec).error().message, "an argument of true holds a zero byte");
  spec.argv = {"true"};
  spec.environment = {{"A=B", "c"}};
  EXPECT_EQ(RunProcess(spec).error().cause, Cause::kInvalid);
  spec.environment = {};
  spec.directory = "/no/such/room";
  EXPECT_EQ(RunProcess(spec).error().message,
            "run true in /no/such/room: No such file or directory");
  spec.directory = "/etc/hostname";
  EXPECT_EQ(RunProcess(spec).error().cause, Cause::kInvalid);
  spec.directory = "";
  spec.argv = {"true", std::string(4 * 1024 * 1024, 'x')};
  EXPECT_EQ(RunProcess(spec).error().cause, Cause::kLimit);
}

TEST(ProcessTest, RunsInTheDirectoryAskedFor) {
  ProcessSpec spec = Shell("pwd");
  spec.directory = "/usr";
  const auto result = RunProcess(spec);
  ASSERT_TRUE(result) << result.error().message;
  EXPECT_EQ(result->output, "/usr\n");
}

TEST(ProcessTest, FeedsStandardInputLargerThanAPipe) {
  ProcessSpec spec;
  spec.standard_input = std::string(3'000'000, 'x');
  spec.argv = {"wc", "-c"};
  const auto result = RunProcess(spec);
  ASSERT_TRUE(result) << result.error().message;
  EXPECT_EQ(result->output, "3000000\n");
}

TEST(ProcessTest, EchoesInputWhileWritingIt) {
  ProcessSpec spec;
  spec.argv = {"cat"};
  spec.standard_input = std::string(900'000, 'y');
  const auto result = RunProcess(spec);
  ASSERT_TRUE(result) << result.error().message;
  EXPECT_EQ(result->output, spec.standard_input);
}

TEST(ProcessTest, SurvivesAChildThatDoesNotReadItsInput) {
  ProcessSpec spec = Shell("exec <&-; echo done");
  spec.standard_input = std::string(1'000'000, 'x');
  const auto result = RunProcess(spec);
  ASSERT_TRUE(result) << result.error().message;
  EXPECT_EQ(result->output, "done\n");
}

TEST(ProcessTest, GivesAnEmptyInputWhenThereIsNone) {
  const auto result = RunProcess(Shell("cat; readlink /proc/self/fd/0"));
  ASSERT_TRUE(result) << result.error().message;
  EXPECT_EQ(result->output, "/dev/null\n");
}

TEST(ProcessTest, CutsAFloodOfOutputAndKeepsTheTailOfErrors) {
  ProcessSpec spec = Shell("seq 1 200000; seq 1 200000 >&2");
  spec.output_bytes_max = 10;
  spec.error_bytes_max = 14;
  const auto result = RunProcess(spec);
  ASSERT_TRUE(result) << result.error().message;
  EXPECT_EQ(result->output, "1\n2\n3\n4\n5\n");
  EXPECT_TRUE(result->output_cut);
  EXPECT_EQ(result->error, "199999\n200000\n");
  EXPECT_TRUE(result->succeeded());
}

TEST(ProcessTest, OutputOfExactlyTheLimitIsNotCut) {
  ProcessSpec spec = Shell("printf 12345");
  spec.output_bytes_max = 5;
  const auto result = RunProcess(spec);
  EXPECT_EQ(result->output, "12345");
  EXPECT_FALSE(result->output_cut);
}

TEST(ProcessTest, EndsAChildThatHangs) {
  pid_t pid = 0;
  ProcessSpec spec = Shell("echo thinking >&2; exec sleep 1000");
  spec.timeout = Millis(100);
  spec.on_start = [&](pid_t child) { pid = child; };
  const auto result = RunProcess(spec);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().cause, Cause::kTimeout);
  EXPECT_EQ(result.error().message,
            "sh took longer than 0.1s and was ended: ended by signal 15: thinking");
  ASSERT_GT(pid, 0);
  EXPECT_EQ(::kill(pid, 0), -1);
  EXPECT_EQ(errno, ESRCH);
}

TEST(ProcessTest, KillsAChildThatIgnoresTerm) {
  ProcessSpec spec = Shell("trap '' TERM; echo ready >&2; while :; do sleep 0.05; done");
  spec.timeout = Millis(200);
  spec.kill_after = Millis(100);
  const auto result = RunProcess(spec);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().cause, Cause::kTimeout);
  EXPECT_THAT(result.error().message, HasSubstr("ended by signal 9"));
}

TEST(ProcessTest, LetsAChildTidyUpAfterTerm) {
  const TemporaryDirectory room;
  ProcessSpec spec = Shell("trap 'echo tidy > tidied; exit 0' TERM; sleep 1000 & wait");
  spec.directory = room.Path("");
  spec.timeout = Millis(300);
  const auto result = RunProcess(spec);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().cause, Cause::kTimeout);
  EXPECT_EQ(room.Read("tidied"), "tidy\n");
}

TEST(ProcessTest, TakesTheWholeGroupDownAtTheDeadline) {
  std::string output;
  ProcessSpec spec = Shell("(trap '' TERM; exec sleep 1000) & echo $!; wait");
  spec.timeout = Millis(300);
  spec.kill_after = Millis(100);
  spec.on_output = [&](std::string_view piece) {
    output += piece;
    return true;
  };
  const auto result = RunProcess(spec);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().cause, Cause::kTimeout);
  ASSERT_FALSE(output.empty());
  EXPECT_TRUE(Gone(std::stoi(output)));
}

TEST(ProcessTest, DoesNotWaitForADescendantThatKeepsThePipe) {
  const auto result = RunProcess(Shell("sleep 1000 & echo $!; exit 4"));
  ASSERT_TRUE(result) << result.error().message;
  EXPECT_EQ(result->exit_code, 4);
  EXPECT_TRUE(Gone(std::stoi(result->output)));
}

TEST(ProcessTest, LetsGoOfADescendantThatLeftTheGroup) {
  const auto result = RunProcess(Shell("setsid sleep 1000 & echo $!"));
  ASSERT_TRUE(result) << result.error().message;
  EXPECT_TRUE(result->succeeded());
  const pid_t stray = std::stoi(result->output);
  EXPECT_EQ(::kill(stray, SIGKILL), 0) << "it has a session of its own and was left alone";
}

TEST(ProcessTest, LeavesADaemonAloneThatGaveThePipesBack) {
  const auto result = RunProcess(Shell("sleep 1000 >/dev/null 2>&1 & echo $!"));
  ASSERT_TRUE(result) << result.error().message;
  EXPECT_TRUE(result->succeeded());
  EXPECT_EQ(::kill(std::stoi(result->output), SIGKILL), 0);
}

TEST(ProcessTest, DoesNotTrustAStreamThatADescendantStillHolds) {
  ProcessSpec spec = Shell("sleep 1000 & echo part; exit 0");
  spec.on_output = [](std::string_view) { return true; };
  const auto result = RunProcess(spec);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().cause, Cause::kFailed);
  EXPECT_THAT(result.error().message, HasSubstr("left a process behind"));
}

TEST(ProcessTest, StreamsOutputWholeAndInOrder) {
  std::string all;
  std::size_t pieces = 0;
  ProcessSpec spec = Shell("seq 1 100000");
  spec.output_bytes_max = 10;  // is not about streams
  spec.on_output = [&](std::string_view piece) {
    all += piece;
    ++pieces;
    return true;
  };
  const auto result = RunProcess(spec);
  ASSERT_TRUE(result) << result.error().message;
  EXPECT_EQ(result->output, "");
  EXPECT_FALSE(result->output_cut);
  EXPECT_EQ(all.size(), 588'895U);
  EXPECT_THAT(all, AllOf(StartsWith("1\n2\n3\n"), EndsWith("99999\n100000\n")));
  EXPECT_GT(pieces, 1U);
}

TEST(ProcessTest, HoldsTheChildBackWhileTheReaderIsSlow) {
  // dd sleeps only where a full pipe stops it. While the reader thinks about the first piece, that
  // is at most so far on: a piece being read (256 KiB), a pipe (1 MiB), the block it tries to
  // write.
  constexpr std::size_t kBlock = 65536;
  constexpr std::size_t kBlocks = 80;
  pid_t pid = 0;
  std::size_t total = 0;
  std::int64_t written = -1;
  ProcessSpec spec;
  spec.argv = {"dd", "if=/dev/zero", fmt::format("bs={}", kBlock),
               fmt::format("count={}", kBlocks)};
  spec.on_start = [&](pid_t child) { pid = child; };
  spec.on_output = [&](std::string_view piece) {
    total += piece.size();
    if (written < 0) {
      const std::string proc = fmt::format("/proc/{}/", pid);
      while (FileText(proc + "stat").find(") S ") == std::string::npos) std::this_thread::yield();
      const std::string io = FileText(proc + "io");
      written = std::stol(io.substr(io.find("wchar: ") + 7));
    }
    return true;
  };
  const auto result = RunProcess(spec);
  ASSERT_TRUE(result) << result.error().message;
  EXPECT_GE(written, static_cast<std::int64_t>(kBlock));
  EXPECT_LE(written, static_cast<std::int64_t>((4 + 16 + 1) * kBlock));
  EXPECT_EQ(total, kBlocks * kBlock);
}

TEST(ProcessTest, EndsAChildWhoseOutputIsNotWantedAnyMore) {
  ProcessSpec spec;
  spec.argv = {"yes"};
  int pieces = 0;
  spec.on_output = [&](std::string_view) { return ++pieces < 3; };
  const auto result = RunProcess(spec);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().cause, Cause::kFailed);
  EXPECT_EQ(pieces, 3);
  EXPECT_THAT(result.error().message, HasSubstr("not wanted any more"));
}

TEST(ProcessTest, StopsWhenAsked) {
  std::stop_source stop;
  ProcessSpec spec = Shell("echo up; exec sleep 1000");
  spec.stop = stop.get_token();
  spec.on_output = [&](std::string_view) {
    stop.request_stop();
    return true;
  };
  const auto result = RunProcess(spec);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().cause, Cause::kFailed);
  EXPECT_EQ(result.error().message, "sh was cancelled: ended by signal 15");
}

TEST(ProcessTest, StopsFromAnotherThreadAndBeforeItBegins) {
  std::stop_source stop;
  std::atomic<bool> started = false;
  std::thread other([&] {
    started.wait(false);
    stop.request_stop();
  });
  ProcessSpec spec;
  spec.argv = {"sleep", "1000"};
  spec.stop = stop.get_token();
  spec.on_start = [&](pid_t) {
    started = true;
    started.notify_all();
  };
  EXPECT_THAT(RunProcess(spec).error().message, StartsWith("sleep was cancelled"));
  other.join();
  EXPECT_THAT(RunProcess(spec).error().message, StartsWith("sleep was cancelled"));
}

TEST(ProcessTest, TellsTheSignalThatEndedTheChild) {
  const auto result = RunProcess(Shell("kill -SEGV $$"));
  ASSERT_TRUE(result) << result.error().message;
  EXPECT_EQ(result->signal, SIGSEGV);
  EXPECT_FALSE(result->succeeded());
  EXPECT_EQ(result->Describe(), "ended by signal 11");
}

TEST(ProcessTest, GivesTheChildDefaultSignalsAndNoneBlocked) {
  sigset_t all;
  sigset_t before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  const auto old = ::signal(SIGPIPE, SIG_IGN);
  const auto result = RunProcess(Shell("grep -E '^Sig(Blk|Ign)' /proc/self/status"));
  ::signal(SIGPIPE, old);
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  ASSERT_TRUE(result) << result.error().message;
  // The two bits are glibc's own (32 and 33), which its posix_spawn always ignores.
  EXPECT_THAT(result->output, AnyOf("SigBlk:\t0000000000000000\nSigIgn:\t0000000180000000\n",
                                    "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n"));
}

TEST(ProcessTest, LearnsTheExitStatusWhereSigchldWasIgnored) {
  const auto before = ::signal(SIGCHLD, SIG_IGN);
  const auto result = RunProcess(Shell("exit 7"));
  ::signal(SIGCHLD, before);
  ASSERT_TRUE(result) << result.error().message;
  EXPECT_EQ(result->exit_code, 7);
}

TEST(ProcessTest, PassesNoDescriptorButTheThree) {
  const int leaky = ::open("/dev/null", O_RDONLY);  // not close-on-exec, as a library might
  const auto result = RunProcess(Shell("echo /proc/self/fd/*; exec 3>&- ; ls /proc/self/fd"));
  ::close(leaky);
  ASSERT_TRUE(result) << result.error().message;
  // ls itself opens 3 to read the directory.
  EXPECT_THAT(result->output, EndsWith("\n0\n1\n2\n3\n"));
}

TEST(ProcessTest, RunsInAGroupOfItsOwn) {
  const auto result = RunProcess(Shell("cut -d' ' -f5 /proc/$$/stat; echo $$"));
  ASSERT_TRUE(result) << result.error().message;
  const std::size_t half = result->output.size() / 2;
  EXPECT_EQ(result->output.substr(0, half), result->output.substr(half));
}

TEST(ProcessTest, LeavesNoZombieAndNoDescriptorBehind) {
  const auto descriptors = [] {
    return std::distance(std::filesystem::directory_iterator("/proc/self/fd"), {});
  };
  const auto before = descriptors();
  for (int i = 0; i < 20; ++i) {
    pid_t pid = 0;
    ProcessSpec spec = Shell("cat >/dev/null; exit 1");
    spec.standard_input = "x";
    spec.on_start = [&](pid_t child) { pid = child; };
    ASSERT_TRUE(RunProcess(spec));
    EXPECT_EQ(::kill(pid, 0), -1);
  }
  EXPECT_EQ(descriptors(), before);
}

TEST(ProcessTest, RunsManyAtOnce) {
  std::vector<std::thread> threads;
  std::atomic<int> good = 0;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&good, t] {
      for (int i = 0; i < 10; ++i) {
        ProcessSpec spec;
        spec.argv = {"cat"};
        spec.standard_input = fmt::format("{}-{}", t, i);
        const auto result = RunProcess(spec);
        if (result && result->output == spec.standard_input) ++good;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(good, 80);
}

TEST(ProcessResultTest, DescribesTheLastLinesWithinBounds) {
  ProcessResult result;
  result.exit_code = 1;
  EXPECT_EQ(result.Describe(), "exit status 1");
  result.error = "\n \n";
  EXPECT_EQ(result.Describe(), "exit status 1");
  result.error = "one\ntwo\n\nthree\nfour\t\x1b[0m\n\n";
  EXPECT_EQ(result.Describe(), "exit status 1: two; three; four  [0m");
  result.error = std::string(100'000, 'x') + "end\n";
  EXPECT_LT(result.Describe().size(), 450U);
  EXPECT_THAT(result.Describe(), AllOf(StartsWith("exit status 1: …x"), EndsWith("xend")));
}

}  // namespace
}  // namespace fettle
