#include <utility>

#include "common/s3.h"
#include "exporter/collectors/watch.h"

namespace fettle::exporter {
namespace {

// A request gives up well before a turn does.
constexpr S3::Options kWatchOptions{
    .tries_max = 3, .budget = Millis(20'000), .timeout = Millis(8'000)};

class ObjectsWatcher final : public Watcher {
 public:
  ObjectsWatcher(const WatchDeps& deps, WatchObjects objects)
      : objects_(std::move(objects)),
        s3_({.transport = deps.transport,
             .clock = deps.clock,
             .random = deps.random,
             .metrics = deps.metrics,
             .log = deps.log},
            objects_.connection_name, objects_.connection, kWatchOptions),
        clock_(deps.clock) {}

  Result<FoundBackups> Look(const CollectContext& context) override {
    FoundBackups all;
    bool late = false;
    const Status listed =
        s3_.List(objects_.bucket, objects_.prefix, [&](const std::vector<S3Object>& page) {
          for (const S3Object& object : page) {
            if (!object.key.ends_with(objects_.suffix)) continue;
            all.backups.push_back({.at = ToSeconds(object.last_modified),
                                   .bytes = static_cast<double>(object.size_bytes)});
          }
          late = clock_.Now().boot >= context.deadline;
          return !late && all.backups.size() <= kFoundMax;
        });
    if (!listed) return tl::unexpected(listed.error());
    // Half a list says nothing: what is newest may be in the other half.
    if (late)
      return Fail(Cause::kTimeout, "listing s3://{}/{}: its time is over", objects_.bucket,
                  objects_.prefix);
    if (all.backups.size() > kFoundMax) {
      return Fail(Cause::kLimit, "more than {} objects below s3://{}/{}; exporter.s3 is for those",
                  kFoundMax, objects_.bucket, objects_.prefix);
    }
    return all;
  }

 private:
  const WatchObjects objects_;
  S3 s3_;
  const Clock& clock_;
};

}  // namespace

std::unique_ptr<Watcher> WatchObjectsOf(const WatchDeps& deps, WatchObjects objects) {
  return std::make_unique<ObjectsWatcher>(deps, std::move(objects));
}

}  // namespace fettle::exporter
