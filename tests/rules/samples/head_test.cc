#include "rules/samples/head.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>
#include <string>

namespace fettle::rules {
namespace {

TEST(IdTableTest, FindsWhatAMapWouldFindWhateverComesAndGoes) {
  std::mt19937 random(7);
  IdTable table;
  std::map<std::uint32_t, std::uint32_t> known;  // number → hash; few hashes, so many collide
  for (std::uint32_t step = 0; step < 20'000; ++step) {
    if (known.empty() || random() % 5 < 3) {
      const std::uint32_t hash = random() % 64 * 3;
      known[step] = hash;
      table.Insert(hash, step);
    } else {
      const auto at = std::next(known.begin(), static_cast<long>(random() % known.size()));
      table.Erase(at->second, at->first);
      known.erase(at);
    }
    if (step % 500 > 0) continue;
    ASSERT_EQ(table.size(), known.size());
    for (const auto& [id, hash] : known) {
      ASSERT_EQ(table.Find(hash, [&](std::uint32_t found) { return found == id; }), id);
    }
    ASSERT_EQ(table.Find(1, [](std::uint32_t) { return true; }), IdTable::kNone);
  }
}

TEST(SymbolTableTest, KeepsATextAsLongAsSomebodyUsesIt) {
  SymbolTable symbols;
  const SymbolId job = symbols.Take("job");
  EXPECT_EQ(symbols.Take("job"), job);
  EXPECT_EQ(symbols.Find("job"), job);
  EXPECT_EQ(symbols.text(job), "job");
  symbols.Drop(job);
  EXPECT_EQ(symbols.Find("job"), job);
  symbols.Drop(job);
  EXPECT_EQ(symbols.Find("job"), SymbolTable::kNone);
  EXPECT_EQ(symbols.Take("other"), job) << "the number is given again";
  EXPECT_EQ(symbols.size(), 1U);
}

// A head with series {n="<number>", mod="<number % 7>"}, and what it should find.
struct Crowd {
  void Put(int number, std::int64_t time) {
    const std::string text = std::to_string(number);
    const std::string mod = std::to_string(number % 7);
    const std::vector<LabelView> labels = {{"mod", mod}, {"n", text}};
    const std::uint64_t hash = Head::HashOf(labels);
    Series* series = head.Find(labels, hash);
    if (series == nullptr) series = &head.Create(labels, hash);
    head.Append(*series, {time, static_cast<double>(number)});
    last[number] = time;
  }
  std::set<int> Find(Matcher::Type type, const std::string& name, const std::string& value) const {
    std::set<int> found;
    for (const SeriesId id :
         head.Matching({*Matcher::Make(type, name, value)}, -1, 1'000'000'000)) {
      found.insert(std::stoi(std::string(head.Show(head.at(id))->Get("n"))));
    }
    return found;
  }
  void Check() const {
    std::set<int> threes;
    std::set<int> ones;
    for (const auto& [number, time] : last) {
      if (number % 7 == 3) threes.insert(number);
      if (std::to_string(number).starts_with("1")) ones.insert(number);
    }
    using enum Matcher::Type;
    EXPECT_EQ(Find(kEqual, "mod", "3"), threes);
    EXPECT_EQ(Find(kRegexp, "mod", "3|nobody"), threes);
    EXPECT_EQ(Find(kRegexp, "n", "1.*"), ones);
    EXPECT_EQ(Find(kRegexp, "n", "12*.*"), ones);
    EXPECT_EQ(Find(kNotRegexp, "mod", "0|1|2|4|5|6"), threes);
    EXPECT_EQ(head.size(), last.size());
  }
  Head head;
  std::map<int, std::int64_t> last;
};

TEST(HeadTest, StaysRightWhileSeriesComeAndGo) {
  std::mt19937 random(11);
  Crowd crowd;
  int next = 0;
  for (int round = 1; round <= 12; ++round) {
    for (int i = 0; i < 500; ++i) crowd.Put(next++, round * 1'000);
    for (int i = 0; i < 50; ++i) {
      crowd.Put(next - 1 - static_cast<int>(random() % 400), round * 1'000 + 1 + i);
    }
    const std::int64_t before = round * 1'000 - 500;
    crowd.head.Expire(before);
    std::erase_if(crowd.last, [&](const auto& one) { return one.second < before; });
    crowd.Check();
  }
  EXPECT_LT(crowd.head.end(), 3'000U) << "numbers close up";
  crowd.head.Expire(1'000'000);
  EXPECT_EQ(crowd.head.size(), 0U);
  EXPECT_EQ(crowd.head.symbols().size(), 0U);
  EXPECT_EQ(crowd.head.samples(), 0U);
  EXPECT_EQ(crowd.head.chunk_bytes(), 0U);
}

TEST(HeadTest, ForgetsTextsThatNobodyAsksForAnyMore) {
  Crowd crowd;
  crowd.Put(1, 1'000);
  const LabelsPtr shown = crowd.head.Show(crowd.head.at(0));
  EXPECT_EQ(shown.use_count(), 2);
  crowd.head.Expire(0);
  EXPECT_EQ(shown.use_count(), 2);
  crowd.head.Expire(0);
  EXPECT_EQ(shown.use_count(), 1);
}

}  // namespace
}  // namespace fettle::rules
