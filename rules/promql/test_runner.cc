#include "rules/promql/test_runner.h"

#include <re2/re2.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <utility>

#include "common/number.h"
#include "rules/promql/engine.h"
#include "rules/promql/function_table.h"
#include "rules/promql/native_histogram.h"
#include "rules/promql/parser.h"
#include "rules/promql/printer.h"
#include "rules/promql/rewrite.h"
#include "rules/promql/test_load.h"
#include "rules/promql/test_script.h"
#include "rules/samples/samples.h"

namespace fettle::promql {
namespace {

constexpr double kEpsilon = 1e-6;

// Prometheus' almost.Equal.
bool AlmostEqual(double a, double b) {
  if (IsStaleNaN(a) || IsStaleNaN(b)) return IsStaleNaN(a) && IsStaleNaN(b);
  if (std::isnan(a) && std::isnan(b)) return true;
  if (a == b) return true;
  const double size = std::abs(a) + std::abs(b);
  const double difference = std::abs(a - b);
  constexpr double kMinNormal = std::numeric_limits<double>::min();
  if (a == 0 || b == 0 || size < kMinNormal) return difference < kEpsilon * kMinNormal;
  return difference / std::min(size, std::numeric_limits<double>::max()) < kEpsilon;
}

bool AlmostSame(const FloatHistogram::Buckets& a, const FloatHistogram::Buckets& b) {
  return a.spans == b.spans && std::equal(a.counts.begin(), a.counts.end(), b.counts.begin(),
                                          b.counts.end(), AlmostEqual);
}

bool AlmostSame(FloatHistogram a, FloatHistogram b) {
  Compact(a);
  Compact(b);
  return a.schema == b.schema && AlmostEqual(a.count, b.count) && AlmostEqual(a.sum, b.sum) &&
         a.custom_bounds == b.custom_bounds && a.zero_threshold == b.zero_threshold &&
         AlmostEqual(a.zero_count, b.zero_count) && AlmostSame(a.positive, b.positive) &&
         AlmostSame(a.negative, b.negative);
}

bool Matches(const ExpectedText& expected, const std::string& text) {
  switch (expected.kind) {
    case ExpectedText::Kind::kAnything:
      return true;
    case ExpectedText::Kind::kExactly:
      return text == expected.text;
    default:
      return re2::RE2::PartialMatch(text, expected.text);
  }
}

// Functions whose answer depends on when they are asked, or on the query around them.
bool DependsOnQuery(const Expr& expr) {
  static constexpr FunctionId kFunctions[] = {
      FunctionId::kDaysInMonth, FunctionId::kDayOfMonth, FunctionId::kDayOfWeek,
      FunctionId::kDayOfYear,   FunctionId::kEnd,        FunctionId::kHour,
      FunctionId::kMinute,      FunctionId::kMonth,      FunctionId::kYear,
      FunctionId::kStart,       FunctionId::kRange,      FunctionId::kPredictLinear,
      FunctionId::kStep,        FunctionId::kTime,       FunctionId::kTimestamp};
  bool depends = false;
  Walk(expr, [&](const Expr& node) {
    const auto* call = As<Call>(node);
    depends = depends || (call != nullptr && std::find(std::begin(kFunctions), std::end(kFunctions),
                                                       call->function->id) != std::end(kFunctions));
  });
  return depends;
}

// Whether the same expression means the same in a range query.
bool MeansTheSameInRange(const std::string& text) {
  static const re2::RE2 kQueryContext(R"((?i)(start|end|range|step)\(\))");
  return !re2::RE2::PartialMatch(text, kQueryContext);
}

// What an evaluation expects, held against what came. Each check answers with a complaint.
class Checker {
 public:
  explicit Checker(const EvalCommand& eval) : eval_(eval) {}

  Status Annotated(const Annotations& annotations, const std::string& query) const {
    std::vector<std::string> warnings, infos;
    for (const Annotation& annotation : annotations) {
      const bool warning = annotation.kind == Annotation::Kind::kWarning;
      (warning ? warnings : infos)
          .push_back(fmt::format("{} ({})", annotation.text,
                                 LineAndColumn(query, annotation.where.start)));
    }
    if (Status status = Texts("warning", eval_.warnings, eval_.no_warnings, warnings); !status) {
      return status;
    }
    return Texts("info", eval_.infos, eval_.no_infos, infos);
  }

  Status Instant(const Value& value) const {
    switch (value.type) {
      case ValueType::kString:
        if (!eval_.string) return Fail("expected no string, got {}", Quote(value.string));
        if (*eval_.string != value.string) {
          return Fail("expected string {}, got {}", Quote(*eval_.string), Quote(value.string));
        }
        return {};
      case ValueType::kScalar:
        if (!eval_.scalar) return Fail("expected no scalar, got {}", FormatFloat(value.scalar));
        return Same("the scalar", *eval_.scalar, value.scalar);
      case ValueType::kMatrix:
        if (!eval_.matrix) return Fail("expected no range vector");
        return Matrix(value.matrix, eval_.matrix->start, eval_.matrix->step);
      default:
        return Vector(value.vector);
    }
  }

  Status Matrix(const promql::Matrix& matrix, Time start, Millis step) const {
    for (std::size_t i = 1; i < matrix.size(); ++i) {
      if (!(*matrix[i - 1].labels < *matrix[i].labels)) return Fail("series are not sorted");
    }
    std::map<Labels, const Series*> got;
    for (const Series& series : matrix) got[*series.labels] = &series;
    for (const SeriesDescription& expected : eval_.series) {
      const auto found = got.find(expected.labels);
      if (found == got.end()) return Fail("missing {}", expected.labels.ToString());
      if (Status status = Points(expected, *found->second, start, step); !status) return status;
      got.erase(found);
    }
    if (!got.empty()) return Fail("unexpected {}", got.begin()->first.ToString());
    return {};
  }

  Status Vector(const promql::Vector& vector) const {
    if (eval_.scalar) return Fail("expected scalar {}, got a vector", FormatFloat(*eval_.scalar));
    if (eval_.string) return Fail("expected a string, got a vector");
    std::map<Labels, std::size_t> places;
    for (std::size_t i = 0; i < vector.size(); ++i) {
      if (!places.try_emplace(*vector[i].labels, i).second) {
        return Fail("{} appears twice", vector[i].labels->ToString());
      }
    }
    for (std::size_t i = 0; i < eval_.series.size(); ++i) {
      const SeriesDescription& expected = eval_.series[i];
      const std::string name = expected.labels.ToString();
      if (expected.values.size() != 1 || expected.values[0].omitted) {
        return Fail("{} must have one expected value", name);
      }
      const auto found = places.find(expected.labels);
      if (found == places.end()) return Fail("missing {}", name);
      if (eval_.ordered && found->second != i) {
        return Fail("expected {} in place {}, got it in {}", name, i + 1, found->second + 1);
      }
      const Element& got = vector[found->second];
      const Status status = Same(name, expected.values[0], got.value, got.histogram.get());
      if (!status) return status;
    }
    if (vector.size() > eval_.series.size()) {
      for (const Element& element : vector) {
        if (std::none_of(eval_.series.begin(), eval_.series.end(), [&](const auto& expected) {
              return expected.labels == *element.labels;
            })) {
          return Fail("unexpected {} {}", element.labels->ToString(),
                      ShowValue(element.value, element.histogram.get()));
        }
      }
    }
    return {};
  }

  Status Failure(const Error& error) const {
    if (!eval_.fail) return Fail("{}", error.message);
    if (Matches(*eval_.fail, error.message)) return {};
    return Fail("expected the error {}, got {}", Quote(eval_.fail->text), Quote(error.message));
  }

 private:
  static std::string ShowValue(double value, const FloatHistogram* histogram) {
    return histogram == nullptr ? FormatFloat(value) : ShowLiteral(*histogram);
  }

  static Status Same(std::string_view what, double expected, double got) {
    if (AlmostEqual(expected, got)) return {};
    return Fail("expected {} for {}, got {}", FormatFloat(expected), what, FormatFloat(got));
  }

  // `histogram` set: that came.
  static Status Same(std::string_view what, const SequenceValue& expected, double got,
                     const FloatHistogram* histogram) {
    if (expected.histogram == nullptr && histogram == nullptr) {
      return Same(what, expected.value, got);
    }
    const bool both = expected.histogram != nullptr && histogram != nullptr;
    if (both && AlmostSame(*expected.histogram, *histogram) &&
        (!expected.hint_given || expected.histogram->hint == histogram->hint)) {
      return {};
    }
    return Fail("expected {} for {}, got {}", ShowValue(expected.value, expected.histogram.get()),
                what, ShowValue(got, histogram));
  }

  static Status Points(const SeriesDescription& expected, const Series& got, Time start,
                       Millis step) {
    const std::string name = expected.labels.ToString();
    struct Came {
      double value = 0;
      const FloatHistogram* histogram = nullptr;
    };
    std::map<std::int64_t, Came> came;
    for (const Point& point : got.points) came[point.at] = {point.value};
    for (const HistogramPoint& point : got.histograms) came[point.at] = {0, point.histogram.get()};
    auto at = came.begin();
    for (std::size_t i = 0; i < expected.values.size(); ++i) {
      if (expected.values[i].omitted) continue;
      const std::int64_t time = ToMillis(start) + static_cast<std::int64_t>(i) * step.count();
      if (at == came.end()) return Fail("{} ends before {}", name, time);
      if (at->first != time) {
        return Fail("{} has a point at {} instead of {}", name, at->first, time);
      }
      const std::string what = fmt::format("{} at {}", name, time);
      const Status status = Same(what, expected.values[i], at->second.value, at->second.histogram);
      if (!status) return status;
      ++at;
    }
    if (at != came.end()) return Fail("{} has a point at {}", name, at->first);
    return {};
  }

  static Status Texts(std::string_view kind, const std::vector<ExpectedText>& expected, bool none,
                      const std::vector<std::string>& got) {
    if (none && !got.empty()) return Fail("expected no {}, got {}", kind, Quote(got[0]));
    if (expected.empty()) return {};
    for (const ExpectedText& text : expected) {
      if (std::none_of(got.begin(), got.end(),
                       [&](const std::string& g) { return Matches(text, g); })) {
        return Fail("expected the {} {}, got {}", kind, Quote(text.text), fmt::join(got, ", "));
      }
    }
    for (const std::string& text : got) {
      if (std::none_of(expected.begin(), expected.end(),
                       [&](const ExpectedText& e) { return Matches(e, text); })) {
        return Fail("unexpected {} {}", kind, Quote(text));
      }
    }
    return {};
  }

  const EvalCommand& eval_;
};

class Runner {
 public:
  Runner(std::string_view name, const TestOptions& options)
      : name_(name),
        samples_({.retention = Millis::max()}),
        engine_({samples_, clock_}, {.samples_max = 10'000'000,
                                     .delayed_name_removal = options.delayed_name_removal,
                                     .start_timestamps = true}) {}

  TestReport Run(std::string_view text) {
    for (const TestCommand& command : ReadTestScript(text)) {
      std::visit([&](const auto& what) { Do(what, command.line); }, command.what);
    }
    return std::move(report_);
  }

 private:
  static constexpr ParserOptions kParser{
      .experimental_functions = true, .fill_modifiers = true, .extended_ranges = true};

  void Complain(std::size_t line, const std::string& why) {
    ++report_.failed;
    report_.failures.push_back(fmt::format("{}:{}: {}", name_, line, why));
  }

  void Do(const TestCommand::Clear&, std::size_t) { samples_.Clear(); }
  void Do(const TestCommand::Wrong& wrong, std::size_t line) { Complain(line, wrong.why); }

  void Do(const LoadCommand& load, std::size_t) {
    LoadSamples(load, samples_,
                [this](std::size_t line, const std::string& why) { Complain(line, why); });
  }

  void Do(const EvalCommand& eval, std::size_t line) {
    const Status status = eval.range ? EvalRange(eval) : EvalInstants(eval);
    if (status) {
      ++report_.passed;
    } else {
      Complain(line, fmt::format("{}: {}", eval.expr, status.error().message));
    }
  }

  Status EvalRange(const EvalCommand& eval) const {
    const Checker check(eval);
    const Result<ExprPtr> expr = Parse(eval.expr, kParser);
    if (!expr) return check.Failure(expr.error());
    const Result<Answer> answer =
        engine_.Range(**expr, eval.start, eval.end, eval.step, Engine::kNoDeadline);
    if (!answer) return check.Failure(answer.error());
    if (eval.fail) return Fail("expected an error");
    if (Status status = check.Annotated(answer->annotations, eval.expr); !status) return status;
    return check.Matrix(answer->value.matrix, eval.start, eval.step);
  }

  Status EvalInstants(const EvalCommand& eval) const {
    const Result<ExprPtr> expr = Parse(eval.expr, kParser);
    if (!expr) return Checker(eval).Failure(expr.error());
    if (Status status = EvalInstant(eval, eval.expr, **expr, eval.start); !status) return status;
    if (DependsOnQuery(**expr)) return {};
    const std::int64_t at = ToMillis(eval.start);
    const std::string pinned = Print(*PinSelectors(*expr, at));
    const Result<ExprPtr> again = Parse(pinned, kParser);
    if (!again) return While(fmt::format("parsing {}", pinned), again.error());
    std::vector<std::int64_t> times = {-10 * at, 0, at / 5, at, 10 * at};
    if (at == 0) times = {-1'000, 0, 1'000};
    for (const std::int64_t time : times) {
      const Status status = EvalInstant(eval, pinned, **again, TimeFromMillis(time));
      if (!status) return While(fmt::format("{} at {}ms", pinned, time), status.error());
    }
    return {};
  }

  // The query at one moment, and as the middle of a range.
  Status EvalInstant(const EvalCommand& eval, const std::string& text, const Expr& expr,
                     Time at) const {
    const Checker check(eval);
    const Result<Answer> answer = engine_.Instant(expr, at, Engine::kNoDeadline);
    if (!answer) return check.Failure(answer.error());
    if (eval.fail) return Fail("expected an error");
    if (Status status = check.Annotated(answer->annotations, text); !status) return status;
    if (Status status = check.Instant(answer->value); !status) return status;
    if (eval.ordered || eval.string || eval.matrix || !MeansTheSameInRange(text)) return {};
    constexpr Millis kStep = std::chrono::minutes(1);
    const Result<Answer> range =
        engine_.Range(expr, at - kStep, at + kStep, kStep, Engine::kNoDeadline);
    if (!range) return While("as a range query", range.error());
    Value middle{.type = answer->value.type, .at = at};
    for (const Series& series : range->value.matrix) {
      for (const Point& point : series.points) {
        if (point.at != ToMillis(at)) continue;
        middle.scalar = point.value;
        middle.vector.push_back({series.labels, point.value, nullptr});
      }
      for (const HistogramPoint& point : series.histograms) {
        if (point.at == ToMillis(at)) middle.vector.push_back({series.labels, 0, point.histogram});
      }
    }
    const Status status = check.Instant(middle);
    return status ? Status() : Status(While("as a range query", status.error()));
  }

  const std::string name_;
  const SystemClock clock_;
  rules::SampleStore samples_;
  const Engine engine_;
  TestReport report_;
};

}  // namespace

TestReport RunPromqlTest(std::string_view name, std::string_view text, const TestOptions& options) {
  return Runner(name, options).Run(text);
}

}  // namespace fettle::promql
