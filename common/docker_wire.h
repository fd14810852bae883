// What the Docker Engine API says, read into our words: inspect, stats and event JSON, and the
// framing of logs and event streams. Pure functions and values; every one is fed from outside and
// fuzzed.
//
// Formats: Docker Engine API 1.25 to 1.5x, and Podman's compatible one, whose differences end here:
// a `health_status` with its state in HealthStatus, `died` and `remove`, its own state names.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "common/engine.h"

namespace fettle::docker {

// Of one inspect: last_health_output is cut to its last kHealthOutputMax bytes.
inline constexpr std::size_t kHealthOutputMax = 4 * 1024;
// kInvalid without an Id or a State.
Result<Container> ParseInspect(std::string_view json);
// The ids of GET /containers/json.
Result<std::vector<std::string>> ParseIds(std::string_view json);
// The answer of GET /networks.
Result<std::vector<EngineNetwork>> ParseNetworks(std::string_view json);
// kConflict if the container does not run: the engine then sends zeros.
Result<ContainerStats> ParseStats(std::string_view json);
// kNotFound for an event that is not a container's.
Result<EngineEvent> ParseEvent(std::string_view json);
// One line of at most 300 bytes of what an error answer says: {"message": …} or a proxy's HTML.
std::string ErrorText(std::string_view body);

// Cuts a stream into the JSON texts in it: lines, or records of json-seq. A text longer than
// kTextMax is skipped and counted.
class JsonLines {
 public:
  static constexpr std::size_t kTextMax = 1024 * 1024;
  void Feed(std::string_view piece, const std::function<void(std::string_view)>& on_text);
  std::size_t skipped() const { return skipped_; }

 private:
  std::string rest_;
  bool skipping_ = false;
  std::size_t skipped_ = 0;
};

// Takes the frames off a log or exec stream (8 bytes: stream, three zeros, length in big-endian)
// and keeps the last `bytes_max` bytes. A stream that does not begin so comes from a terminal and
// has no frames.
class LogTail {
 public:
  explicit LogTail(std::size_t bytes_max) : bytes_max_(bytes_max) {}
  void Feed(std::string_view piece);
  std::string Take();

 private:
  void Keep(std::string_view text);

  const std::size_t bytes_max_;
  std::string header_;  // of the next frame, as far as it has come
  std::size_t frame_left_ = 0;
  bool decided_ = false;
  bool framed_ = true;
  std::string kept_;  // at most twice bytes_max_
};

}  // namespace fettle::docker
