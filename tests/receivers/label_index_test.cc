#include "receivers/label_index.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

namespace fettle::receivers {
namespace {

// Whatever is asked, nothing that matches is left out, and a few stay a few.
TEST(LabelIndexTest, NeverLosesAMatch) {
  std::mt19937 random(7);
  const auto some = [&](const char* prefix, unsigned among) {
    return prefix + std::to_string(random() % among);
  };
  LabelIndex index;
  std::vector<Labels> all;
  for (std::uint64_t i = 0; i < 500; ++i) {
    Labels labels{{"n", std::to_string(i)}, {"team", some("t", 5)}};
    if (random() % 2 == 0) labels.Set("x", some("x", 40));
    index.Add(i, labels);
    all.push_back(labels);
  }
  for (const char* text :
       {"n=\"7\"", "team=\"t1\",x=\"x3\"", "x=\"\"", "x=~\"x1|x2\"", "x=~\"x.*\"", "n!=\"3\"",
        "x=\"nobody\"", "team=~\"t[12]\",n=\"9\"", "x!~\"x1|x2\"", "x=~\"|x1\"", ""}) {
    const Result<Matchers> matchers = ParseMatchers(text);
    ASSERT_TRUE(matchers) << text;
    const auto among = index.Among(*matchers, 100);
    if (!among) continue;
    EXPECT_LE(among->size(), 100U) << text;
    EXPECT_TRUE(std::is_sorted(among->begin(), among->end()));
    for (std::uint64_t i = 0; i < all.size(); ++i) {
      if (!MatchAll(*matchers, all[i])) continue;
      EXPECT_TRUE(std::binary_search(among->begin(), among->end(), i)) << text << " " << i;
    }
  }
  EXPECT_EQ(index.Among(*ParseMatchers("n=\"7\""), 100), std::vector<std::uint64_t>{7});
  EXPECT_EQ(index.Among(*ParseMatchers("x=\"nobody\""), 100)->size(), 0U);
  EXPECT_FALSE(index.Among(*ParseMatchers("team=\"t1\""), 10)) << "more than few";
  EXPECT_FALSE(index.Among(*ParseMatchers("x=\"\""), 1'000)) << "absence is in no index";
  index.Clear();
  EXPECT_EQ(index.Among(*ParseMatchers("n=\"7\""), 100)->size(), 0U);
}

}  // namespace
}  // namespace fettle::receivers
