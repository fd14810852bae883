#include "rules/remote_write_histogram.h"

#include <protozero/pbf_reader.hpp>
#include <vector>

namespace fettle::rules {
namespace {

// A field by its number and its form on the wire; one of another form is passed over.
constexpr std::uint32_t Number(std::uint32_t tag) {
  return protozero::tag_and_type(tag, protozero::pbf_wire_type::varint);
}
constexpr std::uint32_t Eight(std::uint32_t tag) {
  return protozero::tag_and_type(tag, protozero::pbf_wire_type::fixed64);
}
constexpr std::uint32_t Bytes(std::uint32_t tag) {
  return protozero::tag_and_type(tag, protozero::pbf_wire_type::length_delimited);
}

// One side as it is sent: counts as they are, or as differences of whole numbers.
struct Side {
  std::vector<FloatHistogram::Span> spans;
  std::vector<std::int64_t> deltas;
  std::vector<double> counts;

  FloatHistogram::Buckets Take() && {
    if (counts.empty()) {
      std::uint64_t count = 0;  // wraps as Go's does; a negative one is refused later
      for (const std::int64_t delta : deltas) {
        count += static_cast<std::uint64_t>(delta);
        counts.push_back(static_cast<double>(static_cast<std::int64_t>(count)));
      }
    }
    return {std::move(spans), std::move(counts)};
  }
};

FloatHistogram::Span ReadSpan(protozero::pbf_reader message) {
  FloatHistogram::Span span;
  while (message.next()) {
    if (message.tag_and_type() == Number(1)) {
      span.offset = message.get_sint32();
    } else if (message.tag_and_type() == Number(2)) {
      span.length = message.get_uint32();
    } else {
      message.skip();
    }
  }
  return span;
}

template <typename Range, typename T>
void Append(const Range& range, std::vector<T>& to) {
  for (const auto value : range) to.push_back(value);
}

FloatHistogram::ResetHint HintOf(std::int32_t sent) {
  using enum FloatHistogram::ResetHint;
  constexpr FloatHistogram::ResetHint kHints[] = {kUnknown, kReset, kNotReset, kGauge};
  return sent >= 0 && sent < 4 ? kHints[sent] : kUnknown;
}

}  // namespace

RemoteWriteHistogram ReadRemoteWriteHistogram(std::string_view bytes) {
  RemoteWriteHistogram out;
  FloatHistogram& histogram = out.histogram;
  Side positive;
  Side negative;
  protozero::pbf_reader message(bytes.data(), bytes.size());
  while (message.next()) {
    switch (message.tag_and_type()) {
      case Number(1):
        histogram.count = static_cast<double>(message.get_uint64());
        break;
      case Eight(2):
        histogram.count = message.get_double();
        break;
      case Eight(3):
        histogram.sum = message.get_double();
        break;
      case Number(4):
        histogram.schema = message.get_sint32();
        break;
      case Eight(5):
        histogram.zero_threshold = message.get_double();
        break;
      case Number(6):
        histogram.zero_count = static_cast<double>(message.get_uint64());
        break;
      case Eight(7):
        histogram.zero_count = message.get_double();
        break;
      case Bytes(8):
        negative.spans.push_back(ReadSpan(message.get_message()));
        break;
      case Bytes(9):
        Append(message.get_packed_sint64(), negative.deltas);
        break;
      case Number(9):
        negative.deltas.push_back(message.get_sint64());
        break;
      case Bytes(10):
        Append(message.get_packed_double(), negative.counts);
        break;
      case Eight(10):
        negative.counts.push_back(message.get_double());
        break;
      case Bytes(11):
        positive.spans.push_back(ReadSpan(message.get_message()));
        break;
      case Bytes(12):
        Append(message.get_packed_sint64(), positive.deltas);
        break;
      case Number(12):
        positive.deltas.push_back(message.get_sint64());
        break;
      case Bytes(13):
        Append(message.get_packed_double(), positive.counts);
        break;
      case Eight(13):
        positive.counts.push_back(message.get_double());
        break;
      case Number(14):
        histogram.hint = HintOf(message.get_enum());
        break;
      case Number(15):
        out.time = message.get_int64();
        break;
      case Bytes(16):
        Append(message.get_packed_double(), histogram.custom_bounds);
        break;
      case Eight(16):
        histogram.custom_bounds.push_back(message.get_double());
        break;
      default:
        message.skip();
    }
  }
  histogram.positive = std::move(positive).Take();
  histogram.negative = std::move(negative).Take();
  return out;
}

}  // namespace fettle::rules
