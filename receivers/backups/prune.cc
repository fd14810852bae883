#include "receivers/backups/prune.h"

#include "common/check.h"
#include "receivers/backups/catalogue.h"

namespace fettle::receivers::backups {
namespace {

// The survivor is there: its manifest can be read, and each of its objects has its size.
Status LooksWhole(Destination& destination, const std::string& run_id) {
  const Result<Manifest> manifest = FetchManifest(destination, run_id);
  if (!manifest) return tl::unexpected(manifest.error());
  for (const StoredObject& object : manifest->objects) {
    const Result<std::int64_t> size = destination.Size(SetPrefix(run_id) + object.name);
    if (!size) return tl::unexpected(size.error());
    if (*size != object.size_bytes) {
      return Fail(Cause::kInvalid, "{} of {} has {} bytes, {} were written", object.name, run_id,
                  *size, object.size_bytes);
    }
  }
  return {};
}

Status RemoveSet(Destination& destination, const std::string& run_id) {
  FETTLE_CHECK(IsRunId(run_id));
  const std::string prefix = SetPrefix(run_id);
  if (Status gone = destination.Remove(prefix + std::string(kManifestName)); !gone) return gone;
  const Result<std::vector<std::string>> keys = destination.List(prefix);
  if (!keys) return tl::unexpected(keys.error());
  for (const std::string& key : *keys) {
    FETTLE_CHECK(key.starts_with(prefix));
    if (Status gone = destination.Remove(key); !gone) return gone;
  }
  return {};
}

}  // namespace

Result<PruneReport> Prune(Destination& destination, const std::vector<RetainedSet>& sets,
                          const RetentionPlan& plan) {
  if (plan.blocked != Blocked::kNone) {
    return Fail(Cause::kConflict, "nothing is removed: {}", ToString(plan.blocked));
  }
  const std::string last = LastGood(sets);
  if (last.empty()) return Fail(Cause::kConflict, "nothing is removed: there is no good set");
  PruneReport report;
  for (const std::string& id : plan.Removals()) {
    FETTLE_CHECK(id != last);
    if (Status whole = LooksWhole(destination, last); !whole) {
      return While("looking at the last good set again", whole.error());
    }
    const Status removed = RemoveSet(destination, id);
    if (removed) {
      report.removed.push_back(id);
    } else if (removed.error().cause == Cause::kDenied) {
      report.retained.push_back(id);
    } else {
      return While("removing set " + id, removed.error());
    }
  }
  return report;
}

}  // namespace fettle::receivers::backups
