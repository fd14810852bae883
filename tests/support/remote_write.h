// What a sender of remote write 1.0 sends, by an encoder of the tests' own.
#pragma once

#include <string>
#include <vector>

#include "common/sample.h"

namespace fettle {

// prometheus.WriteRequest as protocol buffers; samples of one series in the order given.
std::string EncodeRemoteWrite(const std::vector<Sample>& samples);
std::string Snappy(const std::string& message);
inline std::string RemoteWriteBody(const std::vector<Sample>& samples) {
  return Snappy(EncodeRemoteWrite(samples));
}

}  // namespace fettle
