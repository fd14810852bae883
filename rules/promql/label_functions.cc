// label_replace and label_join: other labels, the same values.
#include <re2/re2.h>

#include <string>
#include <unordered_map>
#include <utility>

#include "common/anchored_regexp.h"
#include "rules/promql/function_table.h"
#include "rules/promql/open.h"
#include "rules/promql/renamed_operator.h"

namespace fettle::promql {
namespace {

// A longer label ends the query: nested, four times what there was grows without end. What is made
// counts as samples of sixteen bytes against the query's limit.
constexpr std::size_t kMadeLabelBytesMax = 64 * 1024;
constexpr std::size_t kBytesPerSample = 16;

std::string TextOf(const Expr* argument) { return As<StringLiteral>(Unwrap(*argument))->value; }

bool IsUtf8LabelName(std::string_view name) { return !name.empty() && IsUtf8(name); }

// Sets a label of every row for which `value_of` answers.
template <typename ValueOf>
Result<OperatorPtr> SetLabel(OperatorPtr child, const std::string& name, const ValueOf& value_of) {
  std::vector<Row> rows = child->rows();
  for (Row& row : rows) {
    const std::optional<std::string> value = value_of(row);
    if (!value) continue;
    if (value->size() > kMadeLabelBytesMax) {
      return Fail(Cause::kLimit, "the label {} would be longer than {} bytes", Quote(name),
                  kMadeLabelBytesMax);
    }
    Status status = child->evaluation().Hold(value->size() / kBytesPerSample);
    if (status) status = child->evaluation().Spend(1);
    if (!status) return tl::unexpected(status.error());
    Labels labels = *row.Seen();
    labels.Set(name, *value);
    row.labels = std::make_shared<const Labels>(std::move(labels));
    row.nameless = false;
    if (name == kMetricName) row.drop_name = false;
  }
  return MergeSameLabels(std::make_unique<RenamedOperator>(std::move(child), std::move(rows)),
                         Merge::kLabelsChanged);
}

Result<OperatorPtr> OpenReplace(Evaluation& evaluation, const Call& call, const Grid& grid) {
  const std::string target = TextOf(call.arguments[1]);
  const std::string source = TextOf(call.arguments[3]);
  const std::string expression = TextOf(call.arguments[4]);
  re2::RE2::Options options;
  options.set_log_errors(false);
  options.set_dot_nl(true);
  options.set_max_mem(Matcher::kRegexpBytesMax);
  const re2::RE2 pattern("^(?s:" + expression + ")$", options);
  if (!pattern.ok()) {
    return Fail("invalid regular expression in label_replace(): {}", expression);
  }
  if (!IsUtf8LabelName(target)) {
    return Fail("invalid destination label name in label_replace(): {}", target);
  }
  Result<OperatorPtr> child = Open(evaluation, *call.arguments[0], grid);
  if (!child) return child;
  const RegexpTemplate replacement(TextOf(call.arguments[2]), pattern);
  std::unordered_map<std::string_view, std::optional<std::string>> known;
  std::vector<re2::StringPiece> groups(static_cast<std::size_t>(pattern.NumberOfCapturingGroups()) +
                                       1);
  return SetLabel(std::move(*child), target, [&](const Row& row) {
    const std::string_view value = row.Get(source);
    const auto [at, fresh] = known.try_emplace(value);
    if (fresh && pattern.Match({value.data(), value.size()}, 0, value.size(), re2::RE2::ANCHOR_BOTH,
                               groups.data(), static_cast<int>(groups.size()))) {
      at->second = replacement.Expand(groups);
    }
    return at->second;
  });
}

Result<OperatorPtr> OpenJoin(Evaluation& evaluation, const Call& call, const Grid& grid) {
  const std::string target = TextOf(call.arguments[1]);
  const std::string separator = TextOf(call.arguments[2]);
  std::vector<std::string> sources;
  for (std::size_t i = 3; i < call.arguments.size(); ++i) {
    sources.push_back(TextOf(call.arguments[i]));
    if (!IsUtf8LabelName(sources.back())) {
      return Fail("invalid source label name in label_join(): {}", sources.back());
    }
  }
  if (!IsUtf8LabelName(target)) {
    return Fail("invalid destination label name in label_join(): {}", target);
  }
  Result<OperatorPtr> child = Open(evaluation, *call.arguments[0], grid);
  if (!child) return child;
  return SetLabel(std::move(*child), target, [&](const Row& row) -> std::optional<std::string> {
    std::string joined;
    for (std::size_t i = 0; i < sources.size(); ++i) {
      if (i > 0) joined += separator;
      joined += row.Get(sources[i]);
      if (joined.size() > kMadeLabelBytesMax) break;
    }
    return joined;
  });
}

}  // namespace

Result<OperatorPtr> OpenLabelFunction(Evaluation& evaluation, const Call& call, const Grid& grid) {
  return call.function->id == FunctionId::kLabelReplace ? OpenReplace(evaluation, call, grid)
                                                        : OpenJoin(evaluation, call, grid);
}

}  // namespace fettle::promql
