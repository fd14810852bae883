#include "receivers/backups/backups_api.h"

#include <algorithm>
#include <memory>
#include <string>

#include "common/json.h"

namespace fettle::receivers::backups {
namespace {

constexpr std::string_view kPrefix = "/api/fettle/v1/backups/";
constexpr Millis kAnswerTimeout{5'000};

HttpResponse ErrorResponse(int status, std::string_view text) {
  JsonWriter json;
  json.BeginObject().Field("error", text).EndObject();
  return JsonResponse(status, json.Take() + "\n");
}

HttpResponse NoSuchJob(const std::string& name) {
  return ErrorResponse(404, "there is no backup job named \"" + name + "\"");
}

// The job and what is kept of it, as one document; "" if there is no such job.
std::string Detail(const Backups& backups, const std::string& name) {
  std::vector<JobView> jobs = backups.View();
  std::erase_if(jobs, [&](const JobView& job) { return job.name != name; });
  if (jobs.empty()) return "";
  JsonWriter json;
  json.BeginObject().Key("job").BeginObject();
  WriteJob(json, jobs.front());
  json.EndObject();
  for (const KeptView& kept : backups.Kept()) {
    if (kept.name == name) WriteKept(json, kept);
  }
  json.EndObject();
  return json.Take() + "\n";
}

std::optional<Chore> ChoreOf(std::string_view verb) {
  for (const Chore chore : {Chore::kLook, Chore::kPrune, Chore::kVerify, Chore::kHold,
                            Chore::kRelease, Chore::kDrill}) {
    if (ToString(chore) == verb) return chore;
  }
  return std::nullopt;
}

// nullopt: a parameter is none.
std::optional<ChoreRequest> RequestOf(Chore chore, const HttpRequest& request) {
  ChoreRequest wanted{.chore = chore};
  wanted.set = request.Query("set").value_or("");
  wanted.approved = request.Query("plan").value_or("");
  const std::string level = request.Query("level").value_or("3");
  if (level.size() != 1 || level[0] < '1' || level[0] > '3') return std::nullopt;
  wanted.level = level[0] - '0';
  if (!wanted.set.empty() && !IsRunId(wanted.set)) return std::nullopt;
  return wanted;
}

// Begun or waiting, unless it is refused at once.
HttpResponse AskFor(Backups& backups, Brain& brain, const std::string& name,
                    const ChoreRequest& wanted) {
  struct Asked {
    bool answering = true;  // until the question has been put
    std::optional<Error> refused;
  };
  const auto asked = brain.Call(kAnswerTimeout, [&backups, name, wanted](const Moment&) {
    auto state = std::make_shared<Asked>();
    backups.Ask(name, wanted, [state](const Result<std::string>& sentence, const Moment&) {
      if (state->answering && !sentence) state->refused = sentence.error();
    });
    state->answering = false;
    return state->refused;
  });
  if (!asked) return ErrorResponse(503, asked.error().message);
  if (!*asked) return JsonResponse(202, Detail(backups, name));
  const int status = (*asked)->cause == Cause::kNotFound ? 404 : 409;
  return ErrorResponse(status, (*asked)->message);
}

}  // namespace

HttpResponse ServeBackups(const Backups& backups, const HttpRequest& request) {
  const std::string path = request.Path();
  if (!path.starts_with(kPrefix)) return JsonResponse(200, JobsJson(backups.View()));
  const std::string name = path.substr(kPrefix.size());
  std::string detail = Detail(backups, name);
  return detail.empty() ? NoSuchJob(name) : JsonResponse(200, std::move(detail));
}

HttpResponse ServeBackupAction(Backups& backups, Brain& brain, const HttpRequest& request) {
  const std::string path = request.Path();
  const std::size_t slash = path.rfind('/');
  if (!path.starts_with(kPrefix) || slash <= kPrefix.size()) {
    return ErrorResponse(404, "POST /api/fettle/v1/backups/NAME/VERB asks something of a job");
  }
  const std::string name = path.substr(kPrefix.size(), slash - kPrefix.size());
  const std::string verb = path.substr(slash + 1);
  if (verb != "run") {
    const std::optional<Chore> chore = ChoreOf(verb);
    if (!chore) return ErrorResponse(404, "a backup job cannot be asked to \"" + verb + "\"");
    const std::optional<ChoreRequest> wanted = RequestOf(*chore, request);
    if (!wanted) return ErrorResponse(400, "set is a run's id, level is 1, 2 or 3");
    return AskFor(backups, brain, name, *wanted);
  }
  const Result<bool> begun = brain.Call(kAnswerTimeout, [&backups, name](const Moment&) {
    return backups.RunNow(name, [](const Result<BackupOutcome>&, const Moment&) {});
  });
  if (!begun) return ErrorResponse(503, begun.error().message);
  if (!*begun) return NoSuchJob(name);
  return JsonResponse(202, JobsJson(backups.View()));
}

}  // namespace fettle::receivers::backups
