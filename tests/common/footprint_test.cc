// Giving memory back: the program is smaller afterwards and goes on as it was.
#include "common/footprint.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <string>

namespace fettle {
namespace {

// Resident code and data of files, in KiB.
long ResidentFileKb() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("RssFile:")) return std::strtol(line.c_str() + 8, nullptr, 10);
  }
  return -1;
}

TEST(FootprintTest, TheProgramIsSmallerAndGoesOn) {
  const long before = ResidentFileKb();
  GiveBackMemory();
  const long after = ResidentFileKb();
  EXPECT_GT(after, 0);
  EXPECT_LT(after, before);
  GiveBackMemory();
}

}  // namespace
}  // namespace fettle
