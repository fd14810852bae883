// POST /api/v1/write: remote write 1.0, from Prometheus, its agents, Grafana Alloy, vmagent and
// whoever else speaks it. Handlers may run on many threads at once.
//
// What can be taken is taken, and the answer says what the sender should do:
//   204  everything is stored (a sample known already, with the same value, counts as stored)
//   400  the rest was refused, and would be again: out of order, another value at the same time,
//        out of bounds, invalid labels, a limit of the store; or the body is no such message.
//        The text names the first reason. Senders drop it and go on
//   413  longer than the limits below
//   415  another encoding, or remote write 2.0
//   503  too much at one time: to be sent again
// A series limit is a 400, not a 5xx: a sender retries a 5xx for ever, and the samples of known
// series that come behind it would wait for ever too.
#pragma once

#include <atomic>
#include <cstddef>
#include <functional>
#include <string_view>

#include "common/clock.h"
#include "common/exemplar_sink.h"
#include "common/http.h"
#include "common/log.h"
#include "common/metrics.h"
#include "rules/remote_write_message.h"
#include "rules/samples/samples.h"

namespace fettle::rules {

class RemoteWriteReceiver {
 public:
  // Of one message, unpacked (413), and of all that are being stored at one time (503).
  static constexpr std::size_t kMessageBytesMax = 32 * 1024 * 1024;
  static constexpr std::size_t kMessagesBytesMax = 128 * 1024 * 1024;
  // How far ahead of this machine's clock a sample may be; then it is out of bounds.
  static constexpr Millis kAheadMax = std::chrono::minutes(10);

  struct Deps {
    SampleStore& samples;
    const Clock& clock;
    Metrics& metrics;
    Log log;
    // Whoever else is to have what was stored; may be null. Called by the door's thread.
    std::function<void(std::vector<Sample> samples, std::vector<SampleExemplar> exemplars)>
        forward{};
  };
  explicit RemoteWriteReceiver(Deps deps);

  HttpResponse Handle(const HttpRequest& request);

  // Of pages that were scraped. Those that cannot be kept are counted.
  void Keep(const std::vector<SampleExemplar>& exemplars);

 private:
  void Keep(RemoteWriteMessage& read);
  void Remark(std::vector<SampleStore::SeriesExemplar> exemplars,
              std::vector<MetricMetadata> metadata);
  HttpResponse Store(std::string_view message);

  const Deps deps_;
  prometheus::Counter& invalid_labels_;
  prometheus::Counter& invalid_histograms_;
  prometheus::Counter& exemplars_appended_;
  prometheus::Counter& exemplars_out_of_order_;
  std::atomic<std::size_t> unpacked_{0};
};

}  // namespace fettle::rules
