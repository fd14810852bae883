// The settings of one entry of a receiver, by a table of its fields: what is read, what it is when
// absent, and what `global` says about it. Values.
//
// A schema is written by hand beside the code that uses it (kinds.cc), in Alertmanager's order.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "common/http_config.h"
#include "common/yaml.h"

namespace fettle::receivers {

struct Field {
  enum class Type {
    kText,  // most are templates
    kFlag,
    kInteger,
    kDuration,
    kUrl,      // http or https
    kSecret,   // with its `_file` twin
    kTextMap,  // {name: text}
    kObject,   // its own schema
    kObjects,  // a list of such
    kAny,      // whatever YAML there is; texts are templates
  };
  const char* key = "";
  Type type = Type::kText;
  const char* fallback = "";  // as it would stand in the file
  const char* global = "";    // the key of `global` that counts when this one is absent
  const std::vector<Field>* inner = nullptr;
};
using Schema = std::vector<Field>;

class Settings {
 public:
  // Absent values are "", false, 0 or empty.
  const std::string& Text(std::string_view key) const;
  bool Flag(std::string_view key) const { return Text(key) == "true"; }
  std::int64_t Integer(std::string_view key) const;
  Millis Duration(std::string_view key) const;
  const Secret& GetSecret(std::string_view key) const;
  const std::map<std::string, std::string>& TextMap(std::string_view key) const;
  const std::vector<Settings>& Objects(std::string_view key) const;
  const Settings& Object(std::string_view key) const;
  // nullptr if it is absent.
  const yaml::Node* Any(std::string_view key) const;
  // True if the file says something about it.
  bool Given(std::string_view key) const { return given_.contains(std::string(key)); }

  HttpConfig http;
  yaml::Place place;

 private:
  friend Settings ReadSettings(yaml::Mapping& m, const Schema& schema, const Settings* global);
  std::map<std::string, std::string> texts_;
  std::map<std::string, Secret> secrets_;
  std::map<std::string, std::map<std::string, std::string>> maps_;
  std::map<std::string, std::vector<Settings>> objects_;
  std::map<std::string, yaml::Node> any_;
  std::map<std::string, bool> given_;
};

// Reads the schema's keys of a mapping; other keys are the caller's. `global` may be nullptr.
Settings ReadSettings(yaml::Mapping& m, const Schema& schema, const Settings* global);

}  // namespace fettle::receivers
