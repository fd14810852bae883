// One S3 bucket: does it answer, what is in it, is it versioned.
//
//   fettle_s3_up{target,bucket}                            0 or 1
//   fettle_s3_objects, fettle_s3_bytes{target,bucket,prefix_group,storage_class,kind="current"}
//   fettle_s3_newest_object_timestamp_seconds{target,bucket,prefix_group}
//   fettle_s3_incomplete_uploads, fettle_s3_oldest_incomplete_upload_timestamp_seconds
//   fettle_s3_bucket_posture{target,bucket,check="versioning"}    with `posture: true`
//   fettle_s3_inventory_last_complete_timestamp_seconds, _scan_duration_seconds
//   fettle_s3_inventory_pages_total{target,bucket}         LIST requests of the inventory
// Looking costs money (a LIST of 1,000 keys is $0.000005): the bucket is asked whether it is there
// once a minute; the inventory is made every `inventory_every`, and every 15 minutes while it takes
// no more than ten pages. It goes on over several turns, and shows the last whole one meanwhile.
#pragma once

#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "common/collector.h"
#include "common/connections.h"
#include "common/log.h"
#include "common/metrics.h"
#include "common/s3.h"
#include "common/yaml.h"
#include "exporter/collectors/s3_inventory.h"

namespace fettle::exporter {

struct S3CollectorConfig {
  std::string name;
  std::string connection_name;
  S3Connection connection;
  std::string bucket;
  std::string prefix;  // only what is below it
  std::vector<S3Group> groups;
  bool posture = false;
  Millis inventory_every{std::chrono::hours(24)};
  Millis interval{0};  // 0: the exporter's
};
// `exporter.s3`: a list.
std::vector<S3CollectorConfig> ReadS3CollectorConfigs(yaml::Mapping& exporter,
                                                      const Connections& connections);

// What the last whole inventory found, for the cost model.
struct S3Usage {
  std::string bucket;
  std::map<std::string, std::int64_t> bytes_by_class;
  Time at;
};

class S3Collector final : public Collector {
 public:
  static constexpr Millis kCheckEvery{60'000};
  static constexpr Millis kSmallEvery{15 * 60'000};
  static constexpr std::int64_t kSmallPages = 10;

  struct Deps {
    HttpTransport& transport;
    const Clock& clock;
    Random& random;
    Metrics& metrics;
    Log log;
    std::function<bool(Millis)> wait = {};  // as S3::Deps
  };
  S3Collector(Deps deps, S3CollectorConfig config);

  std::string_view Name() const override { return "s3"; }
  std::string_view Target() const override { return config_.name; }
  Result<std::vector<MetricFamily>> Collect(const CollectContext& context) override;
  std::vector<MetricFamily> WhenDown() const override;

  // nullopt before the first whole inventory. Any thread.
  std::optional<S3Usage> Usage() const;

 private:
  struct Scan {
    S3Inventory inventory;
    std::optional<std::vector<S3::Upload>> uploads;  // nullopt: they may not be listed
    Moment began{};
    Moment ended{};
  };
  Status Check();
  Status Continue(const CollectContext& context);
  bool IsDue(const Moment& now) const;
  std::vector<MetricFamily> Show() const;
  void TellOnce(const std::string& what, const Error& error);

  const Deps deps_;
  const S3CollectorConfig config_;
  const Labels labels_;
  S3 s3_;
  std::optional<BootTime> checked_at_;
  std::optional<S3Versioning> versioning_;
  std::set<std::string> told_;
  std::optional<Scan> scan_;  // under way
  mutable std::mutex mutex_;
  std::optional<Scan> whole_;  // guarded by mutex_
};

}  // namespace fettle::exporter
