#include "rules/rule_file.h"

#include <fmt/format.h>

#include <set>
#include <utility>

#include "common/labels.h"
#include "rules/template_functions.h"

namespace fettle::rules {
namespace {

// Rule files are Prometheus' own: ${NAME} is not ours to expand.
yaml::LoadOptions PlainText() {
  yaml::LoadOptions options;
  options.expand_environment = false;
  return options;
}

std::string Trimmed(const std::string& text) {
  const std::size_t begin = text.find_first_not_of(" \t\r\n");
  if (begin == std::string::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t\r\n") - begin + 1);
}

// Prometheus 3 takes any UTF-8 as a label's name.
bool IsName(const std::string& name) { return !name.empty() && IsUtf8(name); }

std::string TextOf(const yaml::Node* node) { return node == nullptr ? std::string() : node->text; }

// No key is a mistake any more.
void Understand(yaml::Mapping& map, const yaml::Node& node) {
  for (const yaml::Entry& entry : node.entries) (void)map.Child(entry.key.text);
}

class RuleReader {
 public:
  RuleReader(const yaml::Node& node, std::string what, const gotemplate::Functions& functions,
             const RuleFileOptions& options, yaml::Complaints& complaints)
      : node_(node),
        map_(node, std::move(what), complaints),
        functions_(functions),
        options_(options) {}

  // nullopt if anything was wrong.
  std::optional<RuleSpec> Read(const std::map<std::string, std::string>& group_labels) {
    const std::size_t before = map_.complaints().size();
    if (options_.ignore_unknown_fields) Understand(map_, node_);
    RuleSpec rule;
    rule.line = map_.place().line;
    ReadName(rule);
    ReadExpression(rule);
    rule.hold = map_.Get<Millis>("for", Millis(0));
    rule.keep_firing_for = map_.Get<Millis>("keep_firing_for", Millis(0));
    rule.labels = map_.StringMap("labels");
    rule.annotations = map_.StringMap("annotations");
    CheckLabels("labels", "label");
    if (rule.kind == RuleSpec::Kind::kAlerting) {
      CheckLabels("annotations", "annotation");
      CheckTemplates(rule);
    } else {
      CheckRecording(rule);
    }
    rule.labels.insert(group_labels.begin(), group_labels.end());
    if (map_.complaints().size() > before) return std::nullopt;
    return rule;
  }

 private:
  void ReadName(RuleSpec& rule) {
    const yaml::Node* alert = map_.Child("alert");
    const yaml::Node* record = map_.Child("record");
    const std::string alert_name = TextOf(alert);
    const std::string record_name = TextOf(record);
    if (!alert_name.empty() && !record_name.empty()) {
      map_.Complain(record->place, "only one of 'record' and 'alert' must be set");
    } else if (alert_name.empty() && record_name.empty()) {
      map_.Complain(map_.place(), "one of 'record' or 'alert' must be set");
    }
    const bool recording = alert_name.empty() && !record_name.empty();
    rule.kind = recording ? RuleSpec::Kind::kRecording : RuleSpec::Kind::kAlerting;
    rule.name = recording ? record_name : alert_name;
  }

  void ReadExpression(RuleSpec& rule) {
    const yaml::Node* expr = map_.Child("expr");
    if (expr == nullptr || expr->kind != yaml::Node::Kind::kScalar || Trimmed(expr->text).empty()) {
      map_.Complain(expr == nullptr ? map_.place() : expr->place,
                    "field 'expr' must be set in rule");
      return;
    }
    rule.expr = Trimmed(expr->text);
    rule.expr_line = expr->place.line;
    Result<promql::ExprPtr> tree = promql::Parse(rule.expr, options_.parser);
    if (!tree) {
      map_.Complain(expr->place, "could not parse expression: " + tree.error().message);
      return;
    }
    rule.tree = *std::move(tree);
    const promql::ValueType type = rule.tree->type;
    if (type != promql::ValueType::kScalar && type != promql::ValueType::kVector) {
      map_.Complain(expr->place, fmt::format("the expression gives a {}, and a rule needs an "
                                             "instant vector or a scalar",
                                             promql::ToString(type)));
    }
  }

  void CheckLabels(std::string_view key, std::string_view what) {
    map_.ForEachEntry(key, [&](const yaml::Node& name, const yaml::Node& value) {
      if (!IsName(name.text) || (what == "label" && name.text == kMetricName)) {
        map_.Complain(name.place, fmt::format("invalid {} name: {}", what, name.text));
      }
      if (!IsUtf8(value.text)) {
        map_.Complain(value.place, fmt::format("invalid {} value: {}", what, value.text));
      }
    });
  }

  void CheckTemplates(const RuleSpec& rule) {
    const auto check = [&](std::string_view key, std::string_view what) {
      map_.ForEachEntry(key, [&](const yaml::Node& name, const yaml::Node& value) {
        const Result<AlertText> text = AlertText::Parse(rule.name, value.text, functions_);
        if (text) return;
        map_.Complain(value.place,
                      fmt::format("{} {}: {}", what, Quote(name.text), text.error().message));
      });
    };
    check("labels", "label");
    check("annotations", "annotation");
  }

  void CheckRecording(const RuleSpec& rule) {
    for (const char* const key : {"annotations", "for", "keep_firing_for"}) {
      if (const yaml::Node* node = map_.Child(key)) {
        map_.Complain(node->place, fmt::format("invalid field '{}' in recording rule", key));
      }
    }
    const yaml::Place& place = map_.Child("record")->place;
    if (rule.name.find_first_of("{}") != std::string::npos) {
      map_.Complain(
          place, "braces present in the recording rule name; should it be in expr?: " + rule.name);
    } else if (!IsUtf8(rule.name)) {
      map_.Complain(place, "invalid recording rule name: " + rule.name);
    }
  }

  const yaml::Node& node_;
  yaml::Mapping map_;
  const gotemplate::Functions& functions_;
  const RuleFileOptions& options_;
};

class FileReader {
 public:
  FileReader(const std::string& file, const RuleFileOptions& options, yaml::Complaints& complaints)
      : file_(file), options_(options), complaints_(complaints), functions_(AlertFunctions("")) {}

  std::vector<GroupSpec> Read(const yaml::Node& root) {
    std::vector<GroupSpec> groups;
    yaml::Mapping map(root, "", complaints_);
    if (options_.ignore_unknown_fields) Understand(map, root);
    map.ForEach("groups", [&](const yaml::Node& node) { groups.push_back(ReadGroup(node)); });
    return groups;
  }

 private:
  GroupSpec ReadGroup(const yaml::Node& node) {
    GroupSpec group;
    group.file = file_;
    group.name = TextOf(node.Find("name"));
    const std::string what = fmt::format("group {}", Quote(group.name));
    yaml::Mapping map(node, what, complaints_);
    if (options_.ignore_unknown_fields) Understand(map, node);
    map.Get<std::string>("name", "");
    if (group.name.empty()) {
      complaints_.Add(node.place, "Groupname must not be empty");
    } else if (!names_.insert(group.name).second) {
      complaints_.Add(node.Find("name")->place,
                      fmt::format("groupname: {} is repeated in the same file", Quote(group.name)));
    }
    group.interval = map.Get<Millis>("interval", Millis(0));
    group.limit = map.Get<int>("limit", 0);
    if (group.limit < 0) map.Complain(map.Child("limit")->place, "limit must not be negative");
    group.query_offset = map.Find<Millis>("query_offset");
    const std::map<std::string, std::string> labels = map.StringMap("labels");
    map.ForEachEntry("labels", [&](const yaml::Node& name, const yaml::Node&) {
      if (IsName(name.text) && name.text != kMetricName) return;
      map.Complain(name.place, "invalid label name: " + name.text);
    });
    int number = 0;
    map.ForEach("rules", [&](const yaml::Node& rule) {
      ++number;
      const std::string alert = TextOf(rule.Find("alert"));
      const std::string name = alert.empty() ? TextOf(rule.Find("record")) : alert;
      const std::string place = fmt::format("{}, rule {}, {}", what, number, Quote(name));
      RuleReader reader(rule, place, functions_, options_, complaints_);
      if (std::optional<RuleSpec> spec = reader.Read(labels)) {
        group.rules.push_back(*std::move(spec));
      }
    });
    return group;
  }

  const std::string& file_;
  const RuleFileOptions& options_;
  yaml::Complaints& complaints_;
  const gotemplate::Functions functions_;
  std::set<std::string> names_;
};

std::vector<GroupSpec> ReadRoot(const std::optional<yaml::Node>& root, const std::string& file,
                                yaml::Complaints& complaints, const RuleFileOptions& options) {
  if (!root) return {};
  return FileReader(file, options, complaints).Read(*root);
}

}  // namespace

bool RuleSpec::operator==(const RuleSpec& other) const {
  return kind == other.kind && name == other.name && expr == other.expr && hold == other.hold &&
         keep_firing_for == other.keep_firing_for && labels == other.labels &&
         annotations == other.annotations;
}

std::vector<GroupSpec> ReadRules(std::string_view text, const std::string& file,
                                 yaml::Complaints& complaints, const RuleFileOptions& options) {
  return ReadRoot(yaml::Load(text, file, complaints, PlainText()), file, complaints, options);
}

std::vector<GroupSpec> ReadRuleFile(const std::string& path, yaml::Complaints& complaints,
                                    const RuleFileOptions& options) {
  return ReadRoot(yaml::LoadFile(path, complaints, PlainText()), path, complaints, options);
}

}  // namespace fettle::rules
