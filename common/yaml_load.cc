#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <system_error>
#include <unordered_map>

#include "common/labels.h"
#include "common/yaml.h"

namespace fettle::yaml {
namespace {

// Ends a document that cannot be read on; never leaves this file.
struct Stop {
  Place place;
  std::string reason;
};

bool IsNameStart(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsContinuation(char c) { return (static_cast<unsigned char>(c) & 0xc0) == 0x80; }

bool IsVariableName(std::string_view name) {
  return !name.empty() && IsNameStart(name[0]) &&
         std::all_of(name.begin(), name.end(), [](char c) { return IsNameStart(c) || IsDigit(c); });
}

// yaml-cpp counts bytes; people count characters.
class Places {
 public:
  Places(std::string_view text, const std::string& file) : text_(text), file_(file) {
    ascii_ = std::none_of(text.begin(), text.end(), [](char c) { return (c & 0x80) != 0; });
    if (ascii_) return;
    lines_.push_back(0);
    for (std::size_t at = 0; at < text.size(); ++at) {
      if (text[at] == '\n') lines_.push_back(at + 1);
    }
  }

  Place At(const YAML::Mark& mark) const {
    if (mark.is_null()) return {file_, 0, 0};
    return {file_, mark.line + 1, Column(mark) + 1};
  }
  Place AtOffset(std::size_t offset) const {
    const std::string_view before = text_.substr(0, offset);
    const std::size_t line_start = before.rfind('\n') + 1;  // npos + 1 is 0
    const auto characters = std::count_if(before.begin() + static_cast<std::ptrdiff_t>(line_start),
                                          before.end(), [](char c) { return !IsContinuation(c); });
    return {file_, static_cast<int>(std::count(before.begin(), before.end(), '\n')) + 1,
            static_cast<int>(characters) + 1};
  }

 private:
  // Counts on from the last answer, in either direction: a file may be one long line.
  int Column(const YAML::Mark& mark) const {
    const auto line = static_cast<std::size_t>(mark.line);
    if (ascii_ || line >= lines_.size()) return mark.column;
    if (line != last_line_) {
      last_line_ = line;
      last_byte_ = lines_[line];
      last_column_ = 0;
    }
    const std::size_t byte =
        std::min(lines_[line] + static_cast<std::size_t>(mark.column), text_.size());
    const std::string_view between = text_.substr(
        std::min(byte, last_byte_), std::max(byte, last_byte_) - std::min(byte, last_byte_));
    const auto characters = static_cast<int>(
        std::count_if(between.begin(), between.end(), [](char c) { return !IsContinuation(c); }));
    last_column_ += byte < last_byte_ ? -characters : characters;
    last_byte_ = byte;
    return last_column_;
  }

  const std::string_view text_;
  const std::string& file_;
  bool ascii_ = true;
  std::vector<std::size_t> lines_;  // where each begins; only if not ascii_
  mutable std::size_t last_line_ = 0;
  mutable std::size_t last_byte_ = 0;
  mutable int last_column_ = 0;
};

// Turns yaml-cpp's events into Nodes. Depth, nodes and bytes of text are bounded where they grow:
// an alias is a copy, and a file of a kilobyte may ask for billions of them.
class Builder final : public YAML::EventHandler {
 public:
  // All three must outlive it.
  Builder(const Places& places, Complaints& complaints, const LoadOptions& options)
      : places_(places), complaints_(complaints), options_(options) {}

  Node TakeRoot() { return std::move(root_); }

  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    Node node;
    node.place = places_.At(mark);
    AddLeaf(std::move(node), anchor);
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    Node node;
    node.kind = Node::Kind::kScalar;
    node.place = places_.At(mark);
    node.text = value;
    const bool is_key = !open_.empty() && open_.back().WantsKey();
    if (!is_key && options_.expand_environment) Expand(node);
    if (tag == "!" || tag == "tag:yaml.org,2002:str") {
      node.quoted = true;
    } else if (tag == "tag:yaml.org,2002:null") {
      node.kind = Node::Kind::kNull;
    } else if (tag != "?" && tag != "tag:yaml.org,2002:int" && tag != "tag:yaml.org,2002:bool" &&
               tag != "tag:yaml.org,2002:float") {
      complaints_.Add(node.place, fmt::format("the tag {} is not supported", Quote(tag)));
    }
    AddLeaf(std::move(node), anchor);
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const Place place = places_.At(mark);
    const auto found = anchors_.find(anchor);
    if (found == anchors_.end()) {
      throw Stop{place, "an alias stands inside of what it names"};
    }
    const Anchored& original = found->second;
    Deepen(static_cast<int>(open_.size()) + original.depth, place);
    Count(original.nodes, original.bytes, place);
    Node copy = original.node;
    // The place of use is where the reader of a complaint looks first.
    copy.place = place;
    if (!open_.empty()) open_.back().depth = std::max(open_.back().depth, original.depth + 1);
    Add(std::move(copy));
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    Open(Node::Kind::kSequence, mark, tag, anchor);
  }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    Open(Node::Kind::kMapping, mark, tag, anchor);
  }
  void OnSequenceEnd() override { Close(); }
  void OnMapEnd() override { Close(); }

 private:
  // A sequence or mapping whose end has not come yet.
  struct Frame {
    Node node;
    YAML::anchor_t anchor = 0;
    std::size_t nodes_before = 0;
    std::size_t bytes_before = 0;
    int depth = 1;                              // of the tree below, itself included
    std::optional<Node> key;                    // waits for its value
    std::unordered_map<std::string, int> keys;  // and the lines they stand on
    std::vector<Node> merged;                   // values of <<

    bool WantsKey() const { return node.kind == Node::Kind::kMapping && !key; }
  };
  struct Anchored {
    Node node;
    std::size_t nodes = 0;
    std::size_t bytes = 0;
    int depth = 0;
  };

  void Deepen(int depth, const Place& place) {
    if (depth > kDepthMax) {
      throw Stop{place, fmt::format("nested deeper than {} levels", kDepthMax)};
    }
  }
  void Count(std::size_t nodes, std::size_t bytes, const Place& place) {
    nodes_ += nodes;
    bytes_ += bytes;
    if (nodes_ > kNodesMax) {
      throw Stop{place, fmt::format("more than {} values, aliases counted", kNodesMax)};
    }
    if (bytes_ > kTextBytesMax) {
      throw Stop{place, fmt::format("more than {} bytes of text, aliases counted", kTextBytesMax)};
    }
  }

  void Open(Node::Kind kind, const YAML::Mark& mark, const std::string& tag,
            YAML::anchor_t anchor) {
    const Place place = places_.At(mark);
    Deepen(static_cast<int>(open_.size()) + 1, place);
    Frame frame;
    frame.nodes_before = nodes_;
    frame.bytes_before = bytes_;
    Count(1, 0, place);
    frame.node.kind = kind;
    frame.node.place = place;
    frame.anchor = anchor;
    const std::string_view plain =
        kind == Node::Kind::kMapping ? "tag:yaml.org,2002:map" : "tag:yaml.org,2002:seq";
    if (tag != "?" && tag != "!" && !tag.empty() && tag != plain) {
      complaints_.Add(frame.node.place, fmt::format("the tag {} is not supported", Quote(tag)));
    }
    open_.push_back(std::move(frame));
  }

  void Close() {
    Frame frame = std::move(open_.back());
    open_.pop_back();
    for (Node& value : frame.merged) Merge(std::move(value), frame);
    const std::size_t nodes = nodes_ - frame.nodes_before;
    const std::size_t bytes = bytes_ - frame.bytes_before;
    if (frame.anchor != YAML::NullAnchor) {
      Count(nodes, bytes, frame.node.place);
      anchors_[frame.anchor] = {frame.node, nodes, bytes, frame.depth};
    }
    if (!open_.empty()) open_.back().depth = std::max(open_.back().depth, frame.depth + 1);
    Add(std::move(frame.node));
  }

  void AddLeaf(Node node, YAML::anchor_t anchor) {
    const std::size_t bytes = node.text.size();
    Count(1, bytes, node.place);
    if (anchor != YAML::NullAnchor) {
      Count(1, bytes, node.place);
      anchors_[anchor] = {node, 1, bytes, 0};
    }
    Add(std::move(node));
  }

  void Add(Node node) {
    if (open_.empty()) {
      root_ = std::move(node);
      return;
    }
    Frame& frame = open_.back();
    if (frame.node.kind == Node::Kind::kSequence) {
      frame.node.items.push_back(std::move(node));
    } else if (!frame.key) {
      frame.key = std::move(node);
    } else {
      AddEntry(std::move(*frame.key), std::move(node), frame);
      frame.key.reset();
    }
  }

  void AddEntry(Node key, Node value, Frame& frame) {
    if (key.kind != Node::Kind::kScalar) {
      complaints_.Add(key.place, "a key must be a word");
      return;
    }
    // Where nothing stands, yaml-cpp names what comes next.
    if (value.kind == Node::Kind::kNull) value.place = key.place;
    const auto [found, is_new] = frame.keys.emplace(key.text, key.place.line);
    if (!is_new) {
      complaints_.Add(key.place, fmt::format("{} is given twice, first on line {}", Quote(key.text),
                                             found->second));
    } else if (key.text == "<<" && !key.quoted) {
      frame.merged.push_back(std::move(value));
    } else {
      frame.node.entries.push_back({std::move(key), std::move(value)});
    }
  }

  // YAML 1.1's merge key: what the mapping says itself wins, then the first of several.
  void Merge(Node value, Frame& frame) {
    if (value.kind == Node::Kind::kSequence) {
      for (Node& item : value.items) MergeOne(std::move(item), frame);
    } else {
      MergeOne(std::move(value), frame);
    }
  }
  void MergeOne(Node value, Frame& frame) {
    if (value.kind != Node::Kind::kMapping) {
      complaints_.Add(value.place, "\"<<\" takes a mapping or a list of mappings");
      return;
    }
    for (auto& [key, below] : value.entries) {
      if (!frame.keys.emplace(key.text, key.place.line).second) continue;
      frame.node.entries.push_back({std::move(key), std::move(below)});
    }
  }

  std::optional<std::string> Variable(const std::string& name) const {
    if (options_.getenv) return options_.getenv(name);
    const char* value = std::getenv(name.c_str());
    if (value == nullptr) return std::nullopt;
    return value;
  }

  // Replaces ${NAME}. ${1} stays as it is: relabelling speaks that way.
  void Expand(Node& node) {
    std::size_t at = node.text.find("${");
    if (at == std::string::npos) return;
    const std::string source = std::move(node.text);
    std::string out;
    std::size_t done = 0;
    for (; at != std::string::npos; at = source.find("${", at)) {
      const bool escaped = at > done && source[at - 1] == '$';
      out.append(source, done, at - done - (escaped ? 1 : 0));
      const std::size_t end = escaped ? std::string::npos : source.find('}', at);
      const std::string name = end == std::string::npos ? "" : source.substr(at + 2, end - at - 2);
      if (escaped) {
        out += "${";
        done = at += 2;
        continue;
      }
      out += Replacement(std::string_view(source).substr(at), name, node.place);
      Count(0, out.size() > kTextBytesMax ? out.size() : 0, node.place);
      done = at = end == std::string::npos ? source.size() : end + 1;
    }
    out.append(source, done);
    node.text = std::move(out);
    node.source = source;
  }

  std::string Replacement(std::string_view rest, const std::string& name, const Place& place) {
    if (!name.empty() && std::all_of(name.begin(), name.end(), IsDigit)) return "${" + name + "}";
    if (!IsVariableName(name)) {
      complaints_.Add(place, fmt::format("{} names no environment variable; a literal ${{ is "
                                         "written $${{",
                                         Shown(rest)));
      return "";
    }
    const std::optional<std::string> value = Variable(name);
    if (!value) {
      complaints_.Add(place, fmt::format("the environment variable {} is not set", name));
      return "";
    }
    if (!IsUtf8(*value)) {
      complaints_.Add(place, fmt::format("the environment variable {} is no UTF-8", name));
      return "";
    }
    return *value;
  }

  const Places& places_;
  Complaints& complaints_;
  const LoadOptions& options_;
  Node root_;
  std::vector<Frame> open_;
  std::unordered_map<YAML::anchor_t, Anchored> anchors_;
  std::size_t nodes_ = 0;
  std::size_t bytes_ = 0;
};

// The offset of the first byte that YAML does not allow, or npos. yaml-cpp takes them silently, and
// \x04 for the end of the text.
std::size_t FirstUnprintable(std::string_view text) {
  for (std::size_t at = 0; at < text.size(); ++at) {
    const auto c = static_cast<unsigned char>(text[at]);
    if ((c < 0x20 && c != '\t' && c != '\n' && c != '\r') || c == 0x7f) return at;
  }
  return std::string_view::npos;
}

std::size_t FirstInvalidUtf8(std::string_view text) {
  if (IsUtf8(text)) return std::string_view::npos;
  // Line by line, then character by character.
  std::size_t line = 0;
  while (line < text.size()) {
    const std::size_t end = std::min(text.find('\n', line), text.size());
    if (!IsUtf8(text.substr(line, end - line))) break;
    line = end + 1;
  }
  for (std::size_t at = line; at < text.size();) {
    std::size_t length = 1;
    while (length <= 4 && !IsUtf8(text.substr(at, length))) ++length;
    if (length > 4) return at;
    at += length;
  }
  return line;
}

void Parse(std::string_view text, const Places& places, Builder& builder) {
  std::istringstream stream{std::string(text)};
  YAML::Parser parser(stream);
  parser.HandleNextDocument(builder);
  // Another document would be ignored silently by most readers.
  Complaints ignored;
  LoadOptions verbatim;
  verbatim.expand_environment = false;
  Builder second(places, ignored, verbatim);
  if (parser.HandleNextDocument(second)) {
    throw Stop{second.TakeRoot().place, "a second document begins; one file holds one"};
  }
}

// What the parser says of a tab helps nobody.
std::string AboutTabs(std::string_view text, int line) {
  for (int i = 0; i < line && !text.empty(); ++i) {
    text.remove_prefix(std::min(text.size(), text.find('\n') + 1));
  }
  const std::string_view indent = text.substr(0, text.find_first_not_of(" \t"));
  return indent.find('\t') == std::string_view::npos ? ""
                                                     : ": the line begins with a tab, write blanks";
}

}  // namespace

std::optional<Node> Load(std::string_view text, const std::string& file, Complaints& complaints,
                         const LoadOptions& options) {
  if (text.size() > kFileBytesMax) {
    complaints.Add({file, 0, 0}, fmt::format("longer than {} bytes", kFileBytesMax));
    return std::nullopt;
  }
  if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
  const Places places(text, file);
  if (const std::size_t at = FirstInvalidUtf8(text); at != std::string_view::npos) {
    complaints.Add(places.AtOffset(at), "not valid UTF-8");
    return std::nullopt;
  }
  if (const std::size_t at = FirstUnprintable(text); at != std::string_view::npos) {
    complaints.Add(places.AtOffset(at), fmt::format("the control character {} is not allowed",
                                                    Quote(text.substr(at, 1))));
    return std::nullopt;
  }
  Builder builder(places, complaints, options);
  try {
    Parse(text, places, builder);
  } catch (const Stop& stop) {
    complaints.Add(stop.place, stop.reason);
    return std::nullopt;
  } catch (const YAML::Exception& error) {
    const bool clear = error.msg.find("tab") != std::string::npos;
    complaints.Add(places.At(error.mark),
                   clear ? error.msg : error.msg + AboutTabs(text, error.mark.line));
    return std::nullopt;
  }
  Node root = builder.TakeRoot();
  if (root.place.line == 0) root.place = {file, 1, 1};  // an empty document
  return root;
}

std::optional<Node> LoadFile(const std::string& path, Complaints& complaints,
                             const LoadOptions& options) {
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  std::string text;
  if (file) {
    text.resize(kFileBytesMax + 1);
    file.read(text.data(), static_cast<std::streamsize>(text.size()));
    text.resize(static_cast<std::size_t>(file.gcount()));
  }
  if (!file.is_open() || file.bad()) {
    const int error = errno != 0 ? errno : EIO;
    complaints.Add({path, 0, 0}, "open: " + std::generic_category().message(error));
    return std::nullopt;
  }
  return Load(text, path, complaints, options);
}

}  // namespace fettle::yaml
