#include "rules/promql/evaluation.h"

#include <algorithm>

namespace fettle::promql {

Status Evaluation::CheckDeadline() {
  unchecked_ = 0;
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
  std::size_t peak = budget_.peak;
  while (peak < held && !budget_.peak.compare_exchange_weak(peak, held)) {
  }
  return {};
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
