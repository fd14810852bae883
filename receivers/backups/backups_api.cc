#include "receivers/backups/backups_api.h"

#include <string>

#include "common/json.h"

namespace fettle::receivers::backups {
namespace {

constexpr std::string_view kPrefix = "/api/fettle/v1/backups/";
constexpr std::string_view kRun = "/run";
constexpr Millis kAnswerTimeout{5'000};

HttpResponse ErrorResponse(int status, std::string_view text) {
  JsonWriter json;
  json.BeginObject().Field("error", text).EndObject();
  return JsonResponse(status, json.Take() + "\n");
}

}  // namespace

HttpResponse ServeBackups(const Backups& backups, const HttpRequest&) {
  return JsonResponse(200, JobsJson(backups.View()));
}

HttpResponse ServeBackupRun(Backups& backups, Brain& brain, const HttpRequest& request) {
  std::string name = request.Path();
  if (!name.starts_with(kPrefix) || !name.ends_with(kRun) ||
      name.size() <= kPrefix.size() + kRun.size()) {
    return ErrorResponse(404, "POST /api/fettle/v1/backups/NAME/run runs a job");
  }
  name = name.substr(kPrefix.size(), name.size() - kPrefix.size() - kRun.size());
  const Result<bool> begun = brain.Call(kAnswerTimeout, [&backups, name](const Moment&) {
    return backups.RunNow(name, [](const Result<BackupOutcome>&, const Moment&) {});
  });
  if (!begun) return ErrorResponse(503, begun.error().message);
  if (!*begun) return ErrorResponse(404, "there is no backup job named \"" + name + "\"");
  return JsonResponse(202, JobsJson(backups.View()));
}

}  // namespace fettle::receivers::backups
