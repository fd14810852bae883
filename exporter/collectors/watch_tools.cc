#include <algorithm>
#include <cstdlib>
#include <utility>

#include "common/process.h"
#include "exporter/collectors/watch.h"
#include "exporter/collectors/watch_lists.h"

namespace fettle::exporter {
namespace {

class ToolWatcher final : public Watcher {
 public:
  explicit ToolWatcher(WatchTool tool) : tool_(std::move(tool)) {}

  Result<FoundBackups> Look(const CollectContext& context) override {
    ProcessSpec spec{
        .argv = tool_.argv, .environment = tool_.environment, .output_bytes_max = kListBytesMax};
    std::vector<std::string> hidden;
    for (const auto& [name, secret] : tool_.secrets) {
      const Result<std::string> text = secret.Reveal();
      if (!text) return While("reading " + name, text.error());
      spec.environment[name] = *text;
      hidden.push_back(*text);
    }
    // Its files (caches, keys, known hosts) are below the home of whom we run as.
    if (const char* home = std::getenv("HOME"); home != nullptr) {
      spec.environment.emplace("HOME", home);
    }
    spec.timeout = std::max(
        Millis(1), std::chrono::duration_cast<Millis>(context.deadline - context.now.boot));
    const Result<ProcessResult> ended = RunProcess(spec);
    const std::string& program = tool_.argv.front();
    if (!ended) return While(program, ended.error());
    if (!ended->succeeded()) {
      return Fail(Cause::kUnavailable, "{}: {}", program, Without(ended->Describe(), hidden));
    }
    if (ended->output_cut) {
      return Fail(Cause::kLimit, "{}: its list is longer than {} bytes", program, kListBytesMax);
    }
    Result<FoundBackups> found = ReadToolList(tool_.tool, ended->output, tool_.subject);
    if (!found) return While(program, found.error());
    return found;
  }

 private:
  // What a tool says of its failure may repeat what it was given.
  static std::string Without(std::string text, const std::vector<std::string>& hidden) {
    for (const std::string& secret : hidden) {
      for (std::size_t at = 0; !secret.empty() && (at = text.find(secret, at)) != text.npos;) {
        text.replace(at, secret.size(), "<secret>");
        at += std::string_view("<secret>").size();
      }
    }
    return text;
  }

  const WatchTool tool_;
};

}  // namespace

std::unique_ptr<Watcher> WatchToolOf(WatchTool tool) {
  return std::make_unique<ToolWatcher>(std::move(tool));
}

}  // namespace fettle::exporter
