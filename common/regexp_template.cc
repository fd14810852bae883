#include <algorithm>
#include <map>

#include "common/anchored_regexp.h"

namespace fettle {
namespace {

// Stands for nothing, and yet for no literal.
constexpr int kNoSuchGroup = 1 << 20;

bool IsWordCharacter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

int GroupOf(const std::string& name, const re2::RE2& pattern) {
  if (name.find_first_not_of("0123456789") == std::string::npos) {
    return name.size() > 4 ? -1 : std::stoi(name);
  }
  const auto named = pattern.NamedCapturingGroups().find(name);
  return named == pattern.NamedCapturingGroups().end() ? -1 : named->second;
}

}  // namespace

RegexpTemplate::RegexpTemplate(std::string_view text, const re2::RE2& pattern) {
  while (!text.empty()) {
    const std::size_t dollar = std::min(text.find('$'), text.size());
    parts_.push_back({std::string(text.substr(0, dollar)), -1});
    text.remove_prefix(dollar);
    if (text.empty()) break;
    text.remove_prefix(1);
    text.remove_prefix(AddReference(text, pattern));
  }
}

// `text` follows a dollar; how much of it belongs to the reference.
std::size_t RegexpTemplate::AddReference(std::string_view text, const re2::RE2& pattern) {
  if (text.starts_with("$")) return parts_.push_back({"$", -1}), 1;
  const bool braces = text.starts_with("{");
  std::size_t end = braces ? 1 : 0;
  while (end < text.size() && IsWordCharacter(text[end])) ++end;
  const std::string name(text.substr(braces ? 1 : 0, end - (braces ? 1 : 0)));
  const bool closed = !braces || (end < text.size() && text[end] == '}');
  if (name.empty() || !closed) return parts_.push_back({"$", -1}), 0;
  const int group = GroupOf(name, pattern);
  parts_.push_back({"", group < 0 ? kNoSuchGroup : group});
  return end + (braces ? 1 : 0);
}

std::string RegexpTemplate::Expand(const std::vector<re2::StringPiece>& groups) const {
  std::string out;
  for (const Part& part : parts_) {
    out += part.literal;
    if (part.group >= 0 && part.group < static_cast<int>(groups.size())) {
      const re2::StringPiece& group = groups[static_cast<std::size_t>(part.group)];
      out.append(group.data() == nullptr ? "" : group.data(), group.size());
    }
    if (out.size() > kExpandedBytesMax) break;
  }
  return out;
}

bool RegexpTemplate::IsPlain() const {
  return std::all_of(parts_.begin(), parts_.end(), [](const Part& part) { return part.group < 0; });
}

}  // namespace fettle
