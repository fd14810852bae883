#include "exporter/collectors/host.h"

#include <gtest/gtest.h>

#include <map>

namespace fettle::exporter {
namespace {

TEST(HostTest, ReadsCpuTimeByMode) {
  const Result<MetricFamily> family =
      ReadCpuSeconds("cpu  100 200 300 400 500 600 700 800 0 0\ncpu0 1 2 3 4\n", 100);
  ASSERT_TRUE(family);
  EXPECT_EQ(family->name, "fettle_host_cpu_seconds_total");
  std::map<std::string, double> modes;
  for (const MetricPoint& point : family->points) {
    modes[std::string(point.labels.Get("mode"))] = point.value;
  }
  EXPECT_EQ(modes, (std::map<std::string, double>{{"user", 1},
                                                  {"nice", 2},
                                                  {"system", 3},
                                                  {"idle", 4},
                                                  {"iowait", 5},
                                                  {"irq", 6},
                                                  {"softirq", 7},
                                                  {"steal", 8}}));
}

TEST(HostTest, SaysWhatIsWrongWithProcStat) {
  EXPECT_EQ(ReadCpuSeconds("intr 1", 100).error().message, "/proc/stat does not begin with cpu");
  EXPECT_EQ(ReadCpuSeconds("", 100).error().message, "/proc/stat does not begin with cpu");
  EXPECT_EQ(ReadCpuSeconds("cpu 1 x 3 4", 100).error().message, "/proc/stat has x for nice");
}

TEST(HostTest, ReadsMemoryInBytes) {
  const auto families = ReadMemory("MemTotal:  16 kB\nMemFree: 1 kB\nMemAvailable:  4 kB\n");
  ASSERT_TRUE(families);
  ASSERT_EQ(families->size(), 2U);
  EXPECT_EQ((*families)[0].name, "fettle_host_memory_total_bytes");
  EXPECT_EQ((*families)[0].points[0].value, 16384);
  EXPECT_EQ((*families)[1].points[0].value, 4096);
  EXPECT_FALSE(ReadMemory("nothing here"));
}

TEST(HostTest, ReadsLoad) {
  const auto families = ReadLoad("0.50 1.25 2.00 1/234 5678\n");
  ASSERT_TRUE(families);
  EXPECT_EQ((*families)[0].points[0].value, 0.5);
  EXPECT_EQ((*families)[2].points[0].value, 2);
  EXPECT_FALSE(ReadLoad("0.5"));
}

TEST(HostTest, ReadsMountsWithEscapedNames) {
  const std::vector<Mount> mounts =
      ReadMounts("/dev/vda / ext4 rw 0 0\n/dev/vdb /mnt/a\\040b xfs rw 0 0\nshort\n");
  ASSERT_EQ(mounts.size(), 2U);
  EXPECT_EQ(mounts[1].point, "/mnt/a b");
  EXPECT_EQ(mounts[1].type, "xfs");
}

TEST(HostTest, CollectsThisMachine) {
  HostCollector collector({});
  const auto families = collector.Collect({});
  ASSERT_TRUE(families) << families.error().message;
  std::map<std::string, std::size_t> points;
  for (const MetricFamily& family : *families) points[family.name] = family.points.size();
  EXPECT_EQ(points["fettle_host_cpu_seconds_total"], 8U);
  EXPECT_EQ(points["fettle_host_load1"], 1U);
  EXPECT_EQ(points["fettle_host_memory_total_bytes"], 1U);
  EXPECT_EQ(points["fettle_filesystem_size_bytes"], points["fettle_filesystem_avail_bytes"]);
}

TEST(HostTest, FailsWithoutProc) {
  HostConfig config;
  config.proc = "/nonexistent";
  HostCollector collector(config);
  const auto families = collector.Collect({});
  ASSERT_FALSE(families);
  EXPECT_EQ(families.error().message, "cannot read /nonexistent/stat");
}

}  // namespace
}  // namespace fettle::exporter
