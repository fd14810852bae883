#include "receivers/notifiers/payload.h"

#include <fmt/format.h>

#include <charconv>
#include <cstdint>
#include <map>
#include <optional>
#include <string_view>
#include <variant>

#include "common/json.h"

namespace fettle::receivers {
namespace {

using yaml::Node;

struct Null {};
// What YAML 1.1 makes of a plain word, as Go's yaml.v2 reads it; nullopt: a text.
using Word = std::variant<Null, bool, std::int64_t, std::uint64_t, double>;

std::optional<Word> ReadNumber(std::string_view text) {
  std::string digits;
  for (const char c : text) {
    if (c != '_') digits += c;
  }
  const bool negative = digits.starts_with('-');
  std::string_view rest(digits);
  if (negative || rest.starts_with('+')) rest.remove_prefix(1);
  if (rest.empty() || (rest[0] != '.' && (rest[0] < '0' || rest[0] > '9'))) return std::nullopt;
  int base = 10;
  if (rest.starts_with("0x")) base = 16;
  if (rest.starts_with("0b")) base = 2;
  const bool octal = rest.size() > 1 && rest[0] == '0' && rest[1] >= '0' && rest[1] <= '7';
  std::string_view body = base == 10 ? rest : rest.substr(2);
  std::int64_t integer = 0;
  const char* const end = body.data() + body.size();
  const auto [stop, error] = std::from_chars(body.data(), end, integer, octal ? 8 : base);
  if (error == std::errc() && stop == end) return negative ? -integer : integer;
  std::uint64_t large = 0;
  const auto [large_stop, large_error] = std::from_chars(body.data(), end, large, octal ? 8 : base);
  if (!negative && large_error == std::errc() && large_stop == end) return large;
  double number = 0;
  const auto [float_stop, float_error] =
      std::from_chars(rest.data(), rest.data() + rest.size(), number);
  if (base == 10 && float_error == std::errc() && float_stop == rest.data() + rest.size()) {
    return negative ? -number : number;
  }
  return std::nullopt;
}

std::optional<Word> ReadWord(std::string_view text) {
  static const std::map<std::string_view, Word> kWords = {
      {"", Null{}},   {"~", Null{}},    {"null", Null{}}, {"Null", Null{}}, {"NULL", Null{}},
      {"true", true}, {"True", true},   {"TRUE", true},   {"yes", true},    {"Yes", true},
      {"YES", true},  {"on", true},     {"On", true},     {"ON", true},     {"y", true},
      {"Y", true},    {"false", false}, {"False", false}, {"FALSE", false}, {"no", false},
      {"No", false},  {"NO", false},    {"off", false},   {"Off", false},   {"OFF", false},
      {"n", false},   {"N", false}};
  if (const auto found = kWords.find(text); found != kWords.end()) return found->second;
  return ReadNumber(text);
}

void WriteWord(JsonWriter& writer, const Word& word) {
  struct Visitor {
    JsonWriter& writer;
    void operator()(Null) { writer.Null(); }
    void operator()(bool b) { writer.Bool(b); }
    void operator()(std::int64_t i) { writer.Integer(i); }
    void operator()(std::uint64_t u) { writer.Raw(fmt::format("{}", u)); }
    void operator()(double d) { writer.Number(d); }
  };
  std::visit(Visitor{writer}, word);
}

// Texts inside of texts are read as YAML no deeper than this.
constexpr int kTextsMax = 8;

class Payload {
 public:
  // Without templates, what is written has been rendered already.
  Payload(const Templates* templates, const gotemplate::Value* data, Time now, int depth)
      : templates_(templates), data_(data), now_(now), depth_(depth) {}

  Status Write(const Node& node) {
    switch (node.kind) {
      case Node::Kind::kNull:
        writer_.Null();
        return {};
      case Node::Kind::kMapping:
        return WriteMapping(node);
      case Node::Kind::kSequence:
        writer_.BeginArray();
        for (const Node& item : node.items) {
          if (Status written = Write(item); !written) return written;
        }
        writer_.EndArray();
        return {};
      case Node::Kind::kScalar:
        return WriteScalar(node);
    }
    return {};
  }
  std::string Take() { return writer_.Take(); }

 private:
  Result<std::string> Render(const std::string& text) const {
    if (templates_ == nullptr) return text;  // rendered already
    return Text(*templates_, "payload", text).Render(*data_, now_);
  }

  Status WriteMapping(const Node& node) {
    std::map<std::string, const Node*> sorted;
    for (const auto& [key, value] : node.entries) {
      if (key.kind != Node::Kind::kScalar || (!key.quoted && ReadWord(key.text))) continue;
      Result<std::string> name = Render(key.text);
      if (!name) return tl::unexpected<Error>(name.error());
      sorted.insert_or_assign(*std::move(name), &value);
    }
    writer_.BeginObject();
    for (const auto& [name, value] : sorted) {
      writer_.Key(name);
      if (Status written = Write(*value); !written) return written;
    }
    writer_.EndObject();
    return {};
  }

  Status WriteScalar(const Node& node) {
    if (!node.quoted) {
      if (const std::optional<Word> word = ReadWord(node.text)) {
        WriteWord(writer_, *word);
        return {};
      }
    }
    const Result<std::string> text = Render(node.text);
    if (!text) return tl::unexpected<Error>(text.error());
    return WriteRendered(*text);
  }

  Status WriteRendered(const std::string& text) {
    yaml::Complaints complaints;
    yaml::LoadOptions options;
    options.expand_environment = false;
    const std::optional<Node> inner = yaml::Load(text, "payload", complaints, options);
    const bool is_text =
        depth_ == kTextsMax || !inner || !complaints.empty() ||
        (inner->kind == Node::Kind::kScalar && (inner->quoted || !ReadWord(inner->text)));
    if (is_text) {
      writer_.String(text);
      return {};
    }
    Payload plain(nullptr, nullptr, now_, depth_ + 1);
    if (Status written = plain.Write(*inner); !written) return written;
    writer_.Raw(plain.Take());
    return {};
  }

  const Templates* templates_;
  const gotemplate::Value* data_;
  const Time now_;
  const int depth_;
  JsonWriter writer_{JsonWriter::Options{.escape_html = true}};
};

}  // namespace

Result<std::string> RenderPayload(const Node& payload, const Templates& templates,
                                  const gotemplate::Value& data, Time now) {
  Payload writer(&templates, &data, now, 0);
  if (Status written = writer.Write(payload); !written) {
    return tl::unexpected<Error>(written.error());
  }
  return writer.Take();
}

}  // namespace fettle::receivers
