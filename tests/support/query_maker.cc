#include "tests/support/query_maker.h"

#include <fmt/format.h>

namespace fettle {

std::string QueryMaker::Vector(int depth) {
  if (depth <= 0) return Selector();
  switch (random_() % (options_.histograms ? 16 : 14)) {
    case 0:
    case 1:
      return Aggregation(depth);
    case 2:
    case 3:
    case 4:
      return OfWindow();
    case 5:
      return Subquery(depth);
    case 6:
    case 7:
      return Arithmetic(depth);
    case 8:
      return Sets(depth);
    case 9:
    case 10:
      return Math(depth);
    case 11:
      return Labelled(depth);
    case 12:
      return Buckets(depth);
    case 14:
    case 15:
      return Native();
    default:
      return Rest(depth);
  }
}

std::string QueryMaker::Number() {
  return Pick({"0", "1", "2", "-1.5", "1e9", "0.25", "1e-3", "Inf", "NaN", "0x10"});
}

std::string QueryMaker::Scalar(int depth) {
  if (depth <= 0) return Number();
  switch (random_() % 9) {
    case 0:
      return "time()";
    case 1:
      return "scalar(" + Vector(depth - 1) + ")";
    case 2:
      return "(" + Scalar(depth - 1) + " " + Pick({"+", "-", "*", "/", "%", "^"}) + " " +
             Scalar(depth - 1) + ")";
    case 3:
      return "(" + Scalar(depth - 1) + " " + Pick({"==", "!=", ">", "<", ">=", "<="}) + " bool " +
             Scalar(depth - 1) + ")";
    case 4:
      return Pick({"pi()", "-(2)", "scalar(minute())"});
    default:
      return Number();
  }
}

std::string QueryMaker::When() {
  // Two subqueries deep, upstream loses track of what @ means.
  if (subqueries_ > 1) return Pick({"", "", " offset 3m", " offset -2m"});
  return Pick({"", "", "", "", " offset 3m", " offset -2m", " @ 1700002000.003", " @ end()",
               " @ start()", " offset 1m @ 1700003000", " @ start() offset -30s"});
}

std::string QueryMaker::MatchersText() {
  return Pick({"", "", "", R"({instance="demo:10001"})", R"({instance=~"demo:1000[12]"})",
               R"({type!~"free|used"})", R"({instance=~".*2"})", R"({nothing=""})",
               R"({instance!=""})", R"({mode=~"user|system", instance!~"demo:1000[0]"})",
               R"({instance=~".+:.+", job="demo"})"});
}

std::string QueryMaker::Selector() {
  if (Once(25)) {
    return Pick({R"({instance="demo:10001", type="free"})", R"({__name__=~"demo_(num|disk).*"})",
                 R"({"demo.utf8 name"})", "nothing_here", R"({__name__="demo_num_cpus"})"}) +
           When();
  }
  return Pick({"demo_memory_usage_bytes", "demo_cpu_usage_seconds_total", "demo_num_cpus",
               "demo_intermittent_metric", "demo_disk_usage_bytes",
               "demo_batch_last_success_timestamp_seconds"}) +
         MatchersText() + When();
}

std::string QueryMaker::Length() { return Pick({"31s", "1m", "5m", "22m", "10s", "1h", "90"}); }

std::string QueryMaker::Range(const std::string& kind) {
  const std::string length = options_.modern ? Length() : Pick({"31s", "1m", "5m", "22m"});
  const std::string name = kind == "counter"
                               ? "demo_cpu_usage_seconds_total"
                               : Pick({"demo_memory_usage_bytes", "demo_cpu_usage_seconds_total",
                                       "demo_intermittent_metric", "demo_disk_usage_bytes"});
  return name + MatchersText() + "[" + length + "]" + When();
}

std::string QueryMaker::Grouping() {
  return Pick({"", " by (instance) ", " by (type, mode) ", " without (instance) ", " by () ",
               " without (type, mode, job) ", " by (nothing) ", " without () ",
               " by (instance, le) "});
}

std::string QueryMaker::Matching() {
  return Pick({" ", " on(instance, type) ", " ignoring(mode) ", " on(instance) group_left() ",
               " on(instance) group_right() ", " ignoring(type, mode) group_left(type) ",
               " on(instance) group_left(job, mode) ", " ignoring(nothing) "});
}

std::string QueryMaker::Aggregation(int depth) {
  switch (random_() % 8) {
    case 0:
      // Upstream keeps the rows of anything deeper in Go's random order, and so breaks ties.
      return Pick({"topk", "bottomk"}) + Grouping() + "(" + std::to_string(1 + random_() % 4) +
             ", " + Pick({Selector(), "rate(" + Range("counter") + ")"}) + ")";
    case 1:
      return "quantile" + Grouping() + "(" +
             Pick({"0", "0.3", "0.5", "0.99", "1", "-1", "2", "NaN"}) + ", " + Vector(depth - 1) +
             ")";
    case 2:
      return "count_values" + Grouping() + "(\"v\", " +
             Pick({"demo_num_cpus", "demo_batch_last_success_timestamp_seconds",
                   "round(" + Selector() + ", 1e8)"}) +
             ")";
    default:
      return Pick({"sum", "avg", "max", "min", "count", "group", "stddev", "stdvar"}) + Grouping() +
             "(" + Vector(depth - 1) + ")";
  }
}

std::string QueryMaker::OfWindow() {
  switch (random_() % 8) {
    case 0:
    case 1:
      return Pick({"rate", "increase", "irate", "changes", "resets", "delta", "idelta"}) + "(" +
             Range("counter") + ")";
    case 2:
      return "quantile_over_time(" + Pick({"0.6", "0", "1", "-1", "1.5"}) + ", " + Range("any") +
             ")";
    case 3:
      return Pick({"deriv(" + Range("any") + ")",
                   options_.modern ? "predict_linear(" + Range("any") + ", 300)" : Selector(),
                   "absent_over_time(" + Range("any") + ")"});
    case 4:
      if (!options_.modern) return Selector();
      return Pick({"double_exponential_smoothing(" + Range("any") + ", 0.3, 0.6)",
                   "mad_over_time(" + Range("any") + ")",
                   "ts_of_max_over_time(" + Range("any") + ")",
                   "ts_of_min_over_time(" + Range("any") + ")",
                   "ts_of_last_over_time(" + Range("any") + ")"});
    default:
      return Pick({"avg", "min", "max", "sum", "count", "last", "stddev", "stdvar", "present"}) +
             "_over_time(" + Range("any") + ")";
  }
}

std::string QueryMaker::Subquery(int depth) {
  if (!options_.modern && subqueries_ > 0) return Selector();
  ++subqueries_;
  const std::string inner = Vector(depth - 1);
  --subqueries_;
  return Pick({"sum", "max", "min", "count", "avg", "last", "present"}) + "_over_time(" + inner +
         "[" + Pick({"3m", "10m", "45s"}) + ":" + Pick({"", "20s", "1m", "7s"}) + "]" + When() +
         ")";
}

std::string QueryMaker::Arithmetic(int depth) {
  const std::string op = Pick({"+", "-", "*", "/", "^", "atan2"});
  const std::string comparison = Pick({">", "<=", "==", "!=", "<", ">="}) + Pick({"", "", " bool"});
  const std::string chosen = Once(2) ? op : comparison;
  switch (random_() % 5) {
    case 4:
      return "(" + Selector() + " % " + Pick({"7", "1000", "0", "-3", "Inf"}) + ")";
    case 0:
      return "(" + Vector(depth - 1) + " " + chosen + " " + Scalar(depth - 1) + ")";
    case 1:
      return "(" + Scalar(depth - 1) + " " + chosen + " " + Vector(depth - 1) + ")";
    default:
      return "(" + Vector(depth - 1) + " " + chosen + Matching() + Vector(depth - 1) + ")";
  }
}

std::string QueryMaker::Sets(int depth) {
  return "(" + Vector(depth - 1) + " " + Pick({"and", "or", "unless"}) +
         Pick({" ", " on(instance) ", " ignoring(type, mode) ", " on() "}) + Vector(depth - 1) +
         ")";
}

std::string QueryMaker::Math(int depth) {
  const std::string inner = Vector(depth - 1);
  switch (random_() % 6) {
    case 0:
      return Pick({"sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "tanh", "asinh",
                   "acosh", "atanh", "rad", "deg"}) +
             "(" + Selector() + ")";
    case 1:
      return "round(" + inner + Pick({"", ", 5", ", 0.1", ", 1000"}) + ")";
    case 2:
      return Pick({"clamp(" + inner + ", 1, 1e9)", "clamp_min(" + inner + ", 3)",
                   "clamp_max(" + inner + ", 3)", "clamp(" + inner + ", 5, 1)"});
    case 3:
      // Of a selector with both @ and offset, upstream's timestamp() forgets the offset.
      return inner.find('@') == std::string::npos
                 ? Pick({"-", "+", "timestamp"}) + "(" + inner + ")"
                 : Pick({"-", "+"}) + "(" + inner + ")";
    case 4:
      return Pick({"minute", "hour", "day_of_week", "day_of_month", "day_of_year", "days_in_month",
                   "month", "year"}) +
             "(" + Pick({Selector(), "", "vector(time() - 1e8)"}) + ")";
    default:
      return Pick({"abs", "ceil", "floor", "sgn", "exp", "sqrt", "ln", "log2", "log10"}) + "(" +
             inner + ")";
  }
}

std::string QueryMaker::Labelled(int depth) {
  const std::string inner = Vector(depth - 1);
  return Pick({"label_replace(" + inner + R"x(, "x", "$1", "instance", "demo:(.*)"))x",
               "label_replace(" + inner + R"x(, "instance", "all", "job", ".*"))x",
               "label_replace(" + inner + R"x(, "type", "${1}x", "type", "(f|u).*"))x",
               "label_join(" + inner + R"x(, "x", "-", "instance", "type", "mode"))x"});
}

std::string QueryMaker::Buckets(int depth) {
  const std::string buckets = "demo_api_request_duration_seconds_bucket" + MatchersText();
  const std::string rates = "rate(" + buckets + "[" + Pick({"1m", "5m"}) + "]" + When() + ")";
  const std::string of =
      Pick({buckets + When(), rates, "sum by (le) (" + rates + ")",
            "sum without (instance) (" + rates + ")", "(" + rates + " > 0.3)", Vector(depth - 1)});
  if (options_.modern && Once(3)) {
    // Where the lower bound lies in the first bucket, 3.5 knows no answer.
    return "histogram_fraction(" + Pick({"0.1", "0.2", "0.7"}) + ", " +
           Pick({"0.3", "1", "Inf", "5"}) + ", " + Pick({buckets, rates}) + ")";
  }
  return "histogram_quantile(" + Pick({"0.8", "0", "1", "0.5", "-1", "2", "NaN"}) + ", " + of + ")";
}

std::string QueryMaker::Native() {
  const std::string selector = Pick({"demo_native_seconds", "demo_native_custom"}) + MatchersText();
  const std::string of =
      Pick({selector + When(), "rate(" + selector + "[" + Pick({"1m", "5m"}) + "]" + When() + ")",
            "increase(" + selector + "[3m])", "sum by (instance) (" + selector + ")",
            "avg(" + selector + ")", "sum_over_time(" + selector + "[2m])",
            "avg_over_time(" + selector + "[2m])", "(" + selector + " * 2)",
            "(" + selector + " / 4)", "-" + selector, "last_over_time(" + selector + "[1m])",
            "irate(" + selector + "[1m])", "(" + selector + " - " + selector + " offset 1m)"});
  return Pick(
      {of, of, "histogram_quantile(" + Pick({"0.1", "0.5", "0.99", "0", "1"}) + ", " + of + ")",
       "histogram_fraction(0, " + Pick({"0.1", "1", "Inf"}) + ", " + of + ")",
       "histogram_count(" + of + ")", "histogram_sum(" + of + ")", "histogram_avg(" + of + ")",
       "histogram_stddev(" + of + ")", "histogram_stdvar(" + of + ")", "count(" + of + ")"});
}

std::string QueryMaker::Rest(int depth) {
  return Pick({"absent(" + Vector(depth - 1) + ")", "vector(" + Scalar(depth - 1) + ")",
               "sort(" + Vector(depth - 1) + ")", "sort_desc(" + Vector(depth - 1) + ")",
               "(" + Vector(depth - 1) + ")",
               // Which of a group are first is told by how they were created.
               options_.modern ? "limitk(2, " + Selector() + ")" : Selector(),
               options_.modern
                   ? "limit_ratio(" + Pick({"0.5", "-0.3", "1"}) + ", " + Selector() + ")"
                   : Selector()});
}

}  // namespace fettle
