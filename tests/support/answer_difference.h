// What differs between two answers of Prometheus' HTTP API, in a line; "" if nothing does.
#pragma once

#include <string>

#include "common/json.h"

namespace fettle {

struct Tolerance {
  double relative = 1e-9;   // of numbers, written as numbers or as strings
  bool shape_only = false;  // keys and types alone
};

// Whole JSON values, keys and elements in order.
std::string JsonDifference(const Json& theirs, const Json& ours, const Tolerance& tolerance);
// Answers to queries: success or error, the type, and the series by their labels, in any order but
// a sorted vector's. Texts of errors and annotations may differ.
std::string AnswerDifference(const Json& theirs, const Json& ours, const Tolerance& tolerance);

bool SameNumber(double a, double b, double relative);

}  // namespace fettle
