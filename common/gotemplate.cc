#include "common/gotemplate.h"

#include <algorithm>

#include "common/gotemplate_ast.h"

namespace fettle::gotemplate {
namespace {

const Object* ObjectIn(const Value& value) {
  const auto* const object = std::get_if<std::shared_ptr<const Object>>(&value.variant());
  return object == nullptr ? nullptr : object->get();
}

bool AllText(const Map& map) {
  return std::all_of(map.begin(), map.end(), [](const auto& entry) {
    return std::holds_alternative<std::string>(entry.second.variant());
  });
}

}  // namespace

Value Value::Callable(Function function) {
  Value value;
  value.v_ = std::make_shared<const Function>(std::move(function));
  return value;
}

Value Value::From(const Labels& labels) {
  Map map;
  for (const auto& [name, value] : labels) map.emplace_hint(map.end(), name, value);
  return map;
}

const std::string* Value::AsString() const { return std::get_if<std::string>(&v_); }
const double* Value::AsDouble() const { return std::get_if<double>(&v_); }
const std::int64_t* Value::AsInteger() const {
  if (const auto* const integer = std::get_if<std::int64_t>(&v_)) return integer;
  const Object* const object = ObjectIn(*this);
  return object != nullptr && object->number ? &*object->number : nullptr;
}
const List* Value::AsList() const {
  if (const auto* const list = std::get_if<std::shared_ptr<const List>>(&v_)) return list->get();
  const Object* const object = ObjectIn(*this);
  return object == nullptr ? nullptr : object->items.get();
}
const Map* Value::AsMap() const {
  if (const auto* const map = std::get_if<std::shared_ptr<const Map>>(&v_)) return map->get();
  const Object* const object = ObjectIn(*this);
  return object != nullptr && object->keyed ? &object->fields : nullptr;
}

std::string TypeName(const Value& value) {
  struct Namer {
    std::string operator()(std::monostate) const { return "<nil>"; }
    std::string operator()(bool) const { return "bool"; }
    std::string operator()(std::int64_t) const { return "int"; }
    std::string operator()(double) const { return "float64"; }
    std::string operator()(const std::string&) const { return "string"; }
    std::string operator()(const std::shared_ptr<const List>&) const { return "[]interface {}"; }
    std::string operator()(const std::shared_ptr<const Map>& map) const {
      return AllText(*map) ? "map[string]string" : "map[string]interface {}";
    }
    std::string operator()(const std::shared_ptr<const Object>& o) const { return o->type_name; }
    std::string operator()(const Timestamp&) const { return "time.Time"; }
    std::string operator()(Duration) const { return "time.Duration"; }
    std::string operator()(const std::shared_ptr<const Function>&) const { return "func"; }
  };
  return std::visit(Namer{}, value.variant());
}

bool Truth(const Value& value) {
  struct Judge {
    bool operator()(std::monostate) const { return false; }
    bool operator()(bool b) const { return b; }
    bool operator()(std::int64_t i) const { return i != 0; }
    bool operator()(double d) const { return d != 0; }
    bool operator()(const std::string& s) const { return !s.empty(); }
    bool operator()(const std::shared_ptr<const List>& list) const { return !list->empty(); }
    bool operator()(const std::shared_ptr<const Map>& map) const { return !map->empty(); }
    bool operator()(const std::shared_ptr<const Object>& object) const {
      if (object->items != nullptr) return !object->items->empty();
      if (object->keyed) return !object->fields.empty();
      return !object->number || *object->number != 0;
    }
    bool operator()(const Timestamp&) const { return true; }
    bool operator()(Duration duration) const { return duration.count() != 0; }
    bool operator()(const std::shared_ptr<const Function>&) const { return true; }
  };
  return std::visit(Judge{}, value.variant());
}

Value ZeroOf(const Map& map) {
  const bool text =
      map.empty() || std::holds_alternative<std::string>(map.begin()->second.variant());
  return text ? Value("") : Value();
}

Status WantArguments(const std::vector<Value>& arguments, std::size_t count) {
  if (arguments.size() == count) return {};
  return Fail(Cause::kInvalid, "wrong number of args: want {} got {}", count, arguments.size());
}

Result<std::string> TextArgument(const std::vector<Value>& arguments, std::size_t index) {
  if (index >= arguments.size()) {
    return Fail(Cause::kInvalid, "wrong number of args: want at least {} got {}", index + 1,
                arguments.size());
  }
  if (const std::string* text = arguments[index].AsString()) return *text;
  return Fail(Cause::kInvalid, "wrong type for value; expected string; got {}",
              TypeName(arguments[index]));
}

Result<Template> Template::Parse(std::string name, std::string_view text, Functions functions,
                                 const std::vector<std::string>& definitions) {
  auto impl = std::make_shared<Impl>();
  impl->functions = std::make_shared<const Functions>(std::move(functions));
  const auto is_function = [&](std::string_view word) {
    return FindBuiltin(word) != nullptr || impl->functions->contains(std::string(word));
  };
  for (std::size_t i = 0; i < definitions.size(); ++i) {
    const std::string file = "definitions " + std::to_string(i + 1);
    if (Status parsed = ParseInto(impl->trees, file, definitions[i], is_function); !parsed) {
      return tl::unexpected(parsed.error());
    }
  }
  if (Status parsed = ParseInto(impl->trees, name, text, is_function); !parsed) {
    return tl::unexpected(parsed.error());
  }
  impl->name = std::move(name);
  Template out;
  out.impl_ = std::move(impl);
  return out;
}

Result<Template> Template::With(std::string name, std::string_view text) const {
  auto impl = std::make_shared<Impl>(*impl_);
  const auto is_function = [&](std::string_view word) {
    return FindBuiltin(word) != nullptr || impl->functions->contains(std::string(word));
  };
  impl->trees.erase(name);
  if (Status parsed = ParseInto(impl->trees, name, text, is_function); !parsed) {
    return tl::unexpected(parsed.error());
  }
  impl->name = std::move(name);
  Template out;
  out.impl_ = std::move(impl);
  return out;
}

}  // namespace fettle::gotemplate
