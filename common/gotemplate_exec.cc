// Walks a template's tree. As in the parser, the first complaint is kept, and everything after it
// evaluates to nil without doing anything.
#include <fmt/format.h>

#include <optional>
#include <utility>

#include "common/gotemplate_ast.h"

namespace fettle::gotemplate {
namespace {

using Words = std::vector<Operand>;

class Executor {
 public:
  Executor(const Template::Impl& impl, const Functions& more, const Template::Escape& escape)
      : impl_(impl), more_(more), escape_(escape) {}

  Result<std::string> Run(const Value& data) {
    const auto root = impl_.trees.find(impl_.name);
    if (root == impl_.trees.end()) {
      return Fail(Cause::kInvalid, "template: {}: {} is an incomplete or empty template",
                  impl_.name, Quote(impl_.name));
    }
    tree_ = root->second.get();
    variables_ = {{"$", data}};
    Walk(data, tree_->body);
    if (failed()) return tl::unexpected(*error_);
    return std::move(out_);
  }

 private:
  // How a list of nodes was left.
  enum class Left { kAtItsEnd, kByBreak, kByContinue };
  using Final = std::optional<Value>;  // the value of the preceding stage of a pipeline

  bool failed() const { return error_.has_value(); }
  void Complain(Cause cause, std::string_view text) {
    if (failed()) return;
    if (at_ == nullptr) {
      error_ = Error{fmt::format("template: {}: {}", tree_->name, text), cause};
      return;
    }
    error_ = Error{
        fmt::format("template: {}:{}:{}: executing {} at <{}>: {}", tree_->parse_name,
                    at_->place.line, at_->place.column, Quote(tree_->name), at_->ToString(), text),
        cause};
  }
  void Complain(std::string_view text) { Complain(Cause::kInvalid, text); }

  // Counts what is done, so that every run ends.
  void Charge(std::size_t bytes = 0) {
    steps_ += 1 + static_cast<std::int64_t>(bytes / 256);
    if (steps_ > kStepsMax) {
      Complain(Cause::kLimit, fmt::format("takes more than {} steps", kStepsMax));
    }
  }
  void Charge(const Value& value) {
    const auto* const text = std::get_if<std::string>(&value.variant());
    Charge(text == nullptr ? 0 : text->size());
    if (text != nullptr && text->size() > kOutputBytesMax) {
      Complain(Cause::kLimit, fmt::format("a string longer than {} bytes", kOutputBytesMax));
    }
  }
  void Write(std::string_view text) {
    Charge(text.size());
    if (out_.size() + text.size() > kOutputBytesMax) {
      return Complain(Cause::kLimit, fmt::format("output longer than {} bytes", kOutputBytesMax));
    }
    if (!failed()) out_ += text;
  }

  class Deeper {
   public:
    explicit Deeper(Executor& executor) : executor_(executor) {
      if (++executor_.depth_ > kDepthMax) {
        executor_.Complain(Cause::kLimit, fmt::format("nested deeper than {}", kDepthMax));
      }
    }
    ~Deeper() { --executor_.depth_; }
    Deeper(const Deeper&) = delete;
    Deeper& operator=(const Deeper&) = delete;

   private:
    Executor& executor_;
  };

  Left Walk(const Value& dot, const std::vector<Node>& body) {
    const Deeper deeper(*this);
    for (const Node& node : body) {
      if (failed()) break;
      const Left left = WalkNode(dot, node);
      if (left != Left::kAtItsEnd) return left;
    }
    return Left::kAtItsEnd;
  }

  Left WalkNode(const Value& dot, const Node& node) {
    at_ = &node;
    switch (node.kind) {
      case Node::Kind::kText:
        Write(node.text);
        break;
      case Node::Kind::kAction: {
        const Value value = EvaluatePipe(dot, node.pipe.get());
        if (node.pipe->declared.empty()) PrintOut(node, value);
        break;
      }
      case Node::Kind::kIf:
      case Node::Kind::kWith:
        return WalkIfOrWith(dot, node);
      case Node::Kind::kRange:
        WalkRange(dot, node);
        break;
      case Node::Kind::kTemplate:
        WalkTemplate(dot, node);
        break;
      case Node::Kind::kBreak:
        return Left::kByBreak;
      case Node::Kind::kContinue:
        return Left::kByContinue;
    }
    return Left::kAtItsEnd;
  }

  void PrintOut(const Node& node, const Value& value) {
    if (failed()) return;
    at_ = &node;
    if (const auto* const text = std::get_if<std::string>(&value.variant())) {
      return escape_ ? Write(escape_(*text)) : Write(*text);
    }
    if (std::holds_alternative<std::shared_ptr<const Function>>(value.variant())) {
      return Complain(fmt::format("can't print {} of type {}", node.ToString(), TypeName(value)));
    }
    if (!escape_ || TypeName(value) == "template.HTML") return Write(Print(value));
    Write(escape_(Print(value)));
  }

  Left WalkIfOrWith(const Value& dot, const Node& node) {
    const std::size_t outside = variables_.size();
    const Value value = EvaluatePipe(dot, node.pipe.get());
    Left left = Left::kAtItsEnd;
    if (!failed()) {
      if (Truth(value)) {
        left = Walk(node.kind == Node::Kind::kWith ? value : dot, node.body);
      } else {
        left = Walk(dot, node.otherwise);
      }
    }
    variables_.resize(outside);
    return left;
  }

  void WalkRange(const Value& dot, const Node& node) {
    const std::size_t outside = variables_.size();
    const Value value = EvaluatePipe(dot, node.pipe.get());
    if (!failed() && !Iterate(node, value)) Walk(dot, node.otherwise);
    variables_.resize(outside);
  }

  // False if there was nothing to iterate over.
  bool Iterate(const Node& node, const Value& value) {
    const std::size_t inside = variables_.size();
    const auto once = [&](const Value& index, const Value& element) {
      Charge();
      SetRangeVariables(*node.pipe, index, element);
      const Left left = Walk(element, node.body);
      variables_.resize(inside);
      return left != Left::kByBreak && !failed();
    };
    if (const List* list = value.AsList()) {
      for (std::size_t i = 0; i < list->size(); ++i) {
        if (!once(Value(static_cast<std::int64_t>(i)), (*list)[i])) break;
      }
      return !list->empty();
    }
    if (const Map* map = value.AsMap()) {
      for (const auto& [key, element] : *map) {
        if (!once(Value(key), element)) break;
      }
      return !map->empty();
    }
    if (const std::int64_t* count = value.AsInteger()) {
      if (node.pipe->declared.size() > 1) {
        Complain(fmt::format("can't use {} to iterate over more than one variable", *count));
        return true;
      }
      for (std::int64_t i = 0; i < *count; ++i) {
        if (!once(Value(i), Value(i))) break;
      }
      return *count > 0;
    }
    if (!value.IsNil()) Complain(fmt::format("range can't iterate over {}", Print(value)));
    return false;
  }

  // EvaluatePipe() gave them the whole list; every turn gives them its element.
  void SetRangeVariables(const Pipe& pipe, const Value& index, const Value& element) {
    const std::size_t count = pipe.declared.size();
    if (count == 0) return;
    const Value* const values[] = {count > 1 ? &index : &element, &element};
    for (std::size_t i = 0; i < count; ++i) {
      if (pipe.assigns) {
        SetVariable(pipe.declared[i], *values[i]);
      } else {
        variables_[variables_.size() - count + i].second = *values[i];
      }
    }
  }

  void WalkTemplate(const Value& dot, const Node& node) {
    const auto found = impl_.trees.find(node.text);
    if (found == impl_.trees.end()) {
      return Complain(fmt::format("template {} not defined", Quote(node.text)));
    }
    const Value argument = EvaluatePipe(dot, node.pipe.get());
    if (failed()) return;
    // No dynamic scope: an invocation inherits no variables.
    auto variables = std::exchange(variables_, {{"$", argument}});
    const Tree* const outside = std::exchange(tree_, found->second.get());
    Walk(argument, tree_->body);
    if (failed()) return;
    tree_ = outside;
    variables_ = std::move(variables);
  }

  void SetVariable(const std::string& name, const Value& value) {
    for (auto it = variables_.rbegin(); it != variables_.rend(); ++it) {
      if (it->first == name) {
        it->second = value;
        return;
      }
    }
    Complain("undefined variable: " + name);
  }

  Value Variable(const std::string& name) {
    for (auto it = variables_.rbegin(); it != variables_.rend(); ++it) {
      if (it->first == name) return it->second;
    }
    Complain("undefined variable: " + name);
    return {};
  }

  Value EvaluatePipe(const Value& dot, const Pipe* pipe) {
    if (pipe == nullptr || failed()) return {};
    const Deeper deeper(*this);
    at_ = pipe;
    Final value;
    for (const Command& command : pipe->commands) {
      value = EvaluateCommand(dot, command, value);
      Charge(*value);
      if (failed()) return {};
    }
    for (const std::string& name : pipe->declared) {
      if (pipe->assigns) {
        SetVariable(name, *value);
      } else {
        variables_.emplace_back(name, *value);
      }
    }
    return *std::move(value);
  }

  Value EvaluateCommand(const Value& dot, const Command& command, const Final& final) {
    const Operand& first = command.words[0];
    if (first.kind == Operand::Kind::kFunction && first.fields.empty()) {
      at_ = &first;
      return CallFunction(dot, first.name, command, command.words, final);
    }
    if (!first.fields.empty()) return EvaluateFields(dot, first, command.words, final);
    at_ = &first;
    if (command.words.size() > 1 || final) {
      Complain(fmt::format("can't give argument to non-function {}", first.ToString()));
      return {};
    }
    if (first.kind == Operand::Kind::kNil) {
      Complain("nil is not a command");
      return {};
    }
    return EvaluateStem(dot, first);
  }

  // The operand without its fields.
  Value EvaluateStem(const Value& dot, const Operand& operand) {
    static const Words kNoWords;
    at_ = &operand;
    switch (operand.kind) {
      case Operand::Kind::kDot:
        return dot;
      case Operand::Kind::kNil:
        return {};
      case Operand::Kind::kConstant:
        return operand.constant;
      case Operand::Kind::kVariable:
        return Variable(operand.name);
      case Operand::Kind::kFunction:
        return CallFunction(dot, operand.name, operand, kNoWords, std::nullopt);
      case Operand::Kind::kPipe:
        return EvaluatePipe(dot, operand.pipe.get());
    }
    return {};
  }

  Value EvaluateArgument(const Value& dot, const Operand& operand) {
    static const Words kNoWords;
    if (failed()) return {};
    Value value = operand.fields.empty() ? EvaluateStem(dot, operand)
                                         : EvaluateFields(dot, operand, kNoWords, std::nullopt);
    Charge(value);
    return value;
  }

  // .X.Y.Z with arguments for the last, which may be a method.
  Value EvaluateFields(const Value& dot, const Operand& operand, const Words& words,
                       const Final& final) {
    static const Words kNoWords;
    at_ = &operand;
    if (operand.kind == Operand::Kind::kNil) {
      Complain("indirection through explicit nil in " + operand.ToString());
      return {};
    }
    Value receiver = EvaluateStem(dot, operand);
    // Go leaves the place where evaluating the stem left it, and says so in its messages.
    if (operand.kind == Operand::Kind::kDot || operand.kind == Operand::Kind::kVariable) {
      at_ = &operand;
    }
    for (std::size_t i = 0; i + 1 < operand.fields.size() && !failed(); ++i) {
      receiver = EvaluateField(dot, operand, operand.fields[i], kNoWords, std::nullopt, receiver);
      Charge();
    }
    if (failed()) return {};
    return EvaluateField(dot, operand, operand.fields.back(), words, final, receiver);
  }

  Value EvaluateField(const Value& dot, const Operand& operand, const std::string& name,
                      const Words& words, const Final& final, const Value& receiver) {
    if (receiver.IsNil()) return {};
    const auto& variant = receiver.variant();
    const auto* const object = std::get_if<std::shared_ptr<const Object>>(&variant);
    if (object != nullptr) {
      if (const auto method = (*object)->methods.find(name); method != (*object)->methods.end()) {
        return Call(dot, name, operand, method->second, words, final);
      }
    } else if (const Function method = TimeMethod(receiver, name)) {
      return Call(dot, name, operand, method, words, final);
    }
    const bool has_arguments = words.size() > 1 || final.has_value();
    if (object != nullptr) {
      if (const auto field = (*object)->fields.find(name); field != (*object)->fields.end()) {
        if (!has_arguments) return field->second;
        Complain(name + " has arguments but cannot be invoked as function");
        return {};
      }
    }
    if (const Map* map = receiver.AsMap()) {
      if (has_arguments) {
        Complain(name + " is not a method but has arguments");
        return {};
      }
      const auto entry = map->find(name);
      return entry == map->end() ? ZeroOf(*map) : entry->second;
    }
    Complain(fmt::format("can't evaluate field {} in type {}", name, TypeName(receiver)));
    return {};
  }

  Value CallFunction(const Value& dot, const std::string& name, const Element& element,
                     const Words& words, const Final& final) {
    if (const auto it = more_.find(name); it != more_.end()) {
      return Call(dot, name, element, it->second, words, final);
    }
    if (const auto it = impl_.functions->find(name); it != impl_.functions->end()) {
      return Call(dot, name, element, it->second, words, final);
    }
    const Builtin* const builtin = FindBuiltin(name);
    if (builtin == nullptr) {
      Complain(Quote(name) + " is not a defined function");
      return {};
    }
    const int given = static_cast<int>(words.empty() ? 0 : words.size() - 1) + (final ? 1 : 0);
    if (given < builtin->least || (builtin->most >= 0 && given > builtin->most)) {
      Complain(fmt::format("wrong number of args for {}: want {}{} got {}", name,
                           builtin->most == builtin->least ? "" : "at least ", builtin->least,
                           given));
      return {};
    }
    if (name == "and" || name == "or") return ShortCircuit(dot, name == "or", words, final);
    return Call(dot, name, element, builtin->call, words, final);
  }

  Value ShortCircuit(const Value& dot, bool until, const Words& words, const Final& final) {
    Value value;
    for (std::size_t i = 1; i < words.size() && !failed(); ++i) {
      value = EvaluateArgument(dot, words[i]);
      if (Truth(value) == until) return value;
    }
    return final ? *final : value;
  }

  template <typename F>
  Value Call(const Value& dot, const std::string& name, const Element& element, const F& function,
             const Words& words, const Final& final) {
    std::vector<Value> arguments;
    for (std::size_t i = 1; i < words.size() && !failed(); ++i) {
      arguments.push_back(EvaluateArgument(dot, words[i]));
    }
    if (final) arguments.push_back(*final);
    if (failed()) return {};
    Result<Value> result = function(arguments);
    if (!result) {
      at_ = &element;
      Complain(result.error().cause,
               fmt::format("error calling {}: {}", name, result.error().message));
      return {};
    }
    Charge(*result);
    return *std::move(result);
  }

  const Template::Impl& impl_;
  const Functions& more_;
  const Template::Escape& escape_;
  const Tree* tree_ = nullptr;
  const Element* at_ = nullptr;  // what is being evaluated, for complaints
  std::vector<std::pair<std::string, Value>> variables_;
  std::string out_;
  std::int64_t steps_ = 0;
  int depth_ = 0;
  std::optional<Error> error_;
};

}  // namespace

Result<std::string> Template::Execute(const Value& data, const Functions& more,
                                      const Escape& escape) const {
  return Executor(*impl_, more, escape).Run(data);
}

}  // namespace fettle::gotemplate
