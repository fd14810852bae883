// Programs and servers of a drill.
#include <array>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <utility>

#include "common/process.h"
#include "receivers/backups/drill.h"

namespace fettle::receivers::backups {
namespace {

constexpr Millis kReadyEvery{50};

std::vector<std::string> AsUser(const Scratch& scratch, std::vector<std::string> argv) {
  argv.insert(argv.begin(), scratch.as_user.begin(), scratch.as_user.end());
  return argv;
}

// What a program says when the machine lacks something that the backup cannot be blamed for.
bool IsOurFault(const std::string& said) {
  constexpr std::array<std::string_view, 6> kSigns = {"No space left on device",
                                                      "could not open extension control file",
                                                      "is not available",
                                                      "Cannot allocate memory",
                                                      "could not access file \"$libdir",
                                                      "No such file or directory"};
  for (const std::string_view sign : kSigns) {
    if (said.find(sign) != std::string::npos) return true;
  }
  return false;
}

}  // namespace

Result<std::string> AskTool(const Scratch& scratch, std::vector<std::string> argv, int input_fd) {
  const std::string program = argv.front();
  const Result<ProcessResult> ran = RunProcess(
      {.argv = AsUser(scratch, std::move(argv)),
       .environment = {{"HOME", scratch.directory}, {"LC_ALL", "C.UTF-8"}, {"TZ", "UTC"}},
       .directory = scratch.directory,
       .input_fd = input_fd,
       .timeout = scratch.timeout,
       .stop = scratch.stop});
  if (!ran) {
    const bool missing = ran.error().cause == Cause::kNotFound;
    return tl::unexpected(
        Error{ran.error().message, missing ? Cause::kUnavailable : ran.error().cause});
  }
  if (ran->succeeded()) return ran->output;
  // setpriv says so itself where there is no such program.
  const Cause cause = IsOurFault(ran->error) ? Cause::kUnavailable : Cause::kInvalid;
  return Fail(cause, "{}: {}", program, ran->Describe());
}

Status RunTool(const Scratch& scratch, std::vector<std::string> argv, int input_fd) {
  const Result<std::string> ran = AskTool(scratch, std::move(argv), input_fd);
  if (!ran) return tl::unexpected(ran.error());
  return {};
}

class BackgroundProcess {
 public:
  BackgroundProcess(const Scratch& scratch, std::vector<std::string> argv)
      : runner_([this, argv = AsUser(scratch, std::move(argv)),
                 scratch](const std::stop_token& stop) {
          // The drill's own stop ends whoever waits for us, and that ends us.
          const Result<ProcessResult> ran = RunProcess(
              {.argv = argv,
               .environment = {{"HOME", scratch.directory}, {"LC_ALL", "C.UTF-8"}, {"TZ", "UTC"}},
               .directory = scratch.directory,
               .timeout = scratch.timeout + Millis(60'000),
               .kill_after = Millis(3'000),
               .stop = stop});
          const std::lock_guard lock(mutex_);
          said_ = ran ? ran->Describe() : ran.error().message;
          changed_.notify_all();
        }) {}

  // What it said at its end; nullopt if it still runs after that time.
  std::optional<std::string> EndsWithin(Millis time) {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, time, [this] { return said_.has_value(); });
    return said_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::optional<std::string> said_;  // guarded by mutex_
  std::jthread runner_;
};

void BackgroundEnd::operator()(BackgroundProcess* process) const { delete process; }

Background RunInBackground(const Scratch& scratch, std::vector<std::string> argv) {
  return Background(new BackgroundProcess(scratch, std::move(argv)));
}

Status WaitFor(const Scratch& scratch, BackgroundProcess& process,
               const std::function<bool()>& ready, Millis within) {
  for (Millis waited(0); waited < within; waited += kReadyEvery) {
    if (ready()) return {};
    if (scratch.stop.stop_requested()) break;
    if (const auto said = process.EndsWithin(kReadyEvery)) {
      return Fail("it ended: {}", *said);
    }
  }
  return Fail(Cause::kUnavailable, "it did not get ready");
}

}  // namespace fettle::receivers::backups
