#include "rules/promql/evaluation.h"

#include <algorithm>

#include "common/duration.h"
#include "common/number.h"

namespace fettle::promql {

void Budget::Note(std::size_t now_held) {
  std::size_t known = peak;
  while (known < now_held && !peak.compare_exchange_weak(known, now_held)) {
  }
}

Status Evaluation::CheckDeadline() {
  unchecked_ = 0;
  // Histograms are kept without asking.
  if (budget_.held > budget_.max) return Hold(0);
  if (query_.deadline == BootTime::max() || clock_.Now().boot < query_.deadline) return {};
  return Fail(Cause::kTimeout, "query timed out in expression evaluation");
}

Status Evaluation::Hold(std::size_t numbers) {
  const std::size_t held = numbers > budget_.max ? numbers : budget_.held += numbers;
  if (held > budget_.max) {
    if (numbers <= budget_.max) budget_.held -= numbers;
    return Fail(Cause::kLimit,
                "query processing would load too many samples into memory in query execution");
  }
  budget_.Note(held);
  return {};
}

void Evaluation::InformOfRaised(Span where, const std::string& text, std::int64_t at,
                                const Raised& raised) {
  AddRaised(where, text, {.raised = raised, .first = at, .last = at, .samples = 1});
}

void Evaluation::AddRaised(Span where, const std::string& text, RaisedCounts more) {
  more.annotation = annotations_.size();
  const auto [known, fresh] = raised_.try_emplace(text, more);
  if (fresh) {
    annotations_.push_back({Annotation::Kind::kInfo, text, where});
    return;
  }
  RaisedCounts& counts = known->second;
  counts.raised.lowest = std::min(counts.raised.lowest, more.raised.lowest);
  counts.raised.highest = std::max(counts.raised.highest, more.raised.highest);
  counts.raised.most = std::max(counts.raised.most, more.raised.most);
  counts.first = std::min(counts.first, more.first);
  counts.last = std::max(counts.last, more.last);
  counts.samples += more.samples;
}

void Evaluation::Absorb(const Evaluation& later) {
  read_ += later.read_;
  for (const Annotation& found : later.annotations_) {
    const auto raised = later.raised_.find(found.text);
    if (raised == later.raised_.end()) {
      Note(found.kind, found.where, found.text);
    } else {
      AddRaised(found.where, found.text, raised->second);
    }
  }
}

Annotations Evaluation::TakeAnnotations() {
  // Whole seconds; the millisecond tells the epoch from Go's zero time, and goes again.
  const auto show = [](std::int64_t millis) {
    const std::string text = FormatRfc3339(TimeFromMillis(millis / 1000 * 1000 + 1));
    return text.substr(0, text.rfind('.')) + "Z";
  };
  for (const auto& [text, counts] : raised_) {
    annotations_[counts.annotation].text += fmt::format(
        ", from buckets {} to {}, with a max diff of {:.2g}, over {} samples from {} to {}",
        FormatFloat(counts.raised.lowest), FormatFloat(counts.raised.highest), counts.raised.most,
        counts.samples, show(counts.first), show(counts.last));
  }
  return std::move(annotations_);
}

double Evaluation::Keep(HistogramPtr histogram) {
  const std::size_t weight = histogram->Weight();
  budget_.Note(budget_.held += weight);
  unchecked_ += weight;
  histograms_.push_back(std::move(histogram));
  return HistogramCell(histograms_.size() - 1);
}

void Evaluation::Forget(std::size_t from) {
  for (std::size_t i = from; i < histograms_.size(); ++i) budget_.held -= histograms_[i]->Weight();
  histograms_.resize(from);
}

void Evaluation::Note(Annotation::Kind kind, Span where, const std::string& text) {
  if (noted_.insert(text).second) annotations_.push_back({kind, text, where});
}

Evaluation::Scratch::Scratch(Evaluation& evaluation, std::size_t steps) : evaluation_(evaluation) {
  if (!evaluation_.free_cells_.empty()) {
    cells_ = std::move(evaluation_.free_cells_.back());
    evaluation_.free_cells_.pop_back();
  }
  cells_.resize(steps);
}

Evaluation::Scratch::~Scratch() { evaluation_.free_cells_.push_back(std::move(cells_)); }

Evaluation::ScratchSamples::ScratchSamples(Evaluation& evaluation) : evaluation_(evaluation) {
  if (evaluation_.free_samples_.empty()) return;
  samples_ = std::move(evaluation_.free_samples_.back());
  evaluation_.free_samples_.pop_back();
}

Evaluation::ScratchSamples::~ScratchSamples() {
  evaluation_.free_samples_.push_back(std::move(samples_));
}

}  // namespace fettle::promql
