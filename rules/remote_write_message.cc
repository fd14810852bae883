#include "rules/remote_write_message.h"

#include <algorithm>
#include <protozero/pbf_reader.hpp>

#include "common/labels.h"
#include "common/sample.h"
#include "rules/remote_write_histogram.h"

namespace fettle::rules {
namespace {

std::string_view View(const protozero::data_view& data) { return {data.data(), data.size()}; }

// UTF-8; nearly everything is plain ASCII, which is asked for first, many bytes at a time.
bool IsText(std::string_view text) {
  unsigned char all = 0;
  for (const char c : text) all |= static_cast<unsigned char>(c);
  return all < 0x80 || IsUtf8(text);
}

LabelView ReadLabel(protozero::pbf_reader message) {
  LabelView label;
  while (message.next()) {
    switch (message.tag_and_type()) {
      case protozero::tag_and_type(1, protozero::pbf_wire_type::length_delimited):
        label.name = View(message.get_view());
        break;
      case protozero::tag_and_type(2, protozero::pbf_wire_type::length_delimited):
        label.value = View(message.get_view());
        break;
      default:
        message.skip();
    }
  }
  return label;
}

FloatPoint ReadSample(protozero::pbf_reader message) {
  FloatPoint point;
  while (message.next()) {
    switch (message.tag_and_type()) {
      case protozero::tag_and_type(1, protozero::pbf_wire_type::fixed64):
        point.value = message.get_double();
        break;
      case protozero::tag_and_type(2, protozero::pbf_wire_type::varint):
        point.time = message.get_int64();
        break;
      default:
        message.skip();
    }
  }
  return point;
}

Exemplar ReadExemplar(protozero::pbf_reader message) {
  Exemplar exemplar;
  std::vector<Labels::Pair> labels;
  while (message.next()) {
    switch (message.tag_and_type()) {
      case protozero::tag_and_type(1, protozero::pbf_wire_type::length_delimited): {
        const LabelView label = ReadLabel(message.get_message());
        if (IsText(label.name) && IsText(label.value) && labels.size() < kLabelsInMessageMax) {
          labels.emplace_back(label.name, label.value);
        }
        break;
      }
      case protozero::tag_and_type(2, protozero::pbf_wire_type::fixed64):
        exemplar.value = message.get_double();
        break;
      case protozero::tag_and_type(3, protozero::pbf_wire_type::varint):
        exemplar.at = TimeFromMillis(message.get_int64());
        break;
      default:
        message.skip();
    }
  }
  exemplar.labels = Labels(std::move(labels));
  return exemplar;
}

MetricType TypeOf(std::int32_t sent) {
  using enum MetricType;
  // A gauge histogram is shown as a histogram.
  constexpr MetricType kTypes[] = {kUnknown,   kCounter, kGauge, kHistogram,
                                   kHistogram, kSummary, kInfo,  kStateSet};
  return sent >= 0 && sent < 8 ? kTypes[sent] : kUnknown;
}

MetricMetadata ReadMetadata(protozero::pbf_reader message) {
  MetricMetadata metadata;
  const auto text = [&] { return std::string(View(message.get_view())); };
  while (message.next()) {
    switch (message.tag_and_type()) {
      case protozero::tag_and_type(1, protozero::pbf_wire_type::varint):
        metadata.type = TypeOf(message.get_enum());
        break;
      case protozero::tag_and_type(2, protozero::pbf_wire_type::length_delimited):
        metadata.name = text();
        break;
      case protozero::tag_and_type(4, protozero::pbf_wire_type::length_delimited):
        metadata.help = text();
        break;
      case protozero::tag_and_type(5, protozero::pbf_wire_type::length_delimited):
        metadata.unit = text();
        break;
      default:
        message.skip();
    }
  }
  return metadata;
}

// What a series has beside its numbers.
struct Beside {
  std::vector<Exemplar> exemplars;
  std::vector<RemoteWriteHistogram> histograms;
};

// After the numbers; in order of time if there are both.
void AddHistograms(std::vector<RemoteWriteHistogram>& histograms, std::size_t first_point,
                   RemoteWriteMessage& out) {
  WriteBatch& batch = out.batch;
  for (RemoteWriteHistogram& sent : histograms) {
    // A stale marker has no buckets to check.
    const Status valid = IsStaleNaN(sent.histogram.sum) ? Status() : Validate(sent.histogram);
    if (!valid) {
      ++out.invalid_histograms;
      if (out.first_invalid.empty()) {
        out.first_invalid = "invalid histogram: " + valid.error().message;
      }
      continue;
    }
    batch.more.push_back({std::make_shared<FloatHistogram>(std::move(sent.histogram))});
    batch.points.push_back({sent.time, 0, static_cast<std::uint32_t>(batch.more.size())});
  }
  const auto earlier = [](const FloatPoint& a, const FloatPoint& b) { return a.time < b.time; };
  std::stable_sort(batch.points.begin() + static_cast<std::ptrdiff_t>(first_point),
                   batch.points.end(), earlier);
}

bool SameName(const LabelView& a, const LabelView& b) { return a.name == b.name; }

// What is wrong with them, or "". They are sorted.
std::string Complain(LabelViews labels) {
  const auto show = [&] {
    std::vector<Labels::Pair> pairs;
    for (const LabelView& label : labels) pairs.emplace_back(label.name, label.value);
    return Labels(std::move(pairs)).ToString();
  };
  bool named = false;
  for (const LabelView& label : labels) {
    if (label.name.empty() || !IsText(label.name) || !IsText(label.value)) {
      return fmt::format("invalid metric name or labels, got {}", show());
    }
    named = named || label.name == kMetricName;
  }
  if (!named) return fmt::format("invalid metric name or labels, got {}", show());
  const auto twice = std::adjacent_find(labels.begin(), labels.end(), SameName);
  if (twice == labels.end()) return "";
  return fmt::format("invalid labels for series, labels {}, duplicated label {}", show(),
                     twice->name);
}

// False beyond a limit.
bool ReadSeries(protozero::pbf_reader message, RemoteWriteMessage& out) {
  WriteBatch& batch = out.batch;
  WriteBatch::Series series{.first_label = static_cast<std::uint32_t>(batch.labels.size()),
                            .first_point = static_cast<std::uint32_t>(batch.points.size())};
  Beside beside;
  while (message.next()) {
    switch (message.tag_and_type()) {
      case protozero::tag_and_type(1, protozero::pbf_wire_type::length_delimited):
        batch.labels.push_back(ReadLabel(message.get_message()));
        break;
      case protozero::tag_and_type(2, protozero::pbf_wire_type::length_delimited):
        batch.points.push_back(ReadSample(message.get_message()));
        break;
      case protozero::tag_and_type(3, protozero::pbf_wire_type::length_delimited):
        beside.exemplars.push_back(ReadExemplar(message.get_message()));
        break;
      case protozero::tag_and_type(4, protozero::pbf_wire_type::length_delimited):
        beside.histograms.push_back(ReadRemoteWriteHistogram(View(message.get_view())));
        break;
      default:
        message.skip();
    }
    if (batch.labels.size() - series.first_label > kLabelsInMessageMax ||
        batch.points.size() + beside.histograms.size() > kSamplesInMessageMax ||
        beside.exemplars.size() + out.exemplars.size() > kExemplarsInMessageMax ||
        batch.more.size() + beside.histograms.size() > kHistogramsInMessageMax) {
      return false;
    }
  }
  const auto first = batch.labels.begin() + series.first_label;
  if (!std::is_sorted(first, batch.labels.end())) std::sort(first, batch.labels.end());
  if (!beside.histograms.empty()) AddHistograms(beside.histograms, series.first_point, out);
  series.points = static_cast<std::uint32_t>(batch.points.size()) - series.first_point;
  std::string complaint = Complain(LabelViews(batch.labels).subspan(series.first_label));
  if (!complaint.empty()) {
    out.samples_with_invalid_labels += series.points;
    if (out.first_invalid.empty()) out.first_invalid = std::move(complaint);
    batch.labels.resize(series.first_label);
    batch.points.resize(series.first_point);
    return true;
  }
  // An empty label is an absent one.
  batch.labels.erase(std::remove_if(batch.labels.begin() + series.first_label, batch.labels.end(),
                                    [](const LabelView& label) { return label.value.empty(); }),
                     batch.labels.end());
  series.labels = static_cast<std::uint32_t>(batch.labels.size()) - series.first_label;
  for (Exemplar& exemplar : beside.exemplars) {
    out.exemplars.push_back({batch.series.size(), std::move(exemplar)});
  }
  batch.series.push_back(series);
  return true;
}

}  // namespace

Result<RemoteWriteMessage> ReadRemoteWriteMessage(std::string_view message) {
  RemoteWriteMessage out;
  try {
    protozero::pbf_reader reader(message.data(), message.size());
    while (reader.next()) {
      if (reader.tag_and_type() ==
          protozero::tag_and_type(1, protozero::pbf_wire_type::length_delimited)) {
        if (!ReadSeries(reader.get_message(), out)) {
          return Fail(Cause::kLimit, "a write has at most {} samples, a series {} labels",
                      kSamplesInMessageMax, kLabelsInMessageMax);
        }
      } else if (reader.tag_and_type() ==
                     protozero::tag_and_type(3, protozero::pbf_wire_type::length_delimited) &&
                 out.metadata.size() < kMetadataInMessageMax) {
        out.metadata.push_back(ReadMetadata(reader.get_message()));
      } else {
        reader.skip();
      }
    }
  } catch (const protozero::exception& error) {
    return Fail(Cause::kInvalid, "not a prometheus.WriteRequest: {}", error.what());
  }
  return out;
}

}  // namespace fettle::rules
