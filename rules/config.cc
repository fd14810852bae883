#include "rules/config.h"

#include <fmt/format.h>
#include <glob.h>

#include <algorithm>
#include <filesystem>
#include <iterator>
#include <set>

#include "common/duration.h"
#include "rules/slo.h"

namespace fettle::rules {
namespace {

constexpr Millis kIntervalMin = std::chrono::milliseconds(100);

bool IsPattern(const std::string& path) { return path.find_first_of("*?[") != std::string::npos; }

// The files a pattern stands for, sorted. Nothing is an answer: the directory may fill later.
std::vector<std::string> Matching(const std::string& pattern) {
  std::vector<std::string> paths;
  glob_t found{};
  if (glob(pattern.c_str(), 0, nullptr, &found) == 0) {
    for (std::size_t i = 0; i < found.gl_pathc; ++i) paths.emplace_back(found.gl_pathv[i]);
  }
  globfree(&found);
  return paths;
}

class Reader {
 public:
  Reader(const yaml::Node& node, const std::string& directory, const promql::ParserOptions& parser,
         yaml::Complaints& complaints)
      : map_(node, "rules", complaints), directory_(directory), parser_(parser) {}

  RulesConfig Read(const Connections& connections) {
    RulesConfig config;
    config.evaluation_interval = map_.Get("evaluation_interval", config.evaluation_interval);
    if (config.evaluation_interval < kIntervalMin) {
      map_.Complain(map_.Child("evaluation_interval")->place,
                    "evaluation_interval must be at least 100ms, not " +
                        FormatDuration(config.evaluation_interval));
    }
    config.external_labels = ReadExternalLabels();
    ReadRuleFiles(config);
    config.query = ReadQueryTarget(map_, directory_);
    config.notifier = ReadNotifierConfig(map_, directory_, connections);
    for (const SloSpec& slo : ReadSlos(map_, parser_)) {
      std::vector<GroupSpec> groups = SloGroups(slo, parser_);
      std::move(groups.begin(), groups.end(), std::back_inserter(config.groups));
    }
    return config;
  }

 private:
  Labels ReadExternalLabels() {
    std::vector<Labels::Pair> pairs;
    map_.ForEachEntry("external_labels", [&](const yaml::Node& name, const yaml::Node& value) {
      if (!IsLabelName(name.text)) {
        map_.Complain(name.place,
                      fmt::format("external_labels: {} is not a label name", Quote(name.text)));
      } else if (value.kind == yaml::Node::Kind::kScalar) {
        pairs.emplace_back(name.text, value.text);
      } else {
        map_.Complain(value.place, fmt::format("external_labels.{} must be a word", name.text));
      }
    });
    return Labels(std::move(pairs));
  }

  void ReadRuleFiles(RulesConfig& config) {
    if (map_.Child("rule_files") == nullptr) return;
    config.builtin = false;
    std::set<std::string> files;
    map_.ForEach("rule_files", [&](const yaml::Node& item) {
      const Result<std::string> text = yaml::Decode<std::string>(item);
      if (!text) {
        map_.Complain(item.place, "rule_files " + text.error().message);
      } else if (*text == "builtin") {
        config.builtin = true;
      } else {
        AddFiles(item, *text, files);
      }
    });
    for (const std::string& file : files) {
      std::vector<GroupSpec> groups = ReadRuleFile(
          file, map_.complaints(), {.parser = parser_, .ignore_unknown_fields = false});
      std::move(groups.begin(), groups.end(), std::back_inserter(config.groups));
    }
  }

  void AddFiles(const yaml::Node& item, const std::string& text, std::set<std::string>& files) {
    const std::string path = (std::filesystem::path(directory_) / text).lexically_normal().string();
    if (IsPattern(text)) {
      for (std::string& match : Matching(path)) files.insert(std::move(match));
      return;
    }
    std::error_code ignored;
    if (std::filesystem::exists(path, ignored)) {
      files.insert(path);
    } else {
      map_.Complain(item.place, fmt::format("rule_files: there is no file {}", Quote(path)));
    }
  }

  yaml::Mapping map_;
  const std::string& directory_;
  const promql::ParserOptions& parser_;
};

}  // namespace

RulesConfig ReadRulesConfig(const yaml::Node* node, const std::string& directory,
                            yaml::Complaints& complaints, const promql::ParserOptions& parser,
                            const Connections& connections) {
  if (node == nullptr) return {};
  return Reader(*node, directory, parser, complaints).Read(connections);
}

}  // namespace fettle::rules
