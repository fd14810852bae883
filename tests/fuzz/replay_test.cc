// Every fuzz target is an ordinary test too: its corpus is replayed, and each seed is bent in a
// few hundred ways that a fixed random number generator chooses. A crash or a sanitizer's report is
// the failure. With libFuzzer (preset fuzz) this file is not compiled.
#include "tests/fuzz/replay.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

namespace fettle {
namespace {

std::vector<std::string> Corpus(const FuzzSubject& subject) {
  std::vector<std::filesystem::path> paths;
  const std::filesystem::path corpus = std::filesystem::path(FETTLE_FUZZ_CORPUS) / subject.name;
  for (const auto& entry : std::filesystem::directory_iterator(corpus)) {
    paths.push_back(entry.path());
  }
  std::sort(paths.begin(), paths.end());
  std::vector<std::string> seeds;
  for (const auto& path : paths) {
    std::ifstream in(path, std::ios::binary);
    seeds.emplace_back(std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>());
  }
  return seeds;
}

void Feed(const FuzzSubject& subject, const std::string& input) {
  // A copy of exactly this size, so that the address sanitizer sees one byte too many.
  const std::vector<std::uint8_t> bytes(input.begin(), input.end());
  subject.feed(bytes.data(), bytes.size());
}

class FuzzTest : public testing::TestWithParam<FuzzSubject> {};

TEST_P(FuzzTest, ReplaysItsCorpus) {
  const std::vector<std::string> seeds = Corpus(GetParam());
  ASSERT_FALSE(seeds.empty());
  Feed(GetParam(), "");
  for (const std::string& seed : seeds) Feed(GetParam(), seed);
}

TEST_P(FuzzTest, BendsItsCorpus) {
  constexpr int kBendsPerSeed = 300;
  std::mt19937_64 random(20261120);
  for (const std::string& seed : Corpus(GetParam())) {
    for (int bend = 0; bend < kBendsPerSeed; ++bend) {
      std::string input = seed;
      for (std::uint64_t edits = 1 + random() % 4; edits > 0 && !input.empty(); --edits) {
        const std::size_t at = random() % input.size();
        switch (random() % 4) {
          case 0: input[at] = static_cast<char>(random()); break;
          case 1: input.erase(at, 1 + random() % 8); break;
          case 2: input.insert(at, input.substr(random() % input.size(), random() % 32)); break;
          default: input.resize(at); break;
        }
      }
      Feed(GetParam(), input);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Subjects, FuzzTest, testing::ValuesIn(FuzzSubjects()),
                         [](const auto& of) { return std::string(of.param.name); });

}  // namespace
}  // namespace fettle
