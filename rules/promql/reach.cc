#include "rules/promql/reach.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "rules/promql/statistics.h"

namespace fettle::promql {
namespace {

tl::unexpected<Error> Refuse(const DurationExpr& expr, std::string_view why) {
  return Fail("{}:{}: {}", expr.span.start, expr.span.end, why);
}

Result<double> Seconds(const DurationExpr& expr, const Evaluation::Query& query) {
  using enum DurationExpr::Op;
  switch (expr.op) {
    case kLiteral:
      return expr.seconds;
    case kStep:
      return static_cast<double>(query.step) / 1000;
    case kRange:
      return static_cast<double>(query.end - query.start) / 1000;
    default:
      break;
  }
  const Result<double> right = Seconds(*expr.rhs, query);
  if (!right || expr.op == kPlus) return right;
  if (expr.op == kNegate) return -*right;
  const Result<double> left = Seconds(*expr.lhs, query);
  if (!left) return left;
  switch (expr.op) {
    case kAdd:
      return *left + *right;
    case kSub:
      return *left - *right;
    case kMul:
      return *left * *right;
    case kPow:
      return std::pow(*left, *right);
    case kMin:
      return GoMin(*left, *right);
    case kMax:
      return GoMax(*left, *right);
    case kDiv:
      if (*right == 0) return Refuse(expr, "division by zero");
      return *left / *right;
    default:
      if (*right == 0) return Refuse(expr, "modulo by zero");
      return std::fmod(*left, *right);
  }
}

}  // namespace

Result<std::int64_t> LengthOf(Millis literal, DurationPtr expr, const Evaluation::Query& query,
                              bool may_be_negative) {
  if (expr == nullptr) return literal.count();
  const Result<double> seconds = Seconds(*expr, query);
  if (!seconds) return tl::unexpected(seconds.error());
  if (!may_be_negative && !(*seconds > 0)) {
    return Refuse(*expr, "duration must be greater than 0");
  }
  // What Go's time.Duration holds.
  if (!(std::abs(*seconds) < 9223372036.0)) return Refuse(*expr, "duration is out of range");
  return static_cast<std::int64_t>(*seconds * 1000);
}

Result<Reach> ReachOf(const When& when, const Evaluation::Query& query) {
  const Result<std::int64_t> offset = LengthOf(when.offset, when.offset_expr, query, true);
  if (!offset) return tl::unexpected(offset.error());
  Reach reach{.offset = *offset};
  // Nothing is stored out there, and no arithmetic on it overflows.
  constexpr std::int64_t kFarAway = std::numeric_limits<std::int64_t>::max() / 4;
  if (when.timestamp) reach.pinned = std::clamp(*when.timestamp, -kFarAway, kFarAway);
  if (when.edge == When::Edge::kStart) reach.pinned = query.start;
  if (when.edge == When::Edge::kEnd) reach.pinned = query.end;
  return reach;
}

}  // namespace fettle::promql
