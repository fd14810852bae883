// The parts of alertmanager.yml as it is shown, and what they share. For alertmanager_show*.cc.
// Pure functions over values.
#pragma once

#include <string>
#include <string_view>

#include "common/yaml.h"
#include "common/yaml_print.h"

namespace fettle::receivers::show {

inline constexpr const char* kSecretText = "<secret>";

// There and not null.
bool Given(const yaml::Node* node);
// The value of a key, or nullptr; of nullptr, too.
const yaml::Node* Find(const yaml::Node* node, std::string_view key);
// A scalar's text, or the fallback.
std::string TextOf(const yaml::Node* node, std::string_view fallback = "");
bool IsTrue(const yaml::Node* node);

// What stands under a key, if there is something: texts, {name: text} by name, one text.
void AddList(yaml::Tree& tree, const yaml::Node& from, const char* key);
void AddMap(yaml::Tree& tree, const yaml::Node& from, const char* key);
void AddText(yaml::Tree& tree, const yaml::Node* from, const char* key,
             std::string_view fallback = "");

// `global` may be nullptr.
yaml::Tree ShowTracing(const yaml::Node& tracing);
yaml::Tree ShowGlobal(const yaml::Node* global);
yaml::Tree ShowReceiver(const yaml::Node& receiver, const yaml::Node* global);

}  // namespace fettle::receivers::show
