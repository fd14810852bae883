#include "rules/promql/evaluation.h"

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
