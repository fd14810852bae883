#include "exporter/scrape/page_intake.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace fettle::exporter {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

const Time kNow = TimeFromMillis(1'700'000'000'000);

// The keys of one scrape config, without its job_name.
ScrapeConfig ConfigOf(const std::string& keys) {
  yaml::Complaints complaints;
  const auto node = yaml::Load("scrape_configs:\n- {job_name: j, " + keys + "}", "f", complaints);
  std::vector<ScrapeConfig> configs;
  {
    yaml::Mapping mapping(*node, "exporter", complaints);
    configs = ReadScrapeConfigs(mapping, "", {}, Millis(15'000));
  }
  EXPECT_EQ(complaints.ToString(), "");
  return configs.front();
}

class PageIntakeTest : public testing::Test {
 protected:
  void Use(const std::string& keys) {
    config_ = ConfigOf(keys);
    intake_ = std::make_unique<PageIntake>(config_, target_);
  }
  PageIntake::Taken Take(const std::string& page) {
    if (!intake_) Use("honor_labels: false");
    now_ += Millis(15'000);
    return intake_->Take(page, PageFormat::kText, now_);
  }
  // "name{labels} value", with " @ms" where it is not the scrape's time.
  std::vector<std::string> Lines(const SampleBatch& batch) const {
    std::vector<std::string> lines;
    for (const Sample& sample : batch.samples) {
      std::string line = sample.labels.ToString() + " ";
      line += IsStaleNaN(sample.value) ? "stale" : fmt::format("{}", sample.value);
      if (sample.at != now_) line += fmt::format(" @{}", ToMillis(sample.at));
      lines.push_back(std::move(line));
    }
    return lines;
  }

  Labels target_{{"job", "j"}, {"instance", "h:1"}};
  ScrapeConfig config_;
  std::unique_ptr<PageIntake> intake_;
  Time now_ = kNow;
};

TEST_F(PageIntakeTest, TheTargetsLabelsWinAndThePagesGoOnUnderAnotherName) {
  const auto taken = Take("a{job=\"x\",exported_job=\"y\",b=\"c\"} 1\n");
  EXPECT_THAT(Lines(taken.batch),
              ElementsAre("a{b=\"c\", exported_exported_job=\"x\", exported_job=\"y\", "
                          "instance=\"h:1\", job=\"j\"} 1"));
}

TEST_F(PageIntakeTest, WithHonorLabelsThePageWinsEvenIfEmpty) {
  Use("honor_labels: true");
  const auto taken = Take("a{job=\"x\",instance=\"\"} 1\nb 2\n");
  EXPECT_THAT(Lines(taken.batch),
              ElementsAre("a{job=\"x\"} 1", "b{instance=\"h:1\", job=\"j\"} 2"));
}

TEST_F(PageIntakeTest, SeriesThatAreGoneEndOnce) {
  Take("a 1\nb 1\n");
  const auto second = Take("a 2\n");
  EXPECT_THAT(Lines(second.batch), ElementsAre("a{instance=\"h:1\", job=\"j\"} 2",
                                               "b{instance=\"h:1\", job=\"j\"} stale"));
  EXPECT_EQ(second.added, 0U);
  EXPECT_THAT(Lines(Take("a 3\n").batch), ElementsAre("a{instance=\"h:1\", job=\"j\"} 3"));
  const auto back = Take("a 4\nb 1\n");
  EXPECT_EQ(back.added, 1U);
  EXPECT_EQ(intake_->TakeNothing(now_).samples.size(), 2U);
}

TEST_F(PageIntakeTest, ABrokenPageEndsWhatWasThereAndStoresNothing) {
  Take("a 1\n");
  const auto taken = Take("a 2\nnew 1\nbroken\n");
  EXPECT_EQ(taken.status.error().message, "line 3: expected a value after the metric");
  EXPECT_EQ(taken.scraped, 2U);
  EXPECT_THAT(Lines(taken.batch), ElementsAre("a{instance=\"h:1\", job=\"j\"} stale"));
}

TEST_F(PageIntakeTest, TimestampsAreThePagesAndSuchSeriesDoNotEnd) {
  const auto taken = Take("a 1 1700000001000\nb 2\n");
  EXPECT_THAT(Lines(taken.batch), ElementsAre("a{instance=\"h:1\", job=\"j\"} 1 @1700000001000",
                                              "b{instance=\"h:1\", job=\"j\"} 2"));
  EXPECT_THAT(Lines(Take("\n").batch), ElementsAre("b{instance=\"h:1\", job=\"j\"} stale"));
}

TEST_F(PageIntakeTest, UnlessTheyAreNotHonoured) {
  Use("honor_timestamps: false");
  EXPECT_THAT(Lines(Take("a 1 5\n").batch), ElementsAre("a{instance=\"h:1\", job=\"j\"} 1"));
  EXPECT_EQ(Take("\n").batch.samples.size(), 1U);
}

TEST_F(PageIntakeTest, OrTheirEndIsAskedFor) {
  Use("track_timestamps_staleness: true");
  Take("a 1 1700000001000\n");
  EXPECT_THAT(Lines(Take("\n").batch), ElementsAre("a{instance=\"h:1\", job=\"j\"} stale"));
}

TEST_F(PageIntakeTest, WhatIsFarAheadIsLeftOut) {
  EXPECT_THAT(Take("a 1 1800000000000\n").batch.samples, IsEmpty());
}

TEST_F(PageIntakeTest, MetricRelabelConfigsDropAndRename) {
  Use("metric_relabel_configs: [{source_labels: [__name__], regex: 'go_.*', action: drop}, "
      "{source_labels: [__name__], regex: 'a', target_label: __name__, replacement: b}, "
      "{regex: secret, action: labeldrop}]");
  const auto taken = Take("a{secret=\"x\"} 1\ngo_gc 2\n");
  EXPECT_THAT(Lines(taken.batch), ElementsAre("b{instance=\"h:1\", job=\"j\"} 1"));
  EXPECT_EQ(taken.scraped, 2U);
  EXPECT_EQ(taken.kept, 1U);
  EXPECT_EQ(taken.added, 1U);
  EXPECT_THAT(Take("go_gc 2\n").batch.samples, testing::SizeIs(1)) << "what was dropped never ends";
}

TEST_F(PageIntakeTest, ASampleWithoutANameFailsThePage) {
  Use("metric_relabel_configs: [{regex: __name__, action: labeldrop}]");
  EXPECT_EQ(Take("a 1\n").status.error().message, "missing metric name label");
}

TEST_F(PageIntakeTest, LimitsFailTheWholePage) {
  struct Case {
    std::string keys;
    std::string error;
  };
  const std::vector<Case> cases = {
      {"sample_limit: 2", "sample limit exceeded"},
      {"label_limit: 3", "label_limit exceeded (metric: a, number of labels: 4, limit: 3)"},
      {"label_name_length_limit: 8",
       "label_name_length_limit exceeded (metric: a, label name: long_name, length: 9, limit: 8)"},
      {"label_value_length_limit: 4",
       "label_value_length_limit exceeded (metric: a, label name: long_name, length: 5, limit: 4)"},
  };
  for (const Case& one : cases) {
    SCOPED_TRACE(one.keys);
    target_ = {{"job", "j"}, {"instance", "h"}};
    Use(one.keys);
    const auto taken = Take("a{long_name=\"value\"} 1\nb 1\nc 1\n");
    ASSERT_FALSE(taken.status.has_value());
    EXPECT_EQ(taken.status.error().message, one.error);
    EXPECT_THAT(taken.batch.samples, IsEmpty());
    EXPECT_EQ(taken.over_samples, one.keys.starts_with("sample"));
    EXPECT_EQ(taken.over_labels, one.keys.starts_with("label"));
    EXPECT_EQ(taken.scraped, taken.over_samples ? 3U : 1U);
  }
}

TEST_F(PageIntakeTest, ExemplarsAndMetadataComeBesideTheSamples) {
  Use("honor_labels: false");
  const auto taken = intake_->Take(
      "# TYPE a counter\n# HELP a Help.\n# UNIT a_s s\na_total 1 # {t=\"x\"} 2 3\n# EOF\n",
      PageFormat::kOpenMetrics, now_);
  ASSERT_EQ(taken.exemplars.size(), 1U);
  EXPECT_EQ(taken.exemplars[0].series.ToString(), "a_total{instance=\"h:1\", job=\"j\"}");
  EXPECT_EQ(taken.exemplars[0].labels.ToString(), "{t=\"x\"}");
  EXPECT_EQ(ToMillis(taken.exemplars[0].at), 3000);
  EXPECT_EQ(intake_->metadata().at("a").help, "Help.");
  EXPECT_EQ(intake_->metadata().at("a").type, MetricType::kCounter);
  EXPECT_EQ(intake_->metadata().at("a_s").unit, "s");
}

}  // namespace
}  // namespace fettle::exporter
