#include "common/yaml.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <tuple>

#include "common/duration.h"
#include "common/labels.h"

namespace fettle::yaml {
namespace {

constexpr std::size_t kShownBytesMax = 80;

std::string_view KindName(const Node& node) {
  switch (node.kind) {
    case Node::Kind::kNull:
      return "nothing";
    case Node::Kind::kScalar:
      return "a word";
    case Node::Kind::kSequence:
      return "a list";
    case Node::Kind::kMapping:
      return "a mapping";
  }
  return "nothing";
}

// must be a duration such as 30s, not "soon"
tl::unexpected<Error> Wrong(const Node& node, std::string_view wanted) {
  if (node.kind != Node::Kind::kScalar) {
    return Fail(Cause::kInvalid, "must be {}, not {}", wanted, KindName(node));
  }
  // A credential may have come in by ${NAME}; then the name is shown.
  const std::string shown = Shown(node.source.empty() ? node.text : node.source);
  return Fail(Cause::kInvalid, "must be {}, not {}{}", wanted, node.quoted ? "the quoted " : "",
              shown);
}

template <typename Integer>
Result<Integer> DecodeInteger(const Node& node) {
  Integer value = 0;
  const char* const end = node.text.data() + node.text.size();
  const auto [stop, error] = std::from_chars(node.text.data(), end, value);
  if (error == std::errc::result_out_of_range && stop == end) {
    return Wrong(
        node, fmt::format("a whole number between {} and {}", std::numeric_limits<Integer>::min(),
                          std::numeric_limits<Integer>::max()));
  }
  const bool plain = node.kind == Node::Kind::kScalar && !node.quoted;
  if (!plain || error != std::errc() || stop != end) return Wrong(node, "a whole number");
  // 010 is 8 to some readers of YAML and 10 to others.
  const std::string_view digits = std::string_view(node.text).substr(node.text[0] == '-' ? 1 : 0);
  if (digits.size() > 1 && digits[0] == '0') {
    return Wrong(node, "a whole number without leading zeros");
  }
  return value;
}

std::string Lowered(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    if (c == '-') c = '_';
  }
  return out;
}

// How many letters are added, left out, changed or swapped with their neighbour.
std::size_t EditDistance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> before(b.size() + 1), last(b.size() + 1), row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) last[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t change = last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, change});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        row[j] = std::min(row[j], before[j - 2] + 1);
      }
    }
    before.swap(last);
    last.swap(row);
  }
  return last[b.size()];
}

}  // namespace

std::string Shown(std::string_view text) {
  if (text.size() <= kShownBytesMax) return Quote(text);
  std::size_t end = kShownBytesMax;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
  return Quote(text.substr(0, end)) + "…";
}

void Complaints::Add(const Place& place, std::string text) {
  if (list_.size() < kListMax) {
    list_.emplace_back(place, std::move(text));
  } else {
    ++beyond_;
  }
}

std::string Complaints::ToString() const {
  auto sorted = list_;
  const auto key = [](const auto& complaint) {
    const auto& [place, text] = complaint;
    return std::tie(place.file, place.line, place.column);
  };
  std::stable_sort(sorted.begin(), sorted.end(),
                   [&](const auto& a, const auto& b) { return key(a) < key(b); });
  std::string out;
  std::string last;
  for (const auto& [place, text] : sorted) {
    std::string line =
        place.line == 0 ? fmt::format("{}: {}\n", place.file, text)
                        : fmt::format("{}:{}:{}: {}\n", place.file, place.line, place.column, text);
    // What an alias brings in twice is said once.
    if (line == last) continue;
    out += line;
    last = std::move(line);
  }
  if (beyond_ > 0) out += fmt::format("and {} more\n", beyond_);
  if (!out.empty()) out.pop_back();
  return out;
}

const Node* Node::Find(std::string_view key) const {
  for (const auto& [name, value] : entries) {
    if (name.text == key) return &value;
  }
  return nullptr;
}

std::string Suggestion(std::string_view word, const std::vector<std::string>& known) {
  if (word.size() > kShownBytesMax) return "";
  const std::string wanted = Lowered(word);
  // One slip in a short word, three in a long one.
  std::size_t best = std::clamp<std::size_t>((word.size() + 1) / 3, 1, 3) + 1;
  const std::string* nearest = nullptr;
  for (const std::string& candidate : known) {
    const std::size_t distance = EditDistance(wanted, Lowered(candidate));
    if (distance < best && distance < candidate.size()) {
      best = distance;
      nearest = &candidate;
    }
  }
  return nearest == nullptr ? "" : fmt::format(", did you mean {}?", Quote(*nearest));
}

template <>
Result<std::string> Decode(const Node& node) {
  if (node.kind != Node::Kind::kScalar) return Wrong(node, "a word");
  return node.text;
}

template <>
Result<bool> Decode(const Node& node) {
  if (node.kind == Node::Kind::kScalar && !node.quoted) {
    // YAML 1.1's words too, because Alertmanager's files may use them.
    for (const std::string_view yes : {"true", "yes", "on"}) {
      if (Lowered(node.text) == yes) return true;
    }
    for (const std::string_view no : {"false", "no", "off"}) {
      if (Lowered(node.text) == no) return false;
    }
  }
  return Wrong(node, "true or false");
}

template <>
Result<int> Decode(const Node& node) {
  return DecodeInteger<int>(node);
}

template <>
Result<std::int64_t> Decode(const Node& node) {
  return DecodeInteger<std::int64_t>(node);
}

template <>
Result<std::size_t> Decode(const Node& node) {
  constexpr std::array<std::pair<std::string_view, int>, 5> kUnits = {
      {{"KiB", 10}, {"MiB", 20}, {"GiB", 30}, {"TiB", 40}, {"B", 0}}};
  for (const auto& [unit, shift] : kUnits) {
    if (!std::string_view(node.text).ends_with(unit)) continue;
    Node number = node;
    number.text.resize(node.text.size() - unit.size());
    const Result<std::size_t> value = DecodeInteger<std::size_t>(number);
    if (!value || *value > (std::numeric_limits<std::size_t>::max() >> shift)) break;
    return *value << shift;
  }
  const Result<std::size_t> value = DecodeInteger<std::size_t>(node);
  if (!value) return Wrong(node, "a whole number or a size such as 512KiB, 8MiB or 1GiB");
  return value;
}

template <>
Result<double> Decode(const Node& node) {
  if (node.kind == Node::Kind::kScalar && !node.quoted) {
    if (node.text == ".inf" || node.text == "+.inf") return std::numeric_limits<double>::infinity();
    if (node.text == "-.inf") return -std::numeric_limits<double>::infinity();
    double value = 0;
    const char* const end = node.text.data() + node.text.size();
    const auto [stop, error] = std::from_chars(node.text.data(), end, value);
    const bool finite = value - value == 0;  // from_chars takes "inf" and "nan" too
    if (error == std::errc() && stop == end && finite) return value;
  }
  return Wrong(node, "a number");
}

template <>
Result<Millis> Decode(const Node& node) {
  if (node.kind == Node::Kind::kScalar) {
    const Result<Millis> value = ParseDuration(node.text);
    if (value) return value;
  }
  return Wrong(node, "a duration such as 30s or 1h30m");
}

Mapping::Mapping(const Node& node, std::string what, Complaints& complaints)
    : node_(node), what_(std::move(what)), complaints_(complaints) {
  if (!IsReadable())
    Complain(node_.place, fmt::format("must be a mapping, not {}", KindName(node)));
}

Mapping::~Mapping() {
  // A key that was given already is not what was meant.
  std::vector<std::string> known;
  for (const std::string& name : understood_) {
    if (!Has(name)) known.push_back(name);
  }
  for (const auto& [key, value] : node_.entries) {
    if (std::find(understood_.begin(), understood_.end(), key.text) != understood_.end()) continue;
    // Nobody reads the suggestions beyond the limit.
    const std::string suggestion = complaints_.IsFull() ? "" : Suggestion(key.text, known);
    Complain(key.place, fmt::format("unknown key {}{}", Shown(key.text), suggestion));
  }
}

const Node* Mapping::Child(std::string_view key) {
  if (std::find(understood_.begin(), understood_.end(), key) == understood_.end()) {
    understood_.emplace_back(key);
  }
  return node_.Find(key);
}

bool Mapping::IsMissing(std::string_view key) {
  const Node* node = Child(key);
  const bool empty = node != nullptr && node->kind == Node::Kind::kScalar && node->text.empty();
  if (node != nullptr && node->kind != Node::Kind::kNull && !empty) return false;
  // Of what is no mapping nothing more is asked.
  if (IsReadable()) {
    const Place& at = node == nullptr ? place() : node->place;
    Complain(at, fmt::format("{} is {}", Quote(key), node == nullptr ? "missing" : "empty"));
  }
  return true;
}

Secret Mapping::GetSecret(std::string_view key) {
  const std::string file_key = std::string(key) + "_file";
  const std::optional<std::string> text = Find<std::string>(key);
  const std::optional<std::string> path = Find<std::string>(file_key);
  if (text && path) {
    Complain(Child(file_key)->place,
             fmt::format("at most one of {} & {} must be configured", key, file_key));
  }
  if (text) return Secret::FromText(*text);
  if (!path) return {};
  if (path->empty()) Complain(Child(file_key)->place, fmt::format("{} is empty", Quote(file_key)));
  return Secret::FromFile(*path);
}

void Mapping::ForEach(std::string_view key, const std::function<void(const Node&)>& visit) {
  const Node* node = Child(key);
  if (node == nullptr || node->kind == Node::Kind::kNull) return;
  if (node->kind != Node::Kind::kSequence) {
    Complain(node->place, fmt::format("{} must be a list, not {}", key, KindName(*node)));
    return;
  }
  for (const Node& item : node->items) visit(item);
}

void Mapping::ForEachEntry(std::string_view key,
                           const std::function<void(const Node& key, const Node& value)>& visit) {
  const Node* node = Child(key);
  if (node == nullptr || node->kind == Node::Kind::kNull) return;
  if (node->kind != Node::Kind::kMapping) {
    Complain(node->place, fmt::format("{} must be a mapping, not {}", key, KindName(*node)));
    return;
  }
  for (const auto& [name, value] : node->entries) visit(name, value);
}

std::map<std::string, std::string> Mapping::StringMap(std::string_view key) {
  std::map<std::string, std::string> out;
  ForEachEntry(key, [&](const Node& name, const Node& value) {
    if (value.kind == Node::Kind::kNull || value.kind == Node::Kind::kScalar) {
      out.emplace(name.text, value.text);
    } else {
      Complain(value.place,
               fmt::format("{}.{} must be a word, not {}", key, name.text, KindName(value)));
    }
  });
  return out;
}

void Mapping::Complain(const Place& place, const std::string& text) {
  complaints_.Add(place, what_.empty() ? text : what_ + ": " + text);
}

void Mapping::ComplainChoice(const Node& node, std::string_view key,
                             const std::vector<std::string>& known) {
  std::string words;
  for (std::size_t i = 0; i < known.size(); ++i) {
    if (i > 0) words += i + 1 == known.size() ? " or " : ", ";
    words += known[i];
  }
  const std::string reason = Wrong(node, words).value().message;
  const bool word = node.kind == Node::Kind::kScalar;
  Complain(node.place,
           fmt::format("{} {}{}", key, reason, word ? Suggestion(node.text, known) : ""));
}

}  // namespace fettle::yaml
