// Prometheus' PromQL test language (.test files), read into commands. What the commands do is in
// test_runner.h.
//
// The language: lines are trimmed, those that start with # are empty, a block ends at an empty
// line.
//   clear | load <step> | load_with_nhcb <step>, followed by "metric sequence" lines
//   eval instant at <time> <expr> | eval range from <time> to <time> step <duration> <expr>
// followed by expectations (`expect fail`, `expect warn msg:…`, …) and "metric sequence" lines.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "common/clock.h"
#include "common/labels.h"
#include "rules/promql/series_description.h"

namespace fettle::promql {

// A text an error or annotation must have: exactly, or a regular expression it must contain.
struct ExpectedText {
  enum class Kind { kAnything, kExactly, kRegexp };
  Kind kind = Kind::kAnything;
  std::string text{};
};

struct LoadCommand {
  Millis step{0};
  bool with_custom_buckets = false;
  struct Line {
    std::size_t number = 0;
    std::string text;
  };
  std::vector<Line> series;
};

struct EvalCommand {
  std::string expr;
  bool range = false;
  Time start;  // of an instant: the time
  Time end;
  Millis step{0};

  bool ordered = false;
  std::optional<ExpectedText> fail;
  std::vector<ExpectedText> warnings;
  std::vector<ExpectedText> infos;
  bool no_warnings = false;
  bool no_infos = false;
  std::optional<std::string> string;
  // `expect range vector`: the instant query answers with samples at these times.
  struct Times {
    Time start;
    Millis step{0};
  };
  std::optional<Times> matrix;
  std::optional<double> scalar;
  std::vector<SeriesDescription> series;
};

struct TestCommand {
  std::size_t line = 0;  // from 1
  struct Clear {};
  struct Wrong {
    std::string why;
  };
  std::variant<Clear, LoadCommand, EvalCommand, Wrong> what;
};

// Never fails as a whole: what cannot be read is a Wrong command.
std::vector<TestCommand> ReadTestScript(std::string_view text);

}  // namespace fettle::promql
