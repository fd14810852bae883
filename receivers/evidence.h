// What the engine knows of a container before it is interrupted: afterwards it is gone.
//
// Taken on a hand, once an incident, bounded. Whatever cannot be read is left out: evidence never
// holds a repair back. A record of its own ("evidence", by the incident's id), because it is large.
#pragma once

#include <string>

#include "common/engine.h"

namespace fettle::receivers {

inline constexpr std::size_t kEvidenceLogBytesMax = 64 * 1024;
inline constexpr int kEvidenceLogLines = 200;

struct Evidence {
  std::string json;      // an object: state, exit code, health output, memory, the log's end
  std::string sentence;  // the same in short for people
};

// Blocks.
Evidence TakeEvidenceOf(Engine& engine, const Container& container, Time now);

}  // namespace fettle::receivers
