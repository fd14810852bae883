#include "rules/remote_write_receiver.h"

#include <snappy.h>

#include <algorithm>
#include <cctype>
#include <string>

#include "rules/remote_write_message.h"

namespace fettle::rules {
namespace {

constexpr std::string_view kMediaType = "application/x-protobuf";
constexpr std::string_view kMessage = "prometheus.WriteRequest";

HttpResponse Refuse(int status, std::string_view why) {
  return TextResponse(status, std::string(why) + "\n");
}

std::string_view Trim(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return text;
}

// "application/x-protobuf", perhaps with ";proto=prometheus.WriteRequest". Absent is that, too.
bool IsVersion1(std::string_view content_type) {
  if (content_type.empty()) return true;
  bool first = true;
  while (!content_type.empty()) {
    const std::size_t end = std::min(content_type.find(';'), content_type.size());
    const std::string_view part = Trim(content_type.substr(0, end));
    content_type.remove_prefix(std::min(end + 1, content_type.size()));
    if (first && part != kMediaType) return false;
    if (part.starts_with("proto=") && part.substr(6) != kMessage) return false;
    first = false;
  }
  return true;
}

bool IsSnappy(std::string_view encoding) {
  constexpr std::string_view kSnappy = "snappy";
  return encoding.empty() || std::equal(encoding.begin(), encoding.end(), kSnappy.begin(),
                                        kSnappy.end(), [](char a, char b) {
                                          return std::tolower(static_cast<unsigned char>(a)) == b;
                                        });
}

// Bytes that are unpacked now, given back at the end.
class Share {
 public:
  Share(std::atomic<std::size_t>& all, std::size_t bytes) : all_(all), bytes_(bytes) {
    sum_ = all_.fetch_add(bytes) + bytes;
  }
  ~Share() { all_.fetch_sub(bytes_); }
  Share(const Share&) = delete;
  Share& operator=(const Share&) = delete;
  std::size_t sum() const { return sum_; }

 private:
  std::atomic<std::size_t>& all_;
  const std::size_t bytes_;
  std::size_t sum_ = 0;
};

Labels LabelsOf(const WriteBatch& batch, const WriteBatch::Series& series) {
  std::vector<Labels::Pair> pairs;
  for (const LabelView& label : batch.LabelsOf(series)) pairs.emplace_back(label.name, label.value);
  return Labels(std::move(pairs));
}

// The same, as others take it.
std::vector<Sample> SamplesOf(const RemoteWriteMessage& read) {
  std::vector<Sample> out;
  for (const WriteBatch::Series& series : read.batch.series) {
    const Labels labels = LabelsOf(read.batch, series);
    for (const FloatPoint& point : read.batch.PointsOf(series)) {
      Sample sample{labels, point.value, TimeFromMillis(point.time)};
      if (point.more > 0) sample.histogram = read.batch.more[point.more - 1].histogram;
      out.push_back(std::move(sample));
    }
  }
  return out;
}

std::vector<SampleExemplar> ExemplarsOf(const RemoteWriteMessage& read) {
  std::vector<SampleExemplar> out;
  for (const RemoteWriteMessage::SentExemplar& sent : read.exemplars) {
    const Exemplar& one = sent.exemplar;
    out.push_back(
        {LabelsOf(read.batch, read.batch.series[sent.series]), one.labels, one.value, one.at});
  }
  return out;
}

}  // namespace

RemoteWriteReceiver::RemoteWriteReceiver(Deps deps)
    : deps_(std::move(deps)),
      invalid_labels_(deps_.metrics.Counter(
          "prometheus_api_remote_write_invalid_labels_samples_total",
          "The total number of received remote write samples which were rejected due to invalid "
          "labels.")),
      invalid_histograms_(deps_.metrics.Counter(
          "fettle_remote_write_invalid_histograms_total",
          "Native histograms refused by remote write because they contradict themselves.")),
      exemplars_appended_(deps_.metrics.Counter("prometheus_tsdb_exemplar_exemplars_appended_total",
                                                "Total number of appended exemplars.")),
      exemplars_out_of_order_(deps_.metrics.Counter(
          "prometheus_tsdb_exemplar_out_of_order_exemplars_total",
          "Total number of out of order exemplar ingestion failed attempts.")) {}

HttpResponse RemoteWriteReceiver::Handle(const HttpRequest& request) {
  const std::string_view type = request.headers.Get("Content-Type");
  if (!IsVersion1(type)) {
    return Refuse(415, fmt::format("{} is not accepted by this server; only {};proto={}", type,
                                   kMediaType, kMessage));
  }
  const std::string_view encoding = request.headers.Get("Content-Encoding");
  if (!IsSnappy(encoding)) {
    return Refuse(415, fmt::format("{} encoding (compression) is not accepted by this server; "
                                   "only snappy is acceptable",
                                   encoding));
  }
  std::size_t size = 0;
  if (!snappy::GetUncompressedLength(request.body.data(), request.body.size(), &size)) {
    return Refuse(400, "snappy: corrupt input");
  }
  if (size > kMessageBytesMax) {
    return Refuse(413, fmt::format("the message is longer than {} bytes", kMessageBytesMax));
  }
  const Share share(unpacked_, size);
  if (share.sum() > kMessagesBytesMax) {
    HttpResponse busy = Refuse(503, "too many remote writes at one time");
    busy.headers.Set("Retry-After", "1");
    return busy;
  }
  std::string message(size, '\0');
  if (!snappy::RawUncompress(request.body.data(), request.body.size(), message.data())) {
    return Refuse(400, "snappy: corrupt input");
  }
  return Store(message);
}

HttpResponse RemoteWriteReceiver::Store(std::string_view message) {
  Result<RemoteWriteMessage> read = ReadRemoteWriteMessage(message);
  if (!read) return Refuse(read.error().cause == Cause::kLimit ? 413 : 400, read.error().message);
  invalid_labels_.Increment(static_cast<double>(read->samples_with_invalid_labels));
  std::vector<SampleExemplar> forwarded;
  if (deps_.forward) forwarded = ExemplarsOf(*read);
  // First, so that the write waits for the log of it.
  Keep(*read);
  const Status stored =
      deps_.samples.Write(read->batch, {.origin = Origin::kRemoteWrite,
                                        .latest = deps_.clock.Now().wall + kAheadMax,
                                        .lasting = true});
  if (deps_.forward) deps_.forward(SamplesOf(*read), std::move(forwarded));
  const std::string why = !stored ? stored.error().message : read->first_invalid;
  if (why.empty()) return {.status = 204};
  deps_.log.Debug("a remote write was refused in part", {{"err", why}});
  return Refuse(400, why);
}

// As upstream, an exemplar that cannot be kept fails nobody's write.
void RemoteWriteReceiver::Keep(RemoteWriteMessage& read) {
  invalid_histograms_.Increment(static_cast<double>(read.invalid_histograms));
  std::erase_if(read.metadata, [](const MetricMetadata& metadata) {
    return !IsUtf8(metadata.name) || !IsUtf8(metadata.help) || !IsUtf8(metadata.unit);
  });
  std::vector<SampleStore::SeriesExemplar> exemplars;
  for (RemoteWriteMessage::SentExemplar& sent : read.exemplars) {
    exemplars.push_back(
        {LabelsOf(read.batch, read.batch.series[sent.series]), std::move(sent.exemplar)});
  }
  Remark(std::move(exemplars), std::move(read.metadata));
}

void RemoteWriteReceiver::Keep(const std::vector<SampleExemplar>& exemplars) {
  std::vector<SampleStore::SeriesExemplar> all;
  for (const SampleExemplar& one : exemplars) {
    all.push_back({one.series, {one.labels, one.value, one.at}});
  }
  Remark(std::move(all), {});
}

void RemoteWriteReceiver::Remark(std::vector<SampleStore::SeriesExemplar> exemplars,
                                 std::vector<MetricMetadata> metadata) {
  const SampleStore::Remarked remarked =
      deps_.samples.Remark(std::move(exemplars), std::move(metadata));
  exemplars_appended_.Increment(static_cast<double>(remarked.kept));
  exemplars_out_of_order_.Increment(static_cast<double>(remarked.out_of_order));
}

}  // namespace fettle::rules
