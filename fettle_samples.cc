#include "fettle_samples.h"

#include <utility>

namespace fettle {

Status SampleFan::Append(const SampleBatch& batch) {
  Status stored = deps_.store.Append(batch);
  if (!deps_.others.empty()) Forward(batch.samples, {});
  return stored;
}

void SampleFan::Keep(std::vector<SampleExemplar> exemplars) {
  deps_.beside.Keep(exemplars);
  if (!deps_.others.empty()) Forward({}, std::move(exemplars));
}

void SampleFan::Forward(std::vector<Sample> samples, std::vector<SampleExemplar> exemplars) const {
  if (deps_.others.empty()) return;
  const auto batch = std::make_shared<const exporter::RemoteWriter::Batch>(
      exporter::RemoteWriter::Batch{std::move(samples), std::move(exemplars)});
  for (const auto& writer : deps_.others) writer->Take(batch);
}

}  // namespace fettle
