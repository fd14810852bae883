#include "rules/promql/test_script.h"

#include <re2/re2.h>

#include <algorithm>
#include <utility>

#include "common/duration.h"
#include "rules/promql/literals.h"

namespace fettle::promql {
namespace {

std::string_view Trim(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(" \t\r");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t\r") - begin + 1);
}

// Trimmed; comments are empty lines.
std::vector<std::string_view> Lines(std::string_view text) {
  std::vector<std::string_view> lines;
  while (true) {
    const std::size_t end = text.find('\n');
    const std::string_view line = Trim(text.substr(0, end));
    lines.push_back(line.starts_with("#") ? std::string_view() : line);
    if (end == std::string_view::npos) return lines;
    text.remove_prefix(end + 1);
  }
}

re2::StringPiece Piece(std::string_view text) { return {text.data(), text.size()}; }

bool StartsWithWord(std::string_view line, std::string_view prefix) {
  if (line.size() < prefix.size()) return false;
  for (std::size_t i = 0; i < prefix.size(); ++i) {
    const char c = line[i];
    if ((c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c) != prefix[i]) return false;
  }
  return true;
}

// A duration, or a number of seconds.
Result<Millis> ParseLength(std::string_view text) {
  const bool negative = text.starts_with("-");
  if (negative) text.remove_prefix(1);
  const Result<Millis> duration = ParseDuration(text);
  if (duration) return negative ? -*duration : *duration;
  const Result<double> seconds = ParseNumber(text);
  constexpr double kSecondsMax = 1e12;
  if (!seconds || !(*seconds < kSecondsMax)) return duration;
  const auto millis = static_cast<std::int64_t>(*seconds * 1000);
  return Millis(negative ? -millis : millis);
}

Result<ExpectedText> ReadExpectedText(const std::string& kind, const std::string& text) {
  if (kind.empty()) return ExpectedText{};
  ExpectedText expected{kind == "msg" ? ExpectedText::Kind::kExactly : ExpectedText::Kind::kRegexp,
                        std::string(Trim(text))};
  if (expected.kind == ExpectedText::Kind::kRegexp &&
      !re2::RE2(expected.text, re2::RE2::Quiet).ok()) {
    return Fail("invalid regular expression {}", Quote(expected.text));
  }
  return expected;
}

class EvalReader {
 public:
  explicit EvalReader(EvalCommand& eval) : eval_(eval) {}

  Status ReadHead(std::string_view line) {
    static const re2::RE2 kInstant(
        R"((?i)^eval(?:_(fail|warn|ordered|info))?\s+instant\s+(?:at\s+(.+?))?\s+(.+)$)");
    static const re2::RE2 kRange(
        R"((?i)^eval(?:_(fail|warn|info))?\s+range\s+from\s+(.+)\s+to\s+(.+)\s+step\s+(.+?)\s+(.+)$)");
    std::string mode, from, to, step;
    if (re2::RE2::FullMatch(Piece(line), kInstant, &mode, &from, &eval_.expr)) {
      const Result<Millis> at = ParseLength(from);
      if (!at) return While("reading the time", at.error());
      eval_.start = Time(*at);
    } else if (re2::RE2::FullMatch(Piece(line), kRange, &mode, &from, &to, &step, &eval_.expr)) {
      const Result<Millis> start = ParseLength(from);
      const Result<Millis> end = ParseLength(to);
      const Result<Millis> interval = ParseLength(step);
      if (!start || !end || !interval) return Fail("a time of the range cannot be read");
      if (*end < *start) return Fail("the range ends before it starts");
      eval_.range = true;
      eval_.start = Time(*start);
      eval_.end = Time(*end);
      eval_.step = *interval;
    } else {
      return Fail("neither an instant nor a range evaluation");
    }
    if (mode == "fail") eval_.fail = ExpectedText{};
    if (mode == "warn") eval_.warnings.emplace_back();
    if (mode == "info") eval_.infos.emplace_back();
    if (mode == "ordered") eval_.ordered = true;
    return {};
  }

  Status ReadLine(std::string_view line) {
    if (line.starts_with("expect ") || line.starts_with("expect\t")) return ReadExpectation(line);
    if (line.starts_with("expected_fail_message")) {
      eval_.fail = {ExpectedText::Kind::kExactly, std::string(Trim(line.substr(21)))};
      return {};
    }
    if (line.starts_with("expected_fail_regexp")) {
      eval_.fail = {ExpectedText::Kind::kRegexp, std::string(Trim(line.substr(20)))};
      return {};
    }
    if (const Result<double> number = ReadNumber(line)) {
      eval_.scalar = *number;
      return {};
    }
    Result<SeriesDescription> series = ParseSeriesDescription(line);
    if (!series) return tl::unexpected(series.error());
    // The last of repeated series counts, in the place of the first.
    for (SeriesDescription& known : eval_.series) {
      if (known.labels != series->labels) continue;
      known = std::move(*series);
      return {};
    }
    eval_.series.push_back(std::move(*series));
    return {};
  }

 private:
  static Result<double> ReadNumber(std::string_view line) {
    double sign = 1;
    if (line.starts_with("-") || line.starts_with("+")) {
      sign = line[0] == '-' ? -1 : 1;
      line.remove_prefix(1);
    }
    const Result<double> number = ParseNumber(line);
    if (!number) return number;
    return sign * *number;
  }

  Status ReadExpectation(std::string_view line) {
    static const re2::RE2 kText(
        R"(^expect\s+(ordered|fail|warn|no_warn|info|no_info)(?:\s+(regex|msg):(.+))?$)");
    static const re2::RE2 kString(R"(^expect\s+string\s+(.+)$)");
    static const re2::RE2 kMatrix(
        R"(^expect\s+range\s+vector\s+from\s+(.+)\s+to\s+(.+)\s+step\s+(.+)$)");
    std::string word, kind, text, to;
    if (re2::RE2::FullMatch(Piece(line), kText, &word, &kind, &text)) {
      const Result<ExpectedText> expected = ReadExpectedText(kind, text);
      if (!expected) return tl::unexpected(expected.error());
      if (word == "ordered") eval_.ordered = true;
      if (word == "fail") eval_.fail = *expected;
      if (word == "warn") eval_.warnings.push_back(*expected);
      if (word == "info") eval_.infos.push_back(*expected);
      if (word == "no_warn") eval_.no_warnings = true;
      if (word == "no_info") eval_.no_infos = true;
      return {};
    }
    if (re2::RE2::FullMatch(Piece(line), kString, &text)) {
      const bool quoted = text.size() >= 2 && text.front() == text.back() &&
                          (text.front() == '"' || text.front() == '`' || text.front() == '\'');
      if (!quoted) return Fail("expected a quoted string, got {}", text);
      eval_.string = UnquoteToken(text);
      return {};
    }
    if (re2::RE2::FullMatch(Piece(line), kMatrix, &text, &to, &kind)) {
      const Result<Millis> start = ParseLength(text);
      const Result<Millis> step = ParseLength(kind);
      if (!start || !step) return Fail("a time of the range cannot be read");
      eval_.matrix = EvalCommand::Times{Time(*start), *step};
      return {};
    }
    return Fail("unknown expectation {}", Quote(line));
  }

  EvalCommand& eval_;
};

class ScriptReader {
 public:
  explicit ScriptReader(std::string_view text) : lines_(Lines(text)) {}

  std::vector<TestCommand> Read() {
    for (; at_ < lines_.size(); ++at_) {
      if (lines_[at_].empty()) continue;
      TestCommand command{.line = at_ + 1, .what = {}};
      const std::string_view line = lines_[at_];
      if (StartsWithWord(line, "clear")) {
        command.what = TestCommand::Clear{};
      } else if (StartsWithWord(line, "load")) {
        command.what = ReadLoad();
      } else if (StartsWithWord(line, "eval")) {
        command.what = ReadEval();
      } else {
        command.what = TestCommand::Wrong{"unknown command " + Quote(line)};
      }
      commands_.push_back(std::move(command));
    }
    return std::move(commands_);
  }

 private:
  using What = decltype(TestCommand::what);

  // Leaves at_ on the last line of the block.
  bool NextInBlock() {
    if (at_ + 1 >= lines_.size() || lines_[at_ + 1].empty()) return false;
    ++at_;
    return true;
  }

  What ReadLoad() {
    static const re2::RE2 kLoad(R"((?i)^load(?:_(with_nhcb))?\s+(.+?)$)");
    std::string conversion, step;
    LoadCommand load;
    std::string wrong;
    if (!re2::RE2::FullMatch(Piece(lines_[at_]), kLoad, &conversion, &step)) {
      wrong = "load needs a step";
    }
    const Result<Millis> parsed = ParseLength(step);
    if (parsed) load.step = *parsed;
    if (!parsed) wrong = "reading the step: " + parsed.error().message;
    load.with_custom_buckets = !conversion.empty();
    while (NextInBlock()) load.series.push_back({at_ + 1, std::string(lines_[at_])});
    if (!wrong.empty()) return TestCommand::Wrong{std::move(wrong)};
    return load;
  }

  What ReadEval() {
    EvalCommand eval;
    EvalReader reader(eval);
    Status status = reader.ReadHead(lines_[at_]);
    bool ended = false;
    while (NextInBlock()) {
      if (status && !ended) status = reader.ReadLine(lines_[at_]);
      ended = ended || eval.scalar.has_value();
    }
    if (!status) return TestCommand::Wrong{status.error().message};
    return eval;
  }

  const std::vector<std::string_view> lines_;
  std::size_t at_ = 0;
  std::vector<TestCommand> commands_;
};

}  // namespace

std::vector<TestCommand> ReadTestScript(std::string_view text) { return ScriptReader(text).Read(); }

}  // namespace fettle::promql
