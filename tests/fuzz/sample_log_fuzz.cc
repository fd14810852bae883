// What a damaged disk may give a start: any bytes as a segment of the log (first byte even) or as a
// snapshot, with whole frames made of them too, since a CRC keeps plain noise out. Goal: what is
// damaged is left out, never a crash.
#include <cstdint>
#include <string>

#include "rules/samples/log_format.h"
#include "rules/samples/samples.h"
#include "tests/support/faulty_files.h"
#include "tests/support/recorded_log.h"

namespace {

using fettle::rules::LogKind;

void Start(LogKind kind, const std::string& content) {
  fettle::FaultyFiles disk;
  (void)disk.Mount()->Create(fettle::rules::LogName(kind, 1));
  disk.At(fettle::rules::LogName(kind, 1)) = content;
  fettle::RecordedLog log;
  fettle::rules::SampleStore store({.series_max = 100});
  (void)store.Persist({.files = disk.Mount(),
                       .log = log.For("samples"),
                       .now = fettle::TimeFromMillis(1'767'225'600'000),
                       .log_bytes_min = 1,
                       .thread = false});
  store.TurnForTest(true);
  (void)store.stats();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const LogKind kind = data[0] % 2 == 0 ? LogKind::kSegment : LogKind::kSnapshot;
  const std::string bytes(reinterpret_cast<const char*>(data + 1), size - 1);
  const std::string head = fettle::rules::LogHead(kind, 1);
  Start(kind, bytes);
  Start(kind, head + bytes);
  std::string framed = head;
  fettle::rules::FrameWriter writer(framed);
  writer.Begin();
  framed += bytes;
  writer.End();
  Start(kind, framed);
  return 0;
}
