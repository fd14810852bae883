#include "exporter/collectors/s3.h"

#include <algorithm>
#include <utility>

#include "exporter/collectors/configured.h"

namespace fettle::exporter {
namespace {

// A request gives up well before a turn does.
constexpr S3::Options kOptions{.tries_max = 3, .budget = Millis(6'000), .timeout = Millis(4'000)};
// What one more page may take of a turn.
constexpr Millis kPageTime{2'000};

Labels With(Labels labels, std::initializer_list<Labels::Pair> more) {
  for (const auto& [name, value] : more) labels.Set(name, value);
  return labels;
}

MetricFamily Gauge(std::string name, std::string help, std::vector<MetricPoint> points) {
  return {std::move(name), std::move(help), MetricType::kGauge, std::move(points)};
}

MetricFamily UpFamily(const Labels& labels, bool up) {
  return Gauge("fettle_s3_up", "1 if the bucket can be reached with the configured keys.",
               {{"", labels, up ? 1.0 : 0.0}});
}

void ReadGroups(yaml::Mapping& mapping, std::vector<S3Group>& groups) {
  mapping.ForEachEntry("groups", [&](const yaml::Node& name, const yaml::Node& prefix) {
    if (name.text == S3Inventory::kOther || name.text == S3Inventory::kAll) {
      mapping.Complain(name.place, yaml::Shown(name.text) + " is the name of what is in no group");
    }
    if (prefix.kind != yaml::Node::Kind::kScalar || prefix.text.empty()) {
      mapping.Complain(prefix.place, "a group's prefix must be a text such as pg/");
      return;
    }
    for (const S3Group& group : groups) {
      if (group.prefix == prefix.text) {
        mapping.Complain(prefix.place, "groups " + yaml::Shown(group.name) + " and " +
                                           yaml::Shown(name.text) + " have the same prefix");
      }
    }
    groups.push_back({name.text, prefix.text});
  });
}

}  // namespace

std::vector<S3CollectorConfig> ReadS3CollectorConfigs(yaml::Mapping& exporter,
                                                      const Connections& connections) {
  std::vector<S3CollectorConfig> all;
  std::set<std::string> seen;
  exporter.ForEach("s3", [&](const yaml::Node& node) {
    yaml::Mapping mapping(node, "exporter.s3", exporter.complaints());
    S3CollectorConfig config;
    config.name = mapping.Require<std::string>("name");
    if (!config.name.empty() && !seen.insert(config.name).second) {
      mapping.Complain(PlaceOf(mapping, "name"), yaml::Shown(config.name) + " is observed twice");
    }
    std::tie(config.connection_name, config.connection) = ReadConnection(mapping, connections.s3);
    config.bucket = mapping.Require<std::string>("bucket");
    config.prefix = mapping.Get<std::string>("prefix", "");
    ReadGroups(mapping, config.groups);
    config.posture = mapping.Get<bool>("posture", false);
    config.inventory_every = mapping.Get<Millis>("inventory_every", config.inventory_every);
    if (config.inventory_every < std::chrono::minutes(1)) {
      mapping.Complain(PlaceOf(mapping, "inventory_every"),
                       "inventory_every must be at least 1m: every page of a list is paid for");
    }
    config.interval = ReadInterval(mapping, config.interval);
    all.push_back(std::move(config));
  });
  return all;
}

S3Collector::S3Collector(Deps deps, S3CollectorConfig config)
    : deps_(std::move(deps)),
      config_(std::move(config)),
      labels_({{"target", config_.name}, {"bucket", config_.bucket}}),
      s3_({.transport = deps_.transport,
           .clock = deps_.clock,
           .random = deps_.random,
           .metrics = deps_.metrics,
           .log = deps_.log,
           .wait = deps_.wait},
          config_.connection_name, config_.connection, kOptions) {}

std::vector<MetricFamily> S3Collector::WhenDown() const { return {UpFamily(labels_, false)}; }

std::optional<S3Usage> S3Collector::Usage() const {
  const std::lock_guard lock(mutex_);
  if (!whole_) return std::nullopt;
  return S3Usage{config_.bucket, whole_->inventory.BytesByClass(), whole_->ended.wall};
}

void S3Collector::TellOnce(const std::string& what, const Error& error) {
  if (!told_.insert(what).second) return;
  deps_.log.Warn("a part of the bucket's state cannot be read and is absent",
                 {{"target", config_.name}, {"what", what}, {"err", error.message}});
}

Result<std::vector<MetricFamily>> S3Collector::Collect(const CollectContext& context) {
  Status done;
  if (!checked_at_ || context.now.boot - *checked_at_ >= kCheckEvery) {
    done = Check();
    if (done) checked_at_ = context.now.boot;
  }
  if (done && (scan_ || IsDue(context.now))) done = Continue(context);
  if (done) return Show();
  checked_at_.reset();
  return tl::unexpected(done.error());
}

Status S3Collector::Check() {
  if (Status reached = s3_.Reach(config_.bucket); !reached) return reached;
  if (!config_.posture) return {};
  const Result<S3Versioning> versioning = s3_.Versioning(config_.bucket);
  versioning_.reset();
  if (versioning) {
    versioning_ = *versioning;
    told_.erase("versioning");
  } else if (versioning.error().retryable()) {
    return tl::unexpected(versioning.error());
  } else {
    TellOnce("versioning", versioning.error());
  }
  return {};
}

bool S3Collector::IsDue(const Moment& now) const {
  const std::lock_guard lock(mutex_);
  if (!whole_) return true;
  const bool small = whole_->inventory.pages() <= kSmallPages;
  const Millis every =
      small ? std::min(kSmallEvery, config_.inventory_every) : config_.inventory_every;
  return now.boot - whole_->began.boot >= every;
}

Status S3Collector::Continue(const CollectContext& context) {
  if (!scan_) {
    Scan fresh{S3Inventory(config_.groups), std::nullopt, context.now, {}};
    Result<std::vector<S3::Upload>> uploads =
        s3_.ListMultipartUploads(config_.bucket, config_.prefix);
    if (uploads) {
      fresh.uploads = *std::move(uploads);
    } else if (uploads.error().retryable()) {
      return tl::unexpected(uploads.error());
    } else {
      TellOnce("incomplete uploads", uploads.error());
    }
    scan_ = std::move(fresh);
  }
  prometheus::Counter& pages = deps_.metrics.Counter(
      "fettle_s3_inventory_pages_total", "Pages of lists that inventories asked for.", labels_);
  bool interrupted = false;
  const Status listed = s3_.List(
      config_.bucket, config_.prefix,
      [&](const std::vector<S3Object>& page) {
        pages.Increment();
        scan_->inventory.Add(page);
        interrupted = deps_.clock.Now().boot + kPageTime >= context.deadline;
        return !interrupted;
      },
      scan_->inventory.last_key());
  if (!listed) {
    // What waiting helps goes on where it was; a list that contradicts itself begins anew.
    if (!listed.error().retryable()) scan_.reset();
    return listed;
  }
  if (interrupted) return {};
  scan_->ended = deps_.clock.Now();
  const std::lock_guard lock(mutex_);
  whole_ = std::exchange(scan_, std::nullopt);
  return {};
}

std::vector<MetricFamily> S3Collector::Show() const {
  std::vector<MetricFamily> all{UpFamily(labels_, true)};
  if (versioning_) {
    all.push_back(Gauge("fettle_s3_bucket_posture", "1 if the bucket passes the check.",
                        {{"", With(labels_, {{"check", "versioning"}}),
                          *versioning_ == S3Versioning::kEnabled ? 1.0 : 0.0}}));
  }
  const std::lock_guard lock(mutex_);
  if (!whole_) return all;
  MetricFamily objects = Gauge("fettle_s3_objects", "Objects in the bucket.", {});
  MetricFamily bytes = Gauge("fettle_s3_bytes", "Size of the objects in the bucket.", {});
  MetricFamily newest = Gauge("fettle_s3_newest_object_timestamp_seconds",
                              "When the newest object of the group was written.", {});
  for (const auto& [place, totals] : whole_->inventory.totals()) {
    const Labels labels =
        With(labels_,
             {{"prefix_group", place.first}, {"storage_class", place.second}, {"kind", "current"}});
    objects.points.push_back({"", labels, static_cast<double>(totals.objects)});
    bytes.points.push_back({"", labels, static_cast<double>(totals.bytes)});
  }
  for (const auto& [group, at] : whole_->inventory.newest()) {
    newest.points.push_back({"", With(labels_, {{"prefix_group", group}}), ToSeconds(at)});
  }
  all.push_back(std::move(objects));
  all.push_back(std::move(bytes));
  if (!newest.points.empty()) all.push_back(std::move(newest));
  if (whole_->uploads) {
    all.push_back(Gauge("fettle_s3_incomplete_uploads",
                        "Uploads that were begun and neither completed nor aborted.",
                        {{"", labels_, static_cast<double>(whole_->uploads->size())}}));
    const auto oldest = std::min_element(
        whole_->uploads->begin(), whole_->uploads->end(),
        [](const S3::Upload& a, const S3::Upload& b) { return a.initiated < b.initiated; });
    if (oldest != whole_->uploads->end()) {
      all.push_back(Gauge("fettle_s3_oldest_incomplete_upload_timestamp_seconds",
                          "When the oldest of them was begun.",
                          {{"", labels_, ToSeconds(oldest->initiated)}}));
    }
  }
  all.push_back(Gauge("fettle_s3_inventory_last_complete_timestamp_seconds",
                      "When the inventory shown was complete.",
                      {{"", labels_, ToSeconds(whole_->ended.wall)}}));
  all.push_back(Gauge("fettle_s3_inventory_scan_duration_seconds",
                      "How long the inventory shown took.",
                      {{"", labels_, ToSeconds(whole_->ended.boot - whole_->began.boot)}}));
  return all;
}

}  // namespace fettle::exporter
