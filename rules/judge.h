// Answers questions in PromQL over fettle's own samples: what verification, gates and rollback ask.
// Safe from any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/clock.h"
#include "common/judge.h"
#include "rules/promql/engine.h"
#include "rules/promql/parser.h"

namespace fettle::rules {

// As Judge::Compared, of what was parsed.
std::string ComparedIn(const promql::Expr& expression);

class EngineJudge final : public Judge {
 public:
  struct Deps {
    const promql::Engine& engine;
    const Clock& clock;  // for the deadline alone
  };
  explicit EngineJudge(Deps deps, promql::ParserOptions parser = {})
      : deps_(deps), parser_(parser) {}

  // Refuses also what is no vector and no scalar.
  Status Check(std::string_view expression) const override;
  Result<std::vector<Sample>> Ask(std::string_view expression, Time at,
                                  Millis timeout) const override;
  std::string Compared(std::string_view expression) const override;

 private:
  Result<promql::ExprPtr> Read(std::string_view expression) const;
  const Deps deps_;
  const promql::ParserOptions parser_;
};

}  // namespace fettle::rules
