// Sends samples to another server by remote write 1.0: everything that is stored here, rule-made
// series and ALERTS too.
//
// What is taken is written to a backlog on disk within moments, by a thread of its own, and stays
// there until the other side has it; so an outage, of the other side or of this process, loses
// nothing within backlog_max. A second thread sends: as much as waits is split by series over as
// many shards as it fills, so that the samples of one series arrive in order. 5xx, no answer (and
// 429, if so configured) are tried again for ever, with growing pauses or after what Retry-After
// says; what is refused otherwise is dropped and counted.
//
// Take() is safe from any thread and does no I/O. Metrics have Prometheus' names.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "common/clock.h"
#include "common/exemplar_sink.h"
#include "common/http.h"
#include "common/log.h"
#include "common/metadata.h"
#include "common/metrics.h"
#include "common/sample.h"
#include "exporter/remote_write/backlog.h"
#include "exporter/remote_write/config.h"

namespace fettle::exporter {

class RemoteWriter {
 public:
  // Samples that wait for the disk; beyond it what comes is dropped, counted.
  static constexpr std::size_t kPendingMax = 1'000'000;

  struct Deps {
    HttpTransport& transport;
    const Clock& clock;
    Metrics& metrics;
    Log log;
    std::function<std::vector<MetricMetadata>()> metadata;  // any thread's
  };
  struct Options {
    std::string directory;  // its own
    Labels external_labels;
    std::string user_agent;
    bool threads = true;  // false: a test calls WriteForTest and SendForTest
  };
  static Result<std::unique_ptr<RemoteWriter>> Open(Deps deps, RemoteWriteConfig config,
                                                    Options options);
  // What was taken is on disk after it.
  ~RemoteWriter();

  struct Batch {
    std::vector<Sample> samples;
    std::vector<SampleExemplar> exemplars{};
  };
  void Take(std::shared_ptr<const Batch> batch);
  void SetExternalLabels(Labels labels);

  void WriteForTest() { WritePending(); }
  // One round: what waits, sent and committed. False if there was nothing.
  bool SendForTest() { return SendRound(std::stop_token{}); }

 private:
  struct Counters;
  struct Entry;
  struct Chunk;
  enum class Outcome { kDone, kDropped, kStopped };
  RemoteWriter(Deps deps, RemoteWriteConfig config, Options options,
               std::unique_ptr<Backlog> backlog);
  void Write(const std::stop_token& stop);
  void WritePending();
  void Encode(const Batch& batch, const Labels& external, std::string& frame,
              std::uint32_t& count);
  void Send(const std::stop_token& stop);
  bool Ready();
  bool SendRound(const std::stop_token& stop);
  void SendMetadata(const std::stop_token& stop);
  std::vector<std::vector<Chunk>> Split(const std::vector<std::string>& frames, std::size_t shards);
  Outcome SendChunk(const Chunk& chunk, const std::stop_token& stop);
  HttpRequest RequestOf(std::string body) const;
  bool Pause(Millis duration, const std::stop_token& stop);

  const Deps deps_;
  const RemoteWriteConfig config_;
  const Options options_;
  const std::unique_ptr<Backlog> backlog_;
  const std::unique_ptr<Counters> counters_;
  BootTime metadata_due_{};  // the sender's

  std::mutex mutex_;  // guards everything below
  std::condition_variable_any changed_;
  Labels external_labels_;
  std::vector<std::shared_ptr<const Batch>> pending_;
  std::size_t pending_samples_ = 0;
  std::optional<BootTime> first_waiting_;  // since when a batch is not full
  bool disk_failed_ = false;

  std::jthread writer_;
  std::jthread sender_;
};

}  // namespace fettle::exporter
