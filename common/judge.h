// Asks the rules a question. Implemented by rules; used by verification, gates and rollback.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/clock.h"
#include "common/result.h"
#include "common/sample.h"

namespace fettle {

// Safe from any thread; Ask() may take as long as its deadline, so the brain gives it to a hand.
class Judge {
 public:
  virtual ~Judge() = default;
  // At load: is this PromQL? The error carries line:column within the expression.
  virtual Status Check(std::string_view expression) const = 0;
  // The instant value: a vector's elements, or one sample without labels for a scalar. An empty
  // vector is an answer (nothing is known, or nothing matches), not an error.
  virtual Result<std::vector<Sample>> Ask(std::string_view expression, Time at,
                                          Millis timeout) const = 0;
  // What a comparison compares: "x" of "x > 5", so that "nothing is known of x" can be told from "x
  // is small". "" if the expression is no comparison.
  virtual std::string Compared(std::string_view expression) const = 0;
};

}  // namespace fettle
