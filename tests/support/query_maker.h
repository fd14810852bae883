// Random PromQL over the demo samples, of any shape the language allows; the seed tells which.
//
// What turns the last bit of a number into another answer is made of samples alone: remainders,
// sines, deviations of nearly the same.
#pragma once

#include <cstdint>
#include <random>
#include <string>
#include <vector>

namespace fettle {

class QueryMaker {
 public:
  struct Options {
    bool modern = true;       // what 2.42 does not know, or does otherwise
    bool histograms = false;  // native ones are among the samples
  };
  QueryMaker(std::uint64_t seed, Options options) : options_(options), random_(seed) {}

  // An instant vector; `depth` bounds how much is nested.
  std::string Vector(int depth);

 private:
  std::string Pick(const std::vector<std::string>& words) {
    return words[random_() % words.size()];
  }
  bool Once(unsigned in) { return random_() % in == 0; }
  std::string Number();
  std::string Scalar(int depth);
  std::string When();
  std::string MatchersText();
  std::string Selector();
  std::string Length();
  std::string Range(const std::string& kind);
  std::string Grouping();
  std::string Matching();
  std::string Aggregation(int depth);
  std::string OfWindow();
  std::string Subquery(int depth);
  std::string Arithmetic(int depth);
  std::string Sets(int depth);
  std::string Math(int depth);
  std::string Labelled(int depth);
  std::string Buckets(int depth);
  std::string Native();
  std::string Rest(int depth);

  const Options options_;
  std::mt19937_64 random_;
  int subqueries_ = 0;  // around what is being made
};

}  // namespace fettle
