#include "receivers/settings.h"

#include <fmt/format.h>

#include <charconv>

#include "common/duration.h"

namespace fettle::receivers {
namespace {

using yaml::Node;

template <typename Map>
const typename Map::mapped_type& FindIn(const Map& map, std::string_view key) {
  static const typename Map::mapped_type kNothing{};
  const auto found = map.find(std::string(key));
  return found == map.end() ? kNothing : found->second;
}

bool IsGiven(const Node* node) { return node != nullptr && node->kind != Node::Kind::kNull; }

bool IsHttpUrl(std::string_view url) {
  return (url.starts_with("http://") && url.size() > 7) ||
         (url.starts_with("https://") && url.size() > 8);
}

// The value as text, or a complaint and "".
std::string ReadText(yaml::Mapping& m, const Field& field, const Node& node) {
  const auto refuse = [&](const std::string& why) {
    m.Complain(node.place, fmt::format("{} {}", field.key, why));
    return std::string();
  };
  switch (field.type) {
    case Field::Type::kFlag: {
      const Result<bool> flag = yaml::Decode<bool>(node);
      if (!flag) return refuse(flag.error().message);
      return *flag ? "true" : "false";
    }
    case Field::Type::kInteger: {
      const Result<std::int64_t> number = yaml::Decode<std::int64_t>(node);
      return number ? std::to_string(*number) : refuse(number.error().message);
    }
    case Field::Type::kDuration: {
      const Result<Millis> duration = yaml::Decode<Millis>(node);
      return duration ? FormatDuration(*duration) : refuse(duration.error().message);
    }
    default: {
      const Result<std::string> text = yaml::Decode<std::string>(node);
      if (!text) return refuse(text.error().message);
      if (field.type == Field::Type::kUrl && !IsHttpUrl(*text)) {
        return refuse("must be a URL that begins with http:// or https://");
      }
      return *text;
    }
  }
}

}  // namespace

const std::string& Settings::Text(std::string_view key) const { return FindIn(texts_, key); }

std::int64_t Settings::Integer(std::string_view key) const {
  const std::string& text = Text(key);
  std::int64_t number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

Millis Settings::Duration(std::string_view key) const {
  return ParseDuration(Text(key)).value_or(Millis(0));
}

const Secret& Settings::GetSecret(std::string_view key) const { return FindIn(secrets_, key); }

const std::map<std::string, std::string>& Settings::TextMap(std::string_view key) const {
  return FindIn(maps_, key);
}

const std::vector<Settings>& Settings::Objects(std::string_view key) const {
  return FindIn(objects_, key);
}

const Settings& Settings::Object(std::string_view key) const {
  static const Settings kNothing{};
  const std::vector<Settings>& objects = Objects(key);
  return objects.empty() ? kNothing : objects.front();
}

const Node* Settings::Any(std::string_view key) const {
  const auto found = any_.find(std::string(key));
  return found == any_.end() ? nullptr : &found->second;
}

Settings ReadSettings(yaml::Mapping& m, const Schema& schema, const Settings* global) {
  Settings settings;
  settings.place = m.place();
  for (const Field& field : schema) {
    const std::string key = field.key;
    const auto read_object = [&](const Node& node) {
      yaml::Mapping inner(node, m.what() + "." + key, m.complaints());
      return ReadSettings(inner, *field.inner, nullptr);
    };
    if (field.type == Field::Type::kSecret) {
      Secret secret = m.GetSecret(key);
      if (!secret.empty()) settings.given_[key] = true;
      if (secret.empty() && global != nullptr) secret = global->GetSecret(field.global);
      settings.secrets_[key] = std::move(secret);
      continue;
    }
    if (field.type == Field::Type::kTextMap) {
      settings.maps_[key] = m.StringMap(key);
      continue;
    }
    if (field.type == Field::Type::kObjects) {
      m.ForEach(key,
                [&](const Node& item) { settings.objects_[key].push_back(read_object(item)); });
      continue;
    }
    const Node* node = m.Child(key);
    if (IsGiven(node)) {
      settings.given_[key] = true;
      if (field.type == Field::Type::kObject) {
        settings.objects_[key].push_back(read_object(*node));
      } else if (field.type == Field::Type::kAny) {
        settings.any_[key] = *node;
      } else {
        settings.texts_[key] = ReadText(m, field, *node);
      }
      continue;
    }
    std::string text = field.fallback;
    if (global != nullptr && *field.global != '\0' && text.empty())
      text = global->Text(field.global);
    settings.texts_[key] = std::move(text);
  }
  return settings;
}

}  // namespace fettle::receivers
