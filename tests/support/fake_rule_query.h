// A source of answers for rules that a test scripts, by the expression's text.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "rules/rule_query.h"

namespace fettle::rules {

class FakeRuleQuery final : public RuleQuery {
 public:
  using Answer = std::function<Result<RuleAnswer>(Time at)>;
  struct Question {
    std::string text;
    Time at;
  };

  Result<RuleAnswer> Ask(const promql::Expr&, const std::string& text, Time at,
                         BootTime) const override {
    Answer answer;
    {
      const std::lock_guard lock(mutex_);
      asked_.push_back({text, at});
      const auto found = answers_.find(text);
      if (found != answers_.end()) answer = found->second;
    }
    return answer ? answer(at) : RuleAnswer{};
  }

  // From now on `text` finds these series, each with the value; {} finds none.
  void Set(const std::string& text, std::vector<std::pair<Labels, double>> series) {
    RuleAnswer answer;
    for (auto& [labels, value] : series) {
      answer.vector.push_back({std::make_shared<const Labels>(std::move(labels)), value, nullptr});
    }
    answer.samples = 1;
    SetAnswer(text, [answer](Time) -> Result<RuleAnswer> { return answer; });
  }
  // Nothing is known: no selector finds a series.
  void SetUnknown(const std::string& text) {
    SetAnswer(text, [](Time) -> Result<RuleAnswer> { return RuleAnswer{}; });
  }
  void SetAnswer(const std::string& text, Answer answer) {
    const std::lock_guard lock(mutex_);
    answers_[text] = std::move(answer);
  }
  // The questions since the last call.
  std::vector<Question> TakeAsked() {
    const std::lock_guard lock(mutex_);
    return std::exchange(asked_, {});
  }

 private:
  mutable std::mutex mutex_;
  std::map<std::string, Answer> answers_;
  mutable std::vector<Question> asked_;
};

}  // namespace fettle::rules
