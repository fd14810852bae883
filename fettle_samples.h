// Where every sample goes that fettle observes or makes: into the own store, and to whoever else is
// to have it. Safe from any thread.
#pragma once

#include <memory>
#include <vector>

#include "common/exemplar_sink.h"
#include "common/sample.h"
#include "exporter/remote_write/remote_writer.h"
#include "rules/remote_write_receiver.h"

namespace fettle {

using RemoteWriters = std::vector<std::unique_ptr<exporter::RemoteWriter>>;

class SampleFan final : public SampleSink, public ExemplarSink {
 public:
  struct Deps {
    SampleSink& store;
    rules::RemoteWriteReceiver& beside;  // keeps the exemplars
    const RemoteWriters& others;         // filled before the first sample comes
  };
  explicit SampleFan(Deps deps) : deps_(deps) {}

  // The store's answer.
  Status Append(const SampleBatch& batch) override;
  void Keep(std::vector<SampleExemplar> exemplars) override;
  // What the store has already: to all others.
  void Forward(std::vector<Sample> samples, std::vector<SampleExemplar> exemplars) const;

 private:
  const Deps deps_;
};

}  // namespace fettle
