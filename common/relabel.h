// relabel_configs of Prometheus' files: rules that keep, drop and rewrite label sets, in order.
// Values, immutable once read; safe to share between threads.
//
// Source: prometheus.io/docs/prometheus/latest/configuration/configuration/#relabel_config (3.5).
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/anchored_regexp.h"
#include "common/labels.h"
#include "common/yaml.h"

namespace fettle {

struct RelabelRule {
  enum class Action {
    kReplace,
    kKeep,
    kDrop,
    kHashMod,
    kLabelMap,
    kLabelDrop,
    kLabelKeep,
    kLowercase,
    kUppercase,
    kKeepEqual,
    kDropEqual,
  };
  Action action = Action::kReplace;
  std::vector<std::string> source_labels;
  std::string separator = ";";
  std::string target_label;
  std::uint64_t modulus = 0;
  std::shared_ptr<const re2::RE2> regex;
  RegexpTemplate target;       // of replace
  RegexpTemplate replacement;  // of replace and labelmap
};

class Relabeling {
 public:
  // The list under `key`; what is wrong is complained about and left out.
  static Relabeling Read(yaml::Mapping& m, std::string_view key);

  // False: dropped, and the labels mean nothing.
  bool Apply(Labels& labels) const;
  bool empty() const { return rules_.empty(); }
  std::size_t size() const { return rules_.size(); }

 private:
  std::vector<RelabelRule> rules_;
};

}  // namespace fettle
