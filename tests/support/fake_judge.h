// Rules that answer as the test says.
#pragma once

#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "common/judge.h"

namespace fettle {

class FakeJudge final : public Judge {
 public:
  // Text with "(" in front is no PromQL.
  Status Check(std::string_view expression) const override {
    if (expression.starts_with('(')) return Fail(Cause::kInvalid, "1:1: unclosed parenthesis");
    return {};
  }
  Result<std::vector<Sample>> Ask(std::string_view expression, Time at, Millis) const override {
    const std::lock_guard lock(mutex_);
    asked_.emplace_back(expression);
    if (!broken_.empty()) return Fail(Cause::kUnavailable, "{}", broken_);
    if (const auto value = values_.find(std::string(expression)); value != values_.end()) {
      return std::vector<Sample>{{Labels{}, value->second, at}};
    }
    const auto found = holds_.find(std::string(expression));
    if (found == holds_.end() || !found->second) return std::vector<Sample>{};
    return std::vector<Sample>{{Labels{}, 1, at}};
  }

  std::string Compared(std::string_view expression) const override {
    const std::size_t at = expression.find(" > ");
    return at == std::string_view::npos ? "" : std::string(expression.substr(0, at));
  }

  // Whether an expression returns anything from now on.
  void Say(const std::string& expression, bool holds) {
    const std::lock_guard lock(mutex_);
    holds_[expression] = holds;
  }
  // The one value of an expression from now on; NaN is a value, too.
  void Value(const std::string& expression, double value) {
    const std::lock_guard lock(mutex_);
    values_[expression] = value;
  }
  // Every question fails with this; "" ends that.
  void Break(std::string reason) {
    const std::lock_guard lock(mutex_);
    broken_ = std::move(reason);
  }
  std::vector<std::string> Asked() const {
    const std::lock_guard lock(mutex_);
    return asked_;
  }

 private:
  mutable std::mutex mutex_;
  std::map<std::string, bool> holds_;
  std::map<std::string, double> values_;
  std::string broken_;
  mutable std::vector<std::string> asked_;
};

}  // namespace fettle
