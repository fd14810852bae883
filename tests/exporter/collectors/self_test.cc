#include "exporter/collectors/self.h"

#include <gtest/gtest.h>

#include <map>

namespace fettle::exporter {
namespace {

TEST(SelfTest, ShowsTheProcessTheBuildAndTheBrain) {
  const Brain brain;
  SelfCollector collector({.brain = brain, .started = TimeFromMillis(1'500), .version = "1.2.3"});
  const auto families = collector.Collect({});
  ASSERT_TRUE(families);
  std::map<std::string, double> values;
  for (const MetricFamily& family : *families) values[family.name] = family.points.at(0).value;
  EXPECT_GT(values["process_resident_memory_bytes"], 1e6);
  EXPECT_GT(values["process_virtual_memory_bytes"], values["process_resident_memory_bytes"]);
  EXPECT_GT(values["process_open_fds"], 2);
  EXPECT_GE(values["process_max_fds"], values["process_open_fds"]);
  EXPECT_EQ(values["process_start_time_seconds"], 1.5);
  EXPECT_EQ(values["fettle_brain_lag_seconds"], 0);
  EXPECT_EQ(families->back().points.at(0).labels.Get("version"), "1.2.3");
}

}  // namespace
}  // namespace fettle::exporter
