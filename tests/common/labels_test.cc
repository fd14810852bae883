#include "common/labels.h"

#include <gtest/gtest.h>

namespace fettle {
namespace {

TEST(LabelsTest, SortsAndDropsEmptyValues) {
  const Labels labels{{"b", "2"}, {"a", "1"}, {"c", ""}};
  EXPECT_EQ(labels.ToString(), R"({a="1", b="2"})");
  EXPECT_EQ(labels.Get("b"), "2");
  EXPECT_EQ(labels.Get("c"), "");
  EXPECT_FALSE(labels.Has("c"));
}

TEST(LabelsTest, TheLastOfRepeatedNamesWins) {
  EXPECT_EQ((Labels{{"a", "1"}, {"a", "2"}}).ToString(), R"({a="2"})");
}

TEST(LabelsTest, SetsReplacesAndRemoves) {
  Labels labels{{"a", "1"}};
  labels.Set("b", "2");
  labels.Set("a", "3");
  EXPECT_EQ(labels.ToString(), R"({a="3", b="2"})");
  labels.Set("a", "");
  labels.Remove("absent");
  EXPECT_EQ(labels.ToString(), R"({b="2"})");
}

// Alertmanager 0.25 shows this fingerprint for the alert {alertname="x"}.
TEST(LabelsTest, FingerprintsAsAlertmanagerDoes) {
  EXPECT_EQ((Labels{{"alertname", "x"}}).FingerprintHex(), "d240efc3896bf266");
}

TEST(LabelsTest, PrintsNamesAndQuotesAsGoDoes) {
  EXPECT_EQ((Labels{{"__name__", "up"}}).ToString(), "up");
  EXPECT_EQ((Labels{{"__name__", "up"}, {"a", "x\"\n\\é\x01"}}).ToString(),
            "up{a=\"x\\\"\\n\\\\é\\x01\"}");
  EXPECT_EQ(Labels{}.ToString(), "{}");
  EXPECT_EQ(Quote("\xff\xc3("), R"("\xff\xc3(")");
}

TEST(LabelsTest, KnowsNames) {
  EXPECT_TRUE(IsLabelName("a_1"));
  EXPECT_FALSE(IsLabelName("1a"));
  EXPECT_FALSE(IsLabelName("a:b"));
  EXPECT_FALSE(IsLabelName(""));
  EXPECT_TRUE(IsMetricName("a:b"));
  EXPECT_TRUE(IsUtf8("é€😀"));
  EXPECT_FALSE(IsUtf8("\xc0\x80"));
  EXPECT_FALSE(IsUtf8("\xed\xa0\x80"));
  EXPECT_FALSE(IsUtf8("\xe2\x82"));
}

}  // namespace
}  // namespace fettle
