#include "exporter/remote_write/remote_writer.h"

#include <snappy.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <utility>

#include "exporter/remote_write/wire.h"

namespace fettle::exporter {
namespace {

// A frame holds no more; a large batch becomes several.
constexpr std::size_t kFrameTarget = 1024 * 1024;
constexpr Millis kLookEvery{1'000};

// An entry of a frame: hash (4), time (8), length (4), then a field of WriteRequest.
constexpr std::size_t kEntryHead = 16;

template <typename T>
void PutRaw(T value, std::string& out) {
  char bytes[sizeof value];
  std::memcpy(bytes, &value, sizeof value);
  out.append(bytes, sizeof value);
}
template <typename T>
T GetRaw(const char* at) {
  T value{};
  std::memcpy(&value, at, sizeof value);
  return value;
}

Labels WithExternal(const Labels& labels, const Labels& external) {
  Labels all = labels;
  for (const auto& [name, value] : external) {
    if (!all.Has(name)) all.Set(name, value);
  }
  return all;
}

// Whole seconds; other forms of the header are not worth reading.
std::optional<Millis> RetryAfter(const HttpResponse& response) {
  const std::string_view text = response.headers.Get("Retry-After");
  int seconds = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  constexpr int kSecondsMax = 3'600;
  if (error != std::errc() || seconds <= 0) return std::nullopt;
  return std::chrono::seconds(std::min(seconds, kSecondsMax));
}

}  // namespace

struct RemoteWriter::Counters {
  Counters(Metrics& metrics, const RemoteWriteConfig& config)
      : labels{{"remote_name", config.name}, {"url", config.url}},
        samples(Count(metrics, "prometheus_remote_storage_samples_total",
                      "Samples sent to the remote storage.")),
        exemplars(Count(metrics, "prometheus_remote_storage_exemplars_total",
                        "Exemplars sent to the remote storage.")),
        failed(Count(metrics, "prometheus_remote_storage_samples_failed_total",
                     "Samples which failed on send to remote storage, non-recoverable errors.")),
        retried(Count(metrics, "prometheus_remote_storage_samples_retried_total",
                      "Samples which failed on send to remote storage but were retried.")),
        bytes(Count(metrics, "prometheus_remote_storage_bytes_total",
                    "Bytes of data sent by queue after compression.")),
        metadata(Count(metrics, "prometheus_remote_storage_metadata_total",
                       "Metadata entries sent to remote storage.")),
        relabelled(Dropped(metrics, "dropped_series")),
        too_old(Dropped(metrics, "too_old")),
        full(Dropped(metrics, "backlog_full")),
        unwritten(Dropped(metrics, "disk_failed")),
        histograms(Dropped(metrics, "native_histogram")),
        pending(Show(metrics, "prometheus_remote_storage_samples_pending",
                     "Samples that wait to be sent.")),
        shards(Show(metrics, "prometheus_remote_storage_shards",
                    "Shards used for parallel sending to the remote storage.")),
        highest_sent(Show(metrics, "prometheus_remote_storage_queue_highest_sent_timestamp_seconds",
                          "Timestamp of the newest sample that was sent.")),
        highest(metrics.Gauge("prometheus_remote_storage_highest_timestamp_in_seconds",
                              "Highest timestamp that has come into the remote storage.")),
        backlog(metrics.Gauge("fettle_remote_write_backlog_bytes", "What waits on disk to be sent.",
                              labels)),
        seconds(metrics.Histogram("prometheus_remote_storage_sent_batch_duration_seconds",
                                  "Duration of send calls to the remote storage.",
                                  {.01, .05, .1, .5, 1, 5, 10, 25}, labels)) {
    Show(metrics, "prometheus_remote_storage_shards_max", "The most shards that are used.")
        .Set(static_cast<double>(config.shards_max));
    Show(metrics, "prometheus_remote_storage_shards_min", "The fewest shards that are used.")
        .Set(static_cast<double>(config.shards_min));
  }
  prometheus::Counter& Count(Metrics& metrics, const std::string& name, const std::string& help) {
    return metrics.Counter(name, help, labels);
  }
  prometheus::Gauge& Show(Metrics& metrics, const std::string& name, const std::string& help) {
    return metrics.Gauge(name, help, labels);
  }
  prometheus::Counter& Dropped(Metrics& metrics, const std::string& reason) {
    Labels all = labels;
    all.Set("reason", reason);
    return metrics.Counter("prometheus_remote_storage_samples_dropped_total",
                           "Samples that were not sent, by reason.", all);
  }

  const Labels labels;
  prometheus::Counter &samples, &exemplars, &failed, &retried, &bytes, &metadata;
  prometheus::Counter &relabelled, &too_old, &full, &unwritten, &histograms;
  prometheus::Gauge &pending, &shards, &highest_sent, &highest, &backlog;
  prometheus::Histogram& seconds;
};

// A request: fields of a WriteRequest behind one another.
struct RemoteWriter::Chunk {
  std::string message;
  std::size_t samples = 0;
  std::int64_t newest = 0;
};

Result<std::unique_ptr<RemoteWriter>> RemoteWriter::Open(Deps deps, RemoteWriteConfig config,
                                                         Options options) {
  auto backlog = Backlog::Open(options.directory, config.backlog_bytes_max);
  if (!backlog) return tl::unexpected(backlog.error());
  return std::unique_ptr<RemoteWriter>(new RemoteWriter(std::move(deps), std::move(config),
                                                        std::move(options), *std::move(backlog)));
}

RemoteWriter::RemoteWriter(Deps deps, RemoteWriteConfig config, Options options,
                           std::unique_ptr<Backlog> backlog)
    : deps_(std::move(deps)),
      config_(std::move(config)),
      options_(std::move(options)),
      backlog_(std::move(backlog)),
      counters_(std::make_unique<Counters>(deps_.metrics, config_)),
      external_labels_(options_.external_labels) {
  counters_->pending.Set(static_cast<double>(backlog_->count()));
  counters_->backlog.Set(static_cast<double>(backlog_->bytes()));
  if (!options_.threads) return;
  writer_ = std::jthread([this](const std::stop_token& stop) { Write(stop); });
  sender_ = std::jthread([this](const std::stop_token& stop) { Send(stop); });
}

RemoteWriter::~RemoteWriter() {
  sender_ = {};  // asked to stop, and waited for
  writer_ = {};
  WritePending();
}

void RemoteWriter::SetExternalLabels(Labels labels) {
  const std::lock_guard lock(mutex_);
  external_labels_ = std::move(labels);
}

void RemoteWriter::Take(std::shared_ptr<const Batch> batch) {
  const std::size_t samples = batch->samples.size();
  if (samples == 0 && batch->exemplars.empty()) return;
  {
    const std::lock_guard lock(mutex_);
    if (pending_samples_ + samples > kPendingMax) {
      counters_->full.Increment(static_cast<double>(samples));
      return;
    }
    pending_samples_ += samples;
    pending_.push_back(std::move(batch));
  }
  changed_.notify_all();
}

// --- to the disk -------------------------------------------------------------------------------

void RemoteWriter::Write(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, stop, [this] { return !pending_.empty(); });
    }
    WritePending();
  }
}

void RemoteWriter::Encode(const Batch& batch, const Labels& external, std::string& frame,
                          std::uint32_t& count) {
  const auto add = [&](const Labels& of, Time at, const auto& append) {
    Labels labels = WithExternal(of, external);
    const std::uint32_t hash = static_cast<std::uint32_t>(labels.Fingerprint());
    if (!config_.relabeling.Apply(labels) || labels.empty()) return false;
    std::string field;
    append(labels, field);
    PutRaw(hash, frame);
    PutRaw(ToMillis(at), frame);
    PutRaw(static_cast<std::uint32_t>(field.size()), frame);
    frame += field;
    return true;
  };
  Time newest{};
  for (const Sample& sample : batch.samples) {
    newest = std::max(newest, sample.at);
    if (sample.histogram != nullptr) {
      counters_->histograms.Increment();
    } else if (add(sample.labels, sample.at, [&](const Labels& labels, std::string& out) {
                 AppendSeries(labels, sample.value, sample.at, out);
               })) {
      ++count;
    } else {
      counters_->relabelled.Increment();
    }
  }
  if (config_.send_exemplars) {
    for (const SampleExemplar& exemplar : batch.exemplars) {
      add(exemplar.series, exemplar.at,
          [&](const Labels& labels, std::string& out) { AppendExemplar(exemplar, labels, out); });
    }
    counters_->exemplars.Increment(static_cast<double>(batch.exemplars.size()));
  }
  if (ToSeconds(newest) > counters_->highest.Value()) counters_->highest.Set(ToSeconds(newest));
}

void RemoteWriter::WritePending() {
  std::vector<std::shared_ptr<const Batch>> batches;
  Labels external;
  {
    const std::lock_guard lock(mutex_);
    batches.swap(pending_);
    pending_samples_ = 0;
    external = external_labels_;
  }
  std::string frame;
  std::uint32_t count = 0;
  const auto flush = [&] {
    if (frame.empty()) return;
    const auto written = backlog_->Append(Compressed(frame), count);
    const std::lock_guard lock(mutex_);
    if (!written) {
      counters_->unwritten.Increment(count);
      if (!disk_failed_) {
        deps_.log.Error("samples for remote write cannot be kept",
                        {{"remote_name", config_.name}, {"err", written.error().message}});
      }
    } else if (*written > 0) {
      counters_->full.Increment(static_cast<double>(*written));
    }
    disk_failed_ = !written;
    if (!first_waiting_) first_waiting_ = deps_.clock.Now().boot;
    frame.clear();
    count = 0;
  };
  for (const auto& batch : batches) {
    Encode(*batch, external, frame, count);
    if (frame.size() > kFrameTarget) flush();
  }
  flush();
  counters_->pending.Set(static_cast<double>(backlog_->count()));
  counters_->backlog.Set(static_cast<double>(backlog_->bytes()));
  changed_.notify_all();
}

// --- to the other side -------------------------------------------------------------------------

// Whether a batch is full, or has waited long enough.
bool RemoteWriter::Ready() {
  const std::size_t waiting = backlog_->count();
  const BootTime now = deps_.clock.Now().boot;
  const std::lock_guard lock(mutex_);
  if (waiting == 0 && !first_waiting_) return false;
  if (!first_waiting_) first_waiting_ = now;
  return waiting >= config_.samples_per_send || now - *first_waiting_ >= config_.deadline;
}

void RemoteWriter::Send(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    if (config_.send_metadata && deps_.clock.Now().boot >= metadata_due_) SendMetadata(stop);
    if (Ready() && SendRound(stop)) continue;
    std::unique_lock lock(mutex_);
    const Millis wait = std::min(config_.deadline, kLookEvery);
    changed_.wait_for(lock, stop, wait, [] { return false; });
  }
}

bool RemoteWriter::SendRound(const std::stop_token& stop) {
  {
    const std::lock_guard lock(mutex_);
    first_waiting_.reset();
  }
  std::vector<std::string> frames;
  std::size_t count = 0;
  Backlog::Place end;
  while (count < config_.samples_per_send * config_.shards_max) {
    auto frame = backlog_->Read();
    if (!frame) {
      deps_.log.Error("reading what waits for remote write failed",
                      {{"remote_name", config_.name}, {"err", frame.error().message}});
      break;
    }
    if (!*frame) break;
    count += (*frame)->count;
    end = (*frame)->end;
    frames.push_back(std::move((*frame)->bytes));
  }
  if (frames.empty()) return false;
  const std::size_t full = (count + config_.samples_per_send - 1) / config_.samples_per_send;
  const std::size_t shards = std::clamp(full, config_.shards_min, config_.shards_max);
  counters_->shards.Set(static_cast<double>(shards));
  std::atomic<bool> stopped = false;
  const auto send = [&](const std::vector<Chunk>& chunks) {
    for (const Chunk& chunk : chunks) {
      if (SendChunk(chunk, stop) == Outcome::kStopped) {
        stopped = true;
        return;
      }
    }
  };
  const std::vector<std::vector<Chunk>> split = Split(frames, shards);
  {
    std::vector<std::jthread> others;
    for (std::size_t i = 1; i < split.size(); ++i) {
      others.emplace_back([&send, &chunks = split[i]] { send(chunks); });
    }
    send(split.front());
  }
  if (stopped) return false;
  if (Status committed = backlog_->Commit(end); !committed) {
    deps_.log.Warn(
        "what was sent by remote write cannot be noted, and is sent again after a restart",
        {{"remote_name", config_.name}, {"err", committed.error().message}});
  }
  counters_->pending.Set(static_cast<double>(backlog_->count()));
  counters_->backlog.Set(static_cast<double>(backlog_->bytes()));
  return true;
}

std::vector<std::vector<RemoteWriter::Chunk>> RemoteWriter::Split(
    const std::vector<std::string>& frames, std::size_t shards) {
  std::vector<std::vector<Chunk>> split(shards);
  const std::int64_t oldest = config_.sample_age_limit == Millis(0)
                                  ? 0
                                  : ToMillis(deps_.clock.Now().wall - config_.sample_age_limit);
  for (const std::string& packed : frames) {
    std::string frame;
    if (!snappy::Uncompress(packed.data(), packed.size(), &frame)) continue;  // its CRC was right
    for (std::size_t at = 0; at + kEntryHead <= frame.size();) {
      const auto hash = GetRaw<std::uint32_t>(frame.data() + at);
      const auto time = GetRaw<std::int64_t>(frame.data() + at + 4);
      const auto length = GetRaw<std::uint32_t>(frame.data() + at + 12);
      at += kEntryHead;
      if (length > frame.size() - at) break;
      const std::string_view field = std::string_view(frame).substr(at, length);
      at += length;
      if (time < oldest) {
        counters_->too_old.Increment();
        continue;
      }
      std::vector<Chunk>& chunks = split[hash % shards];
      if (chunks.empty() || chunks.back().samples >= config_.samples_per_send) {
        chunks.emplace_back();
      }
      chunks.back().message += field;
      chunks.back().newest = std::max(chunks.back().newest, time);
      ++chunks.back().samples;
    }
  }
  return split;
}

HttpRequest RemoteWriter::RequestOf(std::string body) const {
  HttpRequest request{.method = "POST", .url = config_.url};
  request.body = std::move(body);
  for (const auto& [name, value] : config_.headers) request.headers.Set(name, value);
  request.headers.Set("Content-Encoding", "snappy");
  request.headers.Set("Content-Type", "application/x-protobuf");
  request.headers.Set("User-Agent", options_.user_agent);
  request.headers.Set("X-Prometheus-Remote-Write-Version", "0.1.0");
  return request;
}

RemoteWriter::Outcome RemoteWriter::SendChunk(const Chunk& chunk, const std::stop_token& stop) {
  const std::string body = Compressed(chunk.message);
  const double samples = static_cast<double>(chunk.samples);
  Millis pause = config_.backoff_min;
  while (!stop.stop_requested()) {
    HttpRequest request = RequestOf(body);
    HttpOptions options{.timeout = config_.timeout};
    options.stop = stop;
    const Status applied = config_.http.Apply(request, options);
    const Moment began = deps_.clock.Now();
    const Result<HttpResponse> response =
        applied ? deps_.transport.Send(request, options)
                : Result<HttpResponse>(tl::unexpected(applied.error()));
    counters_->seconds.Observe(ToSeconds(deps_.clock.Now().boot - began.boot));
    if (response && response->status / 100 == 2) {
      counters_->samples.Increment(samples);
      counters_->bytes.Increment(static_cast<double>(body.size()));
      counters_->highest_sent.Set(
          std::max(counters_->highest_sent.Value(), static_cast<double>(chunk.newest) / 1000));
      return Outcome::kDone;
    }
    const bool again = !response || response->status / 100 == 5 ||
                       (response->status == 429 && config_.retry_on_429);
    const std::string why =
        response ? fmt::format("HTTP status {}: {}", response->status,
                               response->body.substr(0, response->body.find('\n')).substr(0, 256))
                 : response.error().message;
    if (!again) {
      counters_->failed.Increment(samples);
      deps_.log.Error("remote write was refused; its samples are dropped",
                      {{"remote_name", config_.name}, {"count", chunk.samples}, {"err", why}});
      return Outcome::kDropped;
    }
    if (stop.stop_requested()) break;
    counters_->retried.Increment(samples);
    if (pause == config_.backoff_min) {
      deps_.log.Warn("remote write failed, which is tried again",
                     {{"remote_name", config_.name}, {"err", why}});
    }
    const std::optional<Millis> asked = response ? RetryAfter(*response) : std::nullopt;
    if (!Pause(asked.value_or(pause), stop)) break;
    pause = std::min(pause * 2, config_.backoff_max);
  }
  return Outcome::kStopped;
}

bool RemoteWriter::Pause(Millis duration, const std::stop_token& stop) {
  std::mutex mine;
  std::condition_variable_any never;
  std::unique_lock lock(mine);
  never.wait_for(lock, stop, duration, [] { return false; });
  return !stop.stop_requested();
}

// Once, whatever becomes of it: it comes again.
void RemoteWriter::SendMetadata(const std::stop_token& stop) {
  metadata_due_ = deps_.clock.Now().boot + config_.metadata_every;
  const std::vector<MetricMetadata> all =
      deps_.metadata ? deps_.metadata() : std::vector<MetricMetadata>{};
  for (std::size_t at = 0; at < all.size(); at += config_.metadata_per_send) {
    const std::size_t end = std::min(all.size(), at + config_.metadata_per_send);
    std::string message;
    for (std::size_t i = at; i < end; ++i) AppendMetadata(all[i], message);
    HttpRequest request = RequestOf(Compressed(message));
    HttpOptions options{.timeout = config_.timeout};
    options.stop = stop;
    if (Status applied = config_.http.Apply(request, options); !applied) return;
    const auto response = deps_.transport.Send(request, options);
    if (!response || response->status / 100 != 2) return;
    counters_->metadata.Increment(static_cast<double>(end - at));
  }
}

}  // namespace fettle::exporter
