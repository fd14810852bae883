// What is to be stored, as views into somebody else's buffer (a remote write's message, a batch of
// samples), so that a series that is already known costs no allocation. A value; the buffer must
// outlive it.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "common/histogram.h"
#include "common/labels.h"

namespace fettle::rules {

// Labels shared by the store, selections and results: nobody copies them, nobody outlives them.
using LabelsPtr = std::shared_ptr<const Labels>;

struct LabelView {
  std::string_view name;
  std::string_view value;
  auto operator<=>(const LabelView&) const = default;
};
using LabelViews = std::span<const LabelView>;

struct FloatPoint {
  std::int64_t time = 0;  // milliseconds since the epoch
  double value = 0;
  std::uint32_t more = 0;  // a place in WriteBatch::more, from 1; 0: there is nothing more
};

// Flat: each series names its part of `labels` and of `points`.
struct WriteBatch {
  struct Series {
    std::uint32_t first_label = 0;
    std::uint32_t labels = 0;  // sorted by name, names unique, no empty values
    std::uint32_t first_point = 0;
    std::uint32_t points = 0;
  };
  // What only some points have.
  struct More {
    HistogramPtr histogram{};  // in place of the value
    std::int64_t start = 0;    // when counting began; 0: unknown
  };
  std::vector<Series> series;
  std::vector<LabelView> labels;
  std::vector<FloatPoint> points;
  std::vector<More> more{};

  LabelViews LabelsOf(const Series& of) const {
    return LabelViews(labels).subspan(of.first_label, of.labels);
  }
  std::span<const FloatPoint> PointsOf(const Series& of) const {
    return std::span(points).subspan(of.first_point, of.points);
  }
};

}  // namespace fettle::rules
