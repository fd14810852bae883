#include "common/relabel.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <map>
#include <utility>

#include "common/digest.h"
#include "common/utf8.h"

namespace fettle {
namespace {

using Action = RelabelRule::Action;

constexpr std::string_view kDefaultRegex = "(.*)";
constexpr std::string_view kDefaultReplacement = "$1";

const std::map<std::string, Action, std::less<>>& Actions() {
  static const std::map<std::string, Action, std::less<>> actions = {
      {"replace", Action::kReplace},     {"keep", Action::kKeep},
      {"drop", Action::kDrop},           {"hashmod", Action::kHashMod},
      {"labelmap", Action::kLabelMap},   {"labeldrop", Action::kLabelDrop},
      {"labelkeep", Action::kLabelKeep}, {"lowercase", Action::kLowercase},
      {"uppercase", Action::kUppercase}, {"keepequal", Action::kKeepEqual},
      {"dropequal", Action::kDropEqual},
  };
  return actions;
}

bool IsUtf8Name(std::string_view name) { return !name.empty() && IsUtf8(name); }

std::string WithCase(const std::string& text, bool upper) {
  std::string out = text;
  std::transform(out.begin(), out.end(), out.begin(), [upper](unsigned char c) {
    return static_cast<char>(upper ? std::toupper(c) : std::tolower(c));
  });
  return out;
}

// The last eight bytes of the MD5, as a number in big-endian.
std::uint64_t HashOf(std::string_view text) {
  const std::string digest = Md5(text);
  std::uint64_t hash = 0;
  for (std::size_t i = 8; i < digest.size(); ++i) {
    hash = hash << 8 | static_cast<unsigned char>(digest[i]);
  }
  return hash;
}

std::vector<re2::StringPiece> Groups(const re2::RE2& regex) {
  return std::vector<re2::StringPiece>(static_cast<std::size_t>(regex.NumberOfCapturingGroups()) +
                                       1);
}

bool Match(const re2::RE2& regex, std::string_view text, std::vector<re2::StringPiece>& groups) {
  return regex.Match({text.data(), text.size()}, 0, text.size(), re2::RE2::ANCHOR_BOTH,
                     groups.data(), static_cast<int>(groups.size()));
}

bool Matches(const RelabelRule& rule, std::string_view text) {
  return re2::RE2::FullMatch(re2::StringPiece(text.data(), text.size()), *rule.regex);
}

std::string Joined(const RelabelRule& rule, const Labels& labels) {
  std::string out;
  for (std::size_t i = 0; i < rule.source_labels.size(); ++i) {
    if (i > 0) out += rule.separator;
    out += labels.Get(rule.source_labels[i]);
  }
  return out;
}

void Replace(const RelabelRule& rule, std::string_view value, Labels& labels) {
  std::vector<re2::StringPiece> groups = Groups(*rule.regex);
  if (!Match(*rule.regex, value, groups)) return;
  const std::string target = rule.target.Expand(groups);
  if (!IsUtf8Name(target)) return;
  labels.Set(target, rule.replacement.Expand(groups));
}

// labelmap, labeldrop and labelkeep look at names.
void ChangeNames(const RelabelRule& rule, Labels& labels) {
  std::vector<re2::StringPiece> groups = Groups(*rule.regex);
  const Labels before = labels;
  for (const auto& [name, value] : before) {
    const bool matches = Match(*rule.regex, name, groups);
    if (rule.action == Action::kLabelMap) {
      if (matches) labels.Set(rule.replacement.Expand(groups), value);
    } else if (matches == (rule.action == Action::kLabelDrop)) {
      labels.Remove(name);
    }
  }
}

bool ApplyRule(const RelabelRule& rule, Labels& labels) {
  const std::string value = Joined(rule, labels);
  switch (rule.action) {
    case Action::kKeep:
      return Matches(rule, value);
    case Action::kDrop:
      return !Matches(rule, value);
    case Action::kKeepEqual:
      return labels.Get(rule.target_label) == value;
    case Action::kDropEqual:
      return labels.Get(rule.target_label) != value;
    case Action::kReplace:
      Replace(rule, value, labels);
      return true;
    case Action::kLowercase:
    case Action::kUppercase:
      labels.Set(rule.target_label, WithCase(value, rule.action == Action::kUppercase));
      return true;
    case Action::kHashMod:
      labels.Set(rule.target_label, std::to_string(HashOf(value) % rule.modulus));
      return true;
    case Action::kLabelMap:
    case Action::kLabelDrop:
    case Action::kLabelKeep:
      ChangeNames(rule, labels);
      return true;
  }
  return true;
}

class RuleReader {
 public:
  RuleReader(const yaml::Node& node, const std::string& what, yaml::Complaints& complaints)
      : m_(node, what, complaints), place_(node.place) {}

  std::optional<RelabelRule> Read() {
    RelabelRule rule;
    const std::string action = m_.Get<std::string>("action", "replace");
    const auto known = Actions().find(WithCase(action, false));
    if (known == Actions().end()) return Refuse("unknown relabel action " + yaml::Shown(action));
    name_ = known->first;
    rule.action = known->second;
    rule.source_labels = m_.List<std::string>("source_labels");
    rule.separator = m_.Get<std::string>("separator", ";");
    rule.target_label = m_.Get<std::string>("target_label", "");
    const std::string regex = m_.Get<std::string>("regex", std::string(kDefaultRegex));
    const auto modulus = m_.Get<std::int64_t>("modulus", 0);
    const std::string replacement =
        m_.Get<std::string>("replacement", std::string(kDefaultReplacement));
    auto compiled = CompileAnchored(regex);
    if (!compiled) return Refuse("regex: " + compiled.error().message);
    rule.regex = *std::move(compiled);
    if (rule.action == Action::kHashMod && modulus <= 0) {
      return Refuse("relabel configuration for hashmod requires non-zero modulus");
    }
    rule.modulus = static_cast<std::uint64_t>(std::max<std::int64_t>(modulus, 0));
    rule.target = RegexpTemplate(rule.target_label, *rule.regex);
    rule.replacement = RegexpTemplate(replacement, *rule.regex);
    if (!TargetIsRight(rule) || !FieldsAreRight(rule)) return std::nullopt;
    return rule;
  }

 private:
  std::nullopt_t Refuse(const std::string& why) {
    m_.Complain(place_, why);
    return std::nullopt;
  }

  bool TargetIsRight(const RelabelRule& rule) {
    static constexpr std::array kWithTarget = {Action::kReplace,   Action::kHashMod,
                                               Action::kLowercase, Action::kUppercase,
                                               Action::kKeepEqual, Action::kDropEqual};
    if (std::find(kWithTarget.begin(), kWithTarget.end(), rule.action) == kWithTarget.end()) {
      return true;
    }
    if (rule.target_label.empty()) {
      Refuse(
          fmt::format("relabel configuration for {} action requires 'target_label' value", name_));
      return false;
    }
    const bool is_template = rule.action == Action::kReplace && !rule.target.IsPlain();
    if (!is_template && !IsUtf8Name(rule.target_label)) {
      Refuse(fmt::format("{} is invalid 'target_label' for {} action",
                         yaml::Shown(rule.target_label), name_));
      return false;
    }
    return true;
  }

  bool FieldsAreRight(const RelabelRule& rule) {
    const bool compares = rule.action == Action::kKeepEqual || rule.action == Action::kDropEqual;
    const bool names = rule.action == Action::kLabelDrop || rule.action == Action::kLabelKeep;
    const bool changes_case =
        rule.action == Action::kLowercase || rule.action == Action::kUppercase;
    if ((changes_case || compares) && m_.Has("replacement")) {
      Refuse(fmt::format("'replacement' can not be set for {} action", name_));
      return false;
    }
    if (compares && HasAny({"regex", "modulus", "separator"})) {
      Refuse(fmt::format(
          "{} action requires only 'source_labels' and 'target_label', and no other fields",
          name_));
      return false;
    }
    if (names && HasAny({"source_labels", "target_label", "modulus", "separator", "replacement"})) {
      Refuse(fmt::format("{} action requires only 'regex', and no other fields", name_));
      return false;
    }
    return true;
  }

  bool HasAny(std::initializer_list<const char*> keys) const {
    return std::any_of(keys.begin(), keys.end(), [this](const char* key) { return m_.Has(key); });
  }

  yaml::Mapping m_;
  const yaml::Place place_;
  std::string name_;
};

}  // namespace

Relabeling Relabeling::Read(yaml::Mapping& m, std::string_view key) {
  Relabeling out;
  const std::string what = fmt::format("{}.{}", m.what(), key);
  m.ForEach(key, [&](const yaml::Node& node) {
    if (std::optional<RelabelRule> rule = RuleReader(node, what, m.complaints()).Read()) {
      out.rules_.push_back(*std::move(rule));
    }
  });
  return out;
}

bool Relabeling::Apply(Labels& labels) const {
  return std::all_of(rules_.begin(), rules_.end(),
                     [&labels](const RelabelRule& rule) { return ApplyRule(rule, labels); });
}

}  // namespace fettle
