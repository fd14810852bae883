// From tokens to trees. Follows Go's text/template/parse in what it accepts and how it complains.
//
// The first complaint is kept and from then on every token reads as the end of the text, so that
// the functions below need not ask after each step.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <utility>

#include "common/gotemplate_ast.h"
#include "common/gotemplate_lex.h"

namespace fettle::gotemplate {
namespace {

using Kind = Token::Kind;

// The value of a number or character as Go reads an untyped constant; nullopt if it is none.
std::optional<Value> ReadNumber(const std::string& source) {
  if (source.front() == '\'') {
    const std::optional<std::string> text = Unquote(source);
    if (!text) return std::nullopt;
    const DecodedRune rune = DecodeRune(*text);
    if (rune.length != text->size()) return std::nullopt;
    return Value(static_cast<std::int64_t>(rune.rune));
  }
  std::string digits = source;
  if (digits.back() == '_' || digits.find("__") != std::string::npos) return std::nullopt;
  std::erase(digits, '_');
  const bool negative = digits.front() == '-';
  if (negative || digits.front() == '+') digits.erase(0, 1);
  int base = 10;
  if (digits.size() > 1 && digits[0] == '0') {
    const char c = digits[1];
    base = c == 'x' || c == 'X' ? 16 : c == 'b' || c == 'B' ? 2 : c == 'o' || c == 'O' ? 8 : 10;
    if (base != 10) digits.erase(0, 2);
    if (base == 10 && digits.find_first_not_of("01234567") == std::string::npos) base = 8;
  }
  const char* const end = digits.data() + digits.size();
  std::uint64_t whole = 0;
  const auto read = std::from_chars(digits.data(), end, whole, base);
  if (read.ec == std::errc() && read.ptr == end) {
    const std::uint64_t most = (std::uint64_t{1} << 63) - (negative ? 0 : 1);
    if (whole > most) return std::nullopt;
    return Value(static_cast<std::int64_t>(negative ? 0 - whole : whole));
  }
  if (base != 10 && base != 16) return std::nullopt;
  double real = 0;
  const auto format = base == 16 ? std::chars_format::hex : std::chars_format::general;
  const auto read_real = std::from_chars(digits.data(), end, real, format);
  if (read_real.ec != std::errc() || read_real.ptr != end) return std::nullopt;
  return Value(negative ? -real : real);
}

bool OnlySpace(const std::vector<Node>& body) {
  return std::all_of(body.begin(), body.end(), [](const Node& node) {
    return node.kind == Node::Kind::kText &&
           node.text.find_first_not_of(" \t\r\n") == std::string::npos;
  });
}

class Parser {
 public:
  Parser(Trees& trees, const std::string& name, std::string_view text,
         const std::function<bool(std::string_view)>& is_function)
      : trees_(trees), parse_name_(name), is_function_(is_function), tokens_(Lex(text)) {}

  Status Run() {
    std::vector<Node> body;
    while (!failed() && PeekAny().kind != Kind::kEof) {
      const std::size_t before = at_;
      if (PeekAny().kind == Kind::kLeftDelim) {
        Next();
        if (NextWord().kind == Kind::kDefine) {
          Definition();
          continue;
        }
        at_ = before;
      }
      const Kind end = TextOrAction(body);
      if (end == Kind::kEnd || end == Kind::kElse) {
        Complain(fmt::format("unexpected {{{{{}}}}}", end == Kind::kEnd ? "end" : "else"));
      }
    }
    Add(parse_name_, std::move(body));
    if (failed()) return tl::unexpected(*error_);
    return {};
  }

 private:
  bool failed() const { return error_.has_value(); }
  void Complain(std::string_view text) {
    if (failed()) return;
    error_ = Error{fmt::format("template: {}:{}: {}", parse_name_, tokens_[seen_].place.line, text),
                   Cause::kInvalid};
  }
  void Unexpected(const Token& token, std::string_view context) {
    if (token.kind != Kind::kError) {
      return Complain(fmt::format("unexpected {} in {}", token.ToString(), context));
    }
    std::string extra;
    if (action_line_ != 0 && action_line_ != token.place.line) {
      extra = fmt::format(" in action started at {}:{}", parse_name_, action_line_);
      if (token.text.ends_with(" action"))
        extra = extra.substr(std::string_view(" in action").size());
    }
    Complain(token.text + extra);
  }

  const Token& PeekAny() {
    static const Token kEnd;
    if (failed()) return kEnd;
    const std::size_t at = std::min(at_, tokens_.size() - 1);
    seen_ = std::max(seen_, at);
    return tokens_[at];
  }
  const Token& Next() {
    const Token& token = PeekAny();
    ++at_;
    return token;
  }
  const Token& PeekWord() {
    while (PeekAny().kind == Kind::kSpace) ++at_;
    return PeekAny();
  }
  const Token& NextWord() {
    const Token& token = PeekWord();
    ++at_;
    return token;
  }
  void Expect(Kind kind, std::string_view context) {
    const Token& token = NextWord();
    if (token.kind != kind) Unexpected(token, context);
  }

  void Add(const std::string& name, std::vector<Node> body) {
    if (failed()) return;
    auto& tree = trees_[name];
    if (tree != nullptr && OnlySpace(body)) return;
    if (tree != nullptr && !OnlySpace(tree->body)) {
      return Complain(fmt::format("template: multiple definition of template {}", Quote(name)));
    }
    tree = std::make_shared<const Tree>(Tree{name, parse_name_, std::move(body)});
  }

  std::string TemplateName(std::string_view context) {
    const Token& token = NextWord();
    if (token.kind != Kind::kString && token.kind != Kind::kRawString) {
      Unexpected(token, context);
      return {};
    }
    std::optional<std::string> name = Unquote(token.text);
    if (!name) Complain("invalid syntax");
    return name.value_or("");
  }

  void Definition() {
    const std::string name = TemplateName("define clause");
    Expect(Kind::kRightDelim, "define clause");
    const std::vector<std::string> outside = std::exchange(variables_, {"$"});
    std::vector<Node> body;
    if (Items(body) == Kind::kElse) Complain("unexpected {{else}} in define clause");
    variables_ = outside;
    Add(name, std::move(body));
  }

  // Reads until {{end}} or {{else}} and says which.
  Kind Items(std::vector<Node>& body) {
    if (++depth_ > kDepthMax) Complain(fmt::format("nested deeper than {}", kDepthMax));
    Kind end = Kind::kText;
    while (!failed() && end != Kind::kEnd && end != Kind::kElse) {
      if (PeekWord().kind == Kind::kEof) {
        Complain("unexpected EOF");
      } else {
        end = TextOrAction(body);
      }
    }
    --depth_;
    return end;
  }

  // kEnd or kElse if that was the action, else something else.
  Kind TextOrAction(std::vector<Node>& body) {
    const Token& token = NextWord();
    if (token.kind == Kind::kText) {
      Node node;
      node.place = token.place;
      node.text = token.text;
      body.push_back(std::move(node));
      return Kind::kText;
    }
    if (token.kind != Kind::kLeftDelim) {
      Unexpected(token, "input");
      return Kind::kText;
    }
    action_line_ = token.place.line;
    const Kind kind = Action(body);
    action_line_ = 0;
    return kind;
  }

  Kind Action(std::vector<Node>& body) {
    const Token& token = PeekWord();
    switch (token.kind) {
      case Kind::kEnd:
        ++at_;
        Expect(Kind::kRightDelim, "end");
        return Kind::kEnd;
      case Kind::kElse:
        return Else();
      case Kind::kIf:
        ++at_;
        Control(body, Node::Kind::kIf, "if");
        break;
      case Kind::kRange:
        ++at_;
        Control(body, Node::Kind::kRange, "range");
        break;
      case Kind::kWith:
        ++at_;
        Control(body, Node::Kind::kWith, "with");
        break;
      case Kind::kTemplate:
        ++at_;
        Invocation(body);
        break;
      case Kind::kBlock:
        ++at_;
        Block(body);
        break;
      case Kind::kBreak:
        Leave(body, Node::Kind::kBreak, "break");
        break;
      case Kind::kContinue:
        Leave(body, Node::Kind::kContinue, "continue");
        break;
      default: {
        Node node;
        node.kind = Node::Kind::kAction;
        node.place = token.place;
        node.pipe = Pipeline("command", Kind::kRightDelim);
        body.push_back(std::move(node));
      }
    }
    return Kind::kText;
  }

  Kind Else() {
    ++at_;
    const Kind next = PeekWord().kind;
    // {{else if}} and {{else with}} leave their keyword for Control().
    if (next != Kind::kIf && next != Kind::kWith) Expect(Kind::kRightDelim, "else");
    return Kind::kElse;
  }

  void Leave(std::vector<Node>& body, Node::Kind kind, std::string_view word) {
    Node node;
    node.kind = kind;
    node.place = Next().place;
    const Token& token = NextWord();
    if (token.kind != Kind::kRightDelim) return Unexpected(token, fmt::format("{{{{{}}}}}", word));
    if (range_depth_ == 0) Complain(fmt::format("{{{{{}}}}} outside {{{{range}}}}", word));
    body.push_back(std::move(node));
  }

  void Control(std::vector<Node>& body, Node::Kind kind, std::string_view context) {
    const std::size_t outside = variables_.size();
    Node node;
    node.kind = kind;
    node.pipe = Pipeline(context, Kind::kRightDelim);
    node.place = node.pipe->place;
    if (kind == Node::Kind::kRange) ++range_depth_;
    const Kind end = Items(node.body);
    if (kind == Node::Kind::kRange) --range_depth_;
    if (end == Kind::kElse) {
      const Kind next = PeekAny().kind;
      if ((next == Kind::kIf && kind == Node::Kind::kIf) ||
          (next == Kind::kWith && kind == Node::Kind::kWith)) {
        // {{if a}}_{{else if b}}_{{end}} is {{if a}}_{{else}}{{if b}}_{{end}}{{end}}: one end.
        ++at_;
        if (++depth_ > kDepthMax) Complain(fmt::format("nested deeper than {}", kDepthMax));
        Control(node.otherwise, kind, context);
        --depth_;
      } else if (next == Kind::kIf || next == Kind::kWith) {
        Unexpected(PeekAny(), "else");
      } else if (Items(node.otherwise) == Kind::kElse) {
        Complain("expected end; found {{else}}");
      }
    }
    variables_.resize(outside);
    body.push_back(std::move(node));
  }

  void Invocation(std::vector<Node>& body) {
    Node node;
    node.kind = Node::Kind::kTemplate;
    node.place = PeekWord().place;
    node.text = TemplateName("template clause");
    if (PeekWord().kind == Kind::kRightDelim) {
      ++at_;
    } else {
      node.pipe = Pipeline("template clause", Kind::kRightDelim);
    }
    body.push_back(std::move(node));
  }

  void Block(std::vector<Node>& body) {
    Node node;
    node.kind = Node::Kind::kTemplate;
    node.place = PeekWord().place;
    node.text = TemplateName("block clause");
    node.pipe = Pipeline("block clause", Kind::kRightDelim);
    const std::vector<std::string> outside = std::exchange(variables_, {"$"});
    const int ranges = std::exchange(range_depth_, 0);
    std::vector<Node> inside;
    if (Items(inside) == Kind::kElse) Complain("unexpected {{else}} in block clause");
    range_depth_ = ranges;
    variables_ = outside;
    Add(node.text, std::move(inside));
    body.push_back(std::move(node));
  }

  // declarations? command ('|' command)* end. Never null.
  std::shared_ptr<const Pipe> Pipeline(std::string_view context, Kind end) {
    auto pipe = std::make_shared<Pipe>();
    if (++depth_ > kDepthMax) Complain(fmt::format("nested deeper than {}", kDepthMax));
    pipe->place = PeekWord().place;
    Declarations(*pipe, context);
    while (!failed()) {
      const Token& token = PeekWord();
      if (token.kind == end) {
        ++at_;
        CheckPipeline(*pipe, context);
        break;
      }
      if (!StartsOperand(token.kind)) {
        ++at_;
        Unexpected(token, context);
        break;
      }
      pipe->commands.push_back(ReadCommand());
    }
    --depth_;
    return pipe;
  }

  void Declarations(Pipe& pipe, std::string_view context) {
    while (PeekWord().kind == Kind::kVariable) {
      const std::size_t before = at_;
      const std::string name = Next().text;
      const Token& next = PeekWord();
      if (next.kind == Kind::kAssign || next.kind == Kind::kDeclare) {
        pipe.assigns = next.kind == Kind::kAssign;
        ++at_;
        Declare(pipe, name);
        return;
      }
      if (next.kind != Kind::kPunctuation || next.text != ",") {
        at_ = before;
        return;
      }
      ++at_;
      Declare(pipe, name);
      if (context != "range" || pipe.declared.size() >= 2) {
        return Complain(fmt::format("too many declarations in {}", context));
      }
      const Kind after = PeekWord().kind;
      if (after != Kind::kVariable && after != Kind::kRightDelim && after != Kind::kRightParen) {
        return Complain("range can only initialize variables");
      }
    }
  }
  void Declare(Pipe& pipe, const std::string& name) {
    pipe.declared.push_back(name);
    variables_.push_back(name);
  }

  void CheckPipeline(const Pipe& pipe, std::string_view context) {
    if (pipe.commands.empty()) return Complain(fmt::format("missing value for {}", context));
    for (std::size_t i = 1; i < pipe.commands.size(); ++i) {
      const Operand& first = pipe.commands[i].words[0];
      const bool runs = first.kind == Operand::Kind::kVariable ||
                        first.kind == Operand::Kind::kFunction ||
                        first.kind == Operand::Kind::kPipe || !first.fields.empty();
      if (!runs) Complain(fmt::format("non executable command in pipeline stage {}", i + 1));
    }
  }

  static bool StartsOperand(Kind kind) {
    switch (kind) {
      case Kind::kBool:
      case Kind::kChar:
      case Kind::kDot:
      case Kind::kField:
      case Kind::kIdentifier:
      case Kind::kNumber:
      case Kind::kNil:
      case Kind::kRawString:
      case Kind::kString:
      case Kind::kVariable:
      case Kind::kLeftParen:
        return true;
      default:
        return false;
    }
  }

  Command ReadCommand() {
    Command command;
    command.place = PeekWord().place;
    while (!failed()) {
      if (StartsOperand(PeekWord().kind)) command.words.push_back(ReadOperand());
      const Token& token = Next();
      if (token.kind == Kind::kSpace) continue;
      if (token.kind == Kind::kRightDelim || token.kind == Kind::kRightParen) {
        --at_;
      } else if (token.kind != Kind::kPipe) {
        Unexpected(token, "operand");
      }
      break;
    }
    if (command.words.empty()) Complain("empty command");
    return command;
  }

  Operand ReadOperand() {
    Operand operand = Term();
    if (PeekAny().kind != Kind::kField) return operand;
    const bool literal = operand.fields.empty() && (operand.kind == Operand::Kind::kConstant ||
                                                    operand.kind == Operand::Kind::kNil ||
                                                    operand.kind == Operand::Kind::kDot);
    if (literal) {
      Complain(fmt::format("unexpected . after term {}", Quote(operand.ToString())));
      return operand;
    }
    operand.place = PeekAny().place;  // Go points at the first field of a chain
    while (PeekAny().kind == Kind::kField) operand.fields.push_back(Next().text.substr(1));
    return operand;
  }

  Operand Term() {
    const Token& token = Next();
    Operand operand;
    operand.place = token.place;
    operand.source = token.text;
    switch (token.kind) {
      case Kind::kDot:
        break;
      case Kind::kField:
        operand.fields.push_back(token.text.substr(1));
        break;
      case Kind::kNil:
        operand.kind = Operand::Kind::kNil;
        break;
      case Kind::kVariable:
        operand.kind = Operand::Kind::kVariable;
        operand.name = token.text;
        if (std::find(variables_.begin(), variables_.end(), token.text) == variables_.end()) {
          Complain(fmt::format("undefined variable {}", Quote(token.text)));
        }
        break;
      case Kind::kIdentifier:
        operand.kind = Operand::Kind::kFunction;
        operand.name = token.text;
        if (!is_function_(token.text)) {
          Complain(fmt::format("function {} not defined", Quote(token.text)));
        }
        break;
      case Kind::kLeftParen:
        operand.kind = Operand::Kind::kPipe;
        operand.pipe = Pipeline("parenthesized pipeline", Kind::kRightParen);
        break;
      default:
        Constant(token, operand);
    }
    return operand;
  }

  void Constant(const Token& token, Operand& operand) {
    operand.kind = Operand::Kind::kConstant;
    if (token.kind == Kind::kBool) {
      operand.constant = token.text == "true";
    } else if (token.kind == Kind::kString || token.kind == Kind::kRawString) {
      const std::optional<std::string> text = Unquote(token.text);
      if (!text) return Complain("invalid syntax");
      operand.constant = *text;
    } else {
      const std::optional<Value> number = ReadNumber(token.text);
      if (!number && token.kind == Kind::kChar) {
        return Complain("malformed character constant: " + token.text);
      }
      if (!number) return Complain(fmt::format("illegal number syntax: {}", Quote(token.text)));
      operand.constant = *number;
    }
  }

  Trees& trees_;
  const std::string parse_name_;
  const std::function<bool(std::string_view)>& is_function_;
  const std::vector<Token> tokens_;
  std::size_t at_ = 0;
  std::size_t seen_ = 0;  // the furthest token looked at: complaints carry its line
  std::vector<std::string> variables_ = {"$"};
  int depth_ = 0;
  int range_depth_ = 0;
  int action_line_ = 0;
  std::optional<Error> error_;
};

}  // namespace

Status ParseInto(Trees& trees, const std::string& name, std::string_view text,
                 const std::function<bool(std::string_view)>& is_function) {
  if (text.size() > kTextBytesMax) {
    return Fail(Cause::kLimit, "template: {}: longer than {} bytes", name, kTextBytesMax);
  }
  Trees own;
  Status parsed = Parser(own, name, text, is_function).Run();
  if (!parsed) return parsed;
  for (auto& [defined, tree] : own) {
    auto& known = trees[defined];
    if (known == nullptr || !OnlySpace(tree->body)) known = std::move(tree);
  }
  return {};
}

std::string Operand::ToString() const {
  std::string out;
  switch (kind) {
    case Kind::kDot:
      if (fields.empty()) out = ".";
      break;
    case Kind::kNil:
      out = "nil";
      break;
    case Kind::kConstant:
      out = source;
      break;
    case Kind::kVariable:
    case Kind::kFunction:
      out = name;
      break;
    case Kind::kPipe:
      out = "(" + pipe->ToString() + ")";
      break;
  }
  for (const std::string& field : fields) out += "." + field;
  return out;
}

std::string Command::ToString() const {
  std::string out;
  for (const Operand& word : words) {
    if (!out.empty()) out += ' ';
    out += word.ToString();
  }
  return out;
}

std::string Pipe::ToString() const {
  std::string out;
  for (const std::string& name : declared) out += (out.empty() ? "" : ", ") + name;
  if (!declared.empty()) out += assigns ? " = " : " := ";
  for (std::size_t i = 0; i < commands.size(); ++i) {
    if (i > 0) out += " | ";
    out += commands[i].ToString();
  }
  return out;
}

std::string Node::ToString() const {
  const auto action = [this](std::string_view word) {
    return fmt::format("{{{{{}{}{}}}}}", word, word.empty() || pipe == nullptr ? "" : " ",
                       pipe == nullptr ? "" : pipe->ToString());
  };
  switch (kind) {
    case Kind::kText:
      return Quote(text);
    case Kind::kAction:
      return action("");
    case Kind::kIf:
      return action("if");
    case Kind::kRange:
      return action("range");
    case Kind::kWith:
      return action("with");
    case Kind::kTemplate:
      return action("template " + Quote(text));
    case Kind::kBreak:
      return action("break");
    case Kind::kContinue:
      return action("continue");
  }
  return {};
}

}  // namespace fettle::gotemplate
