// info(v, {selector}): the labels of info metrics (target_info and the like), joined to the series
// of the same instance and job.
#include <algorithm>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>

#include "rules/promql/function_table.h"
#include "rules/promql/open.h"
#include "rules/samples/selection.h"

namespace fettle::promql {
namespace {

constexpr std::string_view kTargetInfo = "target_info";
// What says that two series are of the same thing.
constexpr std::string_view kIdentifying[] = {"instance", "job"};

// When the samples of the first selector below are looked at: info series are looked at then, too.
// Offsets of subqueries around it add up, up to the innermost @.
Result<std::optional<Reach>> FirstReach(const Expr& expr, Reach outer,
                                        const Evaluation::Query& query) {
  const auto within = [&](const When& when) -> Result<Reach> {
    Result<Reach> reach = ReachOf(when, query);
    if (!reach || reach->pinned) return reach;
    return Reach{outer.offset + reach->offset, outer.pinned};
  };
  if (const auto* selector = As<VectorSelector>(expr)) {
    Result<Reach> reach = within(selector->when);
    if (!reach) return tl::unexpected(reach.error());
    return std::optional(*reach);
  }
  if (const auto* subquery = As<SubqueryExpr>(expr)) {
    Result<Reach> reach = within(subquery->when);
    if (!reach) return tl::unexpected(reach.error());
    outer = *reach;
  }
  for (const Expr* child : Children(expr)) {
    Result<std::optional<Reach>> found = FirstReach(*child, outer, query);
    if (!found || *found) return found;
  }
  return std::optional<Reach>();
}

class InfoJoin {
 public:
  InfoJoin(Evaluation& evaluation, Operator& base, const Grid& grid)
      : evaluation_(evaluation), base_(base), grid_(grid) {}

  // Sorts out what is asked for: which info metrics, which of their labels.
  void Ask(const VectorSelector* selector) {
    bool positive = false;
    for (const Matcher& matcher : selector == nullptr ? Matchers() : selector->matchers) {
      const bool of_name = matcher.name() == kMetricName;
      (of_name ? names_ : data_).push_back(matcher);
      positive = positive || (of_name && (matcher.type() == Matcher::Type::kEqual ||
                                          matcher.type() == Matcher::Type::kRegexp));
    }
    if (positive) return;
    const bool any = !names_.empty();
    names_.push_back(*Matcher::Make(any ? Matcher::Type::kRegexp : Matcher::Type::kEqual,
                                    std::string(kMetricName),
                                    any ? ".+_info" : std::string(kTargetInfo)));
  }

  Status FindInfos(const Reach& reach) {
    std::map<std::string_view, std::set<std::string_view>> values;
    for (const Row& row : base_.rows()) {
      if (IsInfo(row)) continue;
      for (const std::string_view label : kIdentifying) {
        if (!row.Get(label).empty()) values[label].insert(row.Get(label));
      }
    }
    if (values.empty()) return {};
    Matchers matchers = names_;
    matchers.insert(matchers.end(), data_.begin(), data_.end());
    const std::int64_t lookback = evaluation_.options().lookback.count();
    const rules::Selection selection = evaluation_.samples().Select(
        matchers, TimeFromMillis(reach.First(grid_) - lookback), TimeFromMillis(reach.Last(grid_)));
    for (std::size_t i = 0; i < selection.size(); ++i) {
      const Labels& labels = *selection.labels(i);
      const bool wanted = std::all_of(values.begin(), values.end(), [&](const auto& known) {
        return known.second.contains(labels.Get(known.first));
      });
      if (!wanted) continue;
      if (Status status = AddInfo(selection, i, reach); !status) return status;
    }
    return {};
  }

  Result<OperatorPtr> Join() {
    const Result<Table> table = Table::Of(base_);
    if (!table) return tl::unexpected(table.error());
    for (std::size_t row = 0; row < base_.rows().size(); ++row) {
      Status status = evaluation_.Spend(grid_.steps * (names_of_infos_.size() + 1));
      for (std::size_t step = 0; status && step < grid_.steps; ++step) {
        const double cell = (*table)[row][step];
        if (!IsAbsent(cell)) status = Put(row, step, cell);
      }
      if (!status) return tl::unexpected(status.error());
    }
    return TableOperator::Make(evaluation_, grid_.steps, std::move(rows_), std::move(cells_));
  }

 private:
  static constexpr std::size_t kNone = static_cast<std::size_t>(-1);

  // The newest info sample of one name, instance and job at each step.
  struct Newest {
    std::size_t info = kNone;
    std::int64_t at = std::numeric_limits<std::int64_t>::min();
  };

  bool IsInfo(const Row& row) const {
    const std::string_view name = row.Get(kMetricName);
    return std::all_of(names_.begin(), names_.end(),
                       [&](const Matcher& matcher) { return matcher.Matches(name); });
  }

  template <typename Source>
  static std::string Signature(std::string_view name, const Source& labels) {
    std::string out(name);
    for (const std::string_view label : kIdentifying) {
      out += '\xff';
      out += labels.Get(label);
    }
    return out;
  }

  Status AddInfo(const rules::Selection& selection, std::size_t series, const Reach& reach) {
    const LabelsPtr& labels = selection.labels(series);
    const std::int64_t lookback = evaluation_.options().lookback.count();
    rules::SampleColumns samples;
    selection.Read(series, reach.First(grid_) - lookback, reach.Last(grid_), samples);
    evaluation_.CountRead(samples.times.size());
    if (Status status = evaluation_.Spend(samples.times.size() + grid_.steps); !status) {
      return status;
    }
    names_of_infos_.insert(std::string(labels->Get(kMetricName)));
    std::vector<Newest>& newest = newest_[Signature(labels->Get(kMetricName), *labels)];
    newest.resize(grid_.steps);
    infos_.push_back(labels);
    for (std::size_t step = 0; step < grid_.steps; ++step) {
      const std::int64_t reference = reach.At(grid_, step);
      const auto after = std::upper_bound(samples.times.begin(), samples.times.end(), reference);
      if (after == samples.times.begin()) continue;
      const auto at = static_cast<std::size_t>(after - samples.times.begin()) - 1;
      const std::int64_t time = samples.times[at];
      if (time <= reference - lookback || IsStaleNaN(samples.values[at])) continue;
      if (IsHistogramCell(samples.values[at])) return Fail("info sample should be float");
      Newest& known = newest[step];
      if (known.info != kNone && known.at == time) {
        return Fail("found duplicate series for info metric: existing {} @ {}, new {} @ {}",
                    infos_[known.info]->ToString(), time, labels->ToString(), time);
      }
      if (known.at < time) known = {infos_.size() - 1, time};
    }
    return {};
  }

  // One sample of a base series.
  Status Put(std::size_t row, std::size_t step, double cell) {
    std::vector<std::size_t> infos;
    const Row& base = base_.rows()[row];
    if (!IsInfo(base)) {
      for (const std::string& name : names_of_infos_) {
        const auto found = newest_.find(Signature(name, base));
        if (found != newest_.end() && found->second[step].info != kNone) {
          infos.push_back(found->second[step].info);
        }
      }
      const bool needed = std::any_of(data_.begin(), data_.end(),
                                      [](const Matcher& matcher) { return !matcher.Matches(""); });
      if (infos.empty() && needed) return {};
    }
    const Result<std::size_t> to = OutcomeRow(row, infos);
    if (!to) return tl::unexpected(to.error());
    double& out = cells_[*to][step];
    if (!IsAbsent(out)) return Fail("{}", kSameLabelset);
    out = cell;
    return {};
  }

  Result<std::size_t> OutcomeRow(std::size_t row, const std::vector<std::size_t>& infos) {
    const auto [at, fresh] = by_infos_.try_emplace({row, infos}, 0);
    if (!fresh) return at->second;
    const Result<Labels> data = DataOf(base_.rows()[row], infos);
    if (!data) return tl::unexpected(data.error());
    Row outcome = base_.rows()[row];
    if (!data->empty()) {
      Labels labels = *outcome.labels;
      for (const auto& [name, value] : *data) labels.Set(name, value);
      outcome.labels = std::make_shared<const Labels>(std::move(labels));
    }
    const auto [known, unseen] = by_labels_.try_emplace(keyer_.All(outcome), rows_.size());
    if (unseen) {
      if (Status status = evaluation_.Hold(grid_.steps); !status) {
        return tl::unexpected(status.error());
      }
      evaluation_.Release(grid_.steps);  // the table counts it again
      rows_.push_back(std::move(outcome));
      cells_.emplace_back(grid_.steps, Absent());
    }
    return at->second = known->second;
  }

  // The labels to be added.
  Result<Labels> DataOf(const Row& base, const std::vector<std::size_t>& infos) const {
    Labels out;
    for (const std::size_t info : infos) {
      for (const auto& [name, value] : *infos_[info]) {
        if (name == kMetricName) continue;
        const bool asked =
            data_.empty() || std::any_of(data_.begin(), data_.end(), [&](const Matcher& matcher) {
              return matcher.name() == name;
            });
        if (!asked) continue;
        const std::string_view given = out.Get(name);
        if (!given.empty() && given != value) return Fail("conflicting label: {}", name);
        if (base.Get(name).empty()) out.Set(name, value);
      }
    }
    return out;
  }

  Evaluation& evaluation_;
  Operator& base_;
  const Grid grid_;
  Matchers names_;  // of info metrics
  Matchers data_;   // of their other labels
  std::set<std::string> names_of_infos_;
  std::vector<LabelsPtr> infos_;
  std::map<std::string, std::vector<Newest>> newest_;  // by signature, by step
  std::map<std::pair<std::size_t, std::vector<std::size_t>>, std::size_t> by_infos_;
  LabelsKeyer keyer_;
  std::unordered_map<LabelsKey, std::size_t, LabelsKeyHash> by_labels_;
  std::vector<Row> rows_;
  std::vector<Cells> cells_;
};

}  // namespace

Result<OperatorPtr> OpenInfo(Evaluation& evaluation, const Call& call, const Grid& grid) {
  const Result<OperatorPtr> base = Open(evaluation, *call.arguments[0], grid);
  if (!base) return tl::unexpected(base.error());
  const Result<std::optional<Reach>> reach = FirstReach(*call.arguments[0], {}, evaluation.query());
  if (!reach) return tl::unexpected(reach.error());
  InfoJoin join(evaluation, **base, grid);
  join.Ask(call.arguments.size() > 1 ? As<VectorSelector>(Unwrap(*call.arguments[1])) : nullptr);
  if (Status status = join.FindInfos(reach->value_or(Reach{})); !status) {
    return tl::unexpected(status.error());
  }
  return join.Join();
}

}  // namespace fettle::promql
