// Functions from number to number: arithmetic, trigonometry, rounding, dates.
#include <chrono>
#include <cmath>
#include <numbers>
#include <utility>

#include "rules/promql/function_table.h"
#include "rules/promql/map_operator.h"
#include "rules/promql/open.h"
#include "rules/promql/scalar_operators.h"
#include "rules/promql/statistics.h"

namespace fettle::promql {
namespace {

using Plain = double (*)(double);

double Sign(double v) { return v < 0 ? -1 : v > 0 ? 1 : v; }
double Radians(double v) { return v * std::numbers::pi / 180; }
double Degrees(double v) { return v * 180 / std::numbers::pi; }

Plain FindPlain(FunctionId id) {
  switch (id) {
    case FunctionId::kAbs:
      return [](double v) { return std::abs(v); };
    case FunctionId::kCeil:
      return [](double v) { return std::ceil(v); };
    case FunctionId::kFloor:
      return [](double v) { return std::floor(v); };
    case FunctionId::kExp:
      return [](double v) { return std::exp(v); };
    case FunctionId::kSqrt:
      return [](double v) { return std::sqrt(v); };
    case FunctionId::kLn:
      return [](double v) { return std::log(v); };
    case FunctionId::kLog2:
      return [](double v) { return std::log2(v); };
    case FunctionId::kLog10:
      return [](double v) { return std::log10(v); };
    case FunctionId::kSin:
      return [](double v) { return std::sin(v); };
    case FunctionId::kCos:
      return [](double v) { return std::cos(v); };
    case FunctionId::kTan:
      return [](double v) { return std::tan(v); };
    case FunctionId::kAsin:
      return [](double v) { return std::asin(v); };
    case FunctionId::kAcos:
      return [](double v) { return std::acos(v); };
    case FunctionId::kAtan:
      return [](double v) { return std::atan(v); };
    case FunctionId::kSinh:
      return [](double v) { return std::sinh(v); };
    case FunctionId::kCosh:
      return [](double v) { return std::cosh(v); };
    case FunctionId::kTanh:
      return [](double v) { return std::tanh(v); };
    case FunctionId::kAsinh:
      return [](double v) { return std::asinh(v); };
    case FunctionId::kAcosh:
      return [](double v) { return std::acosh(v); };
    case FunctionId::kAtanh:
      return [](double v) { return std::atanh(v); };
    case FunctionId::kRad:
      return Radians;
    case FunctionId::kDeg:
      return Degrees;
    case FunctionId::kSgn:
      return Sign;
    default:
      return nullptr;
  }
}

struct Date {
  std::chrono::year_month_day day;
  std::chrono::sys_days days;
  std::int64_t second_of_day = 0;
};

// UTC, of whole seconds since the epoch. The calendar ends where chrono's does (year 32767).
Date DateOf(double seconds) {
  constexpr double kSecondsMax = 9.6e11;
  if (!(std::abs(seconds) < kSecondsMax)) seconds = seconds > 0 ? kSecondsMax : -kSecondsMax;
  const std::chrono::sys_seconds time{
      std::chrono::seconds(static_cast<std::int64_t>(std::trunc(seconds)))};
  const auto days = std::chrono::floor<std::chrono::days>(time);
  return {std::chrono::year_month_day(days), days, (time - days).count()};
}

double DaysInMonth(double v) {
  const auto day = DateOf(v).day;
  const std::chrono::year_month_day_last last = day.year() / day.month() / std::chrono::last;
  return static_cast<double>(static_cast<unsigned>(last.day()));
}
double DayOfMonth(double v) {
  return static_cast<double>(static_cast<unsigned>(DateOf(v).day.day()));
}
double DayOfWeek(double v) {
  return static_cast<double>(std::chrono::weekday(DateOf(v).days).c_encoding());
}
double DayOfYear(double v) {
  const Date date = DateOf(v);
  const std::chrono::sys_days first = date.day.year() / std::chrono::January / 1;
  return static_cast<double>((date.days - first).count() + 1);
}
double Month(double v) { return static_cast<double>(static_cast<unsigned>(DateOf(v).day.month())); }
double Year(double v) { return static_cast<double>(static_cast<int>(DateOf(v).day.year())); }
double Hour(double v) { return static_cast<double>(DateOf(v).second_of_day / 3600); }
double Minute(double v) { return static_cast<double>(DateOf(v).second_of_day / 60 % 60); }

Plain FindDate(FunctionId id) {
  switch (id) {
    case FunctionId::kDaysInMonth:
      return DaysInMonth;
    case FunctionId::kDayOfMonth:
      return DayOfMonth;
    case FunctionId::kDayOfWeek:
      return DayOfWeek;
    case FunctionId::kDayOfYear:
      return DayOfYear;
    case FunctionId::kMonth:
      return Month;
    case FunctionId::kYear:
      return Year;
    case FunctionId::kHour:
      return Hour;
    case FunctionId::kMinute:
      return Minute;
    default:
      return nullptr;
  }
}

Cells Times(const Grid& grid) {
  Cells cells(grid.steps);
  for (std::size_t i = 0; i < grid.steps; ++i) cells[i] = static_cast<double>(grid.At(i)) / 1000;
  return cells;
}

// When each present cell is, histograms too.
Result<OperatorPtr> OpenTimes(OperatorPtr child, Cells times) {
  class TimesOperator final : public Operator {
   public:
    TimesOperator(OperatorPtr of, Cells times)
        : Operator(of->evaluation(), of->steps()), of_(std::move(of)), times_(std::move(times)) {
      rows_ = of_->rows();
      for (Row& row : rows_) row.histograms = false;
      MarkNameless(evaluation(), rows_);
    }
    Status Fill(std::size_t row, Cells& out) override {
      if (Status status = of_->Fill(row, out); !status) return status;
      for (std::size_t step = 0; step < steps(); ++step) {
        if (!IsAbsent(out[step])) out[step] = times_[step];
      }
      return {};
    }

   private:
    const OperatorPtr of_;
    const Cells times_;
  };
  return MergeSameLabels(std::make_unique<TimesOperator>(std::move(child), std::move(times)),
                         Merge::kNamesDropped);
}

Result<OperatorPtr> OpenClamp(OperatorPtr child, Cells least, Cells most) {
  return MapDroppingNames(std::move(child), [least = std::move(least), most = std::move(most)](
                                                std::size_t step, double v) {
    if (most[step] < least[step]) return Absent();
    return GoMax(least[step], GoMin(most[step], v));
  });
}

}  // namespace

Result<OperatorPtr> OpenMath(Evaluation& evaluation, const Call& call, const Grid& grid) {
  const FunctionId id = call.function->id;
  if (const Plain date = FindDate(id); date != nullptr && call.arguments.empty()) {
    Cells cells = Times(grid);
    // Go cuts the evaluation time to whole seconds before it asks for the date.
    for (double& cell : cells) cell = date(std::floor(cell));
    return OperatorPtr(std::make_unique<CellsOperator>(evaluation, std::move(cells)));
  }
  Result<OperatorPtr> child = Open(evaluation, *call.arguments[0], grid);
  if (!child) return child;
  std::vector<Cells> scalars;
  for (std::size_t i = 1; i < call.arguments.size(); ++i) {
    Result<Cells> scalar = OpenScalar(evaluation, *call.arguments[i], grid);
    if (!scalar) return tl::unexpected(scalar.error());
    scalars.push_back(std::move(*scalar));
  }
  switch (id) {
    case FunctionId::kClamp:
      return OpenClamp(std::move(*child), std::move(scalars[0]), std::move(scalars[1]));
    case FunctionId::kClampMin:
      return OpenClamp(std::move(*child), std::move(scalars[0]), Cells(grid.steps, kInfinity));
    case FunctionId::kClampMax:
      return OpenClamp(std::move(*child), Cells(grid.steps, -kInfinity), std::move(scalars[0]));
    case FunctionId::kRound: {
      Cells inverse(grid.steps, 1.0);
      for (std::size_t i = 0; !scalars.empty() && i < grid.steps; ++i) {
        inverse[i] = 1.0 / scalars[0][i];
      }
      return MapDroppingNames(std::move(*child),
                              [inverse = std::move(inverse)](std::size_t step, double v) {
                                return std::floor(v * inverse[step] + 0.5) / inverse[step];
                              });
    }
    case FunctionId::kTimestamp:
      return OpenTimes(std::move(*child), Times(grid));
    default:
      break;
  }
  const Plain date = FindDate(id);
  const Plain plain = date != nullptr ? date : FindPlain(id);
  return MapDroppingNames(std::move(*child), [plain](std::size_t, double v) { return plain(v); });
}

}  // namespace fettle::promql
