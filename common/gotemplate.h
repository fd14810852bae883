// Renders Go text/template, for annotations and messages. Source: pkg.go.dev/text/template.
//
// Parse() once, Execute() often; a Template is immutable and safe to share between threads.
// Data is a tree of Values; functions are given at Parse. Every run is bounded: steps, output and
// nesting; a run that exceeds one fails with a sentence.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "common/clock.h"
#include "common/result.h"

namespace fettle::gotemplate {

class Value;
using List = std::vector<Value>;
// Ranged over in sorted key order, as Go does.
using Map = std::map<std::string, Value>;
using Function = std::function<Result<Value>(const std::vector<Value>& arguments)>;
using Functions = std::map<std::string, Function>;

// What {{.}} can be. An Object has fields and methods by name, in one table; a method is a Function.
// Go's types may be collections with methods (Alertmanager's KV and Alerts): with `items` an Object
// ranges, indexes, slices and counts as that list; if `keyed`, as the map of its fields, where an
// absent key is "", by {{.x}} and by index.
struct Object {
  std::string type_name;  // in messages
  Map fields;
  Functions methods;
  std::string printed;  // what {{.}} prints
  std::shared_ptr<const List> items = nullptr;
  bool keyed = false;
};

class Value {
 public:
  Value() = default;  // nil, prints <no value> or "" by the missingkey option
  Value(bool b) : v_(b) {}                                    // NOLINT: values convert
  Value(std::int64_t i) : v_(i) {}                            // NOLINT
  Value(int i) : v_(std::int64_t{i}) {}                       // NOLINT
  Value(double d) : v_(d) {}                                  // NOLINT
  Value(std::string s) : v_(std::move(s)) {}                  // NOLINT
  Value(std::string_view s) : v_(std::string(s)) {}           // NOLINT
  Value(const char* s) : v_(std::string(s)) {}                // NOLINT
  Value(List l) : v_(std::make_shared<const List>(std::move(l))) {}      // NOLINT
  Value(Map m) : v_(std::make_shared<const Map>(std::move(m))) {}        // NOLINT
  Value(Object o) : v_(std::make_shared<const Object>(std::move(o))) {}  // NOLINT
  Value(Time t) : v_(t) {}                                    // NOLINT: has Format, Unix, …

  using Variant = std::variant<std::monostate, bool, std::int64_t, double, std::string,
                               std::shared_ptr<const List>, std::shared_ptr<const Map>,
                               std::shared_ptr<const Object>, Time>;
  const Variant& variant() const { return v_; }

 private:
  Variant v_;
};

inline constexpr std::size_t kStepsMax = 1'000'000;
inline constexpr std::size_t kOutputBytesMax = 4 * 1024 * 1024;
inline constexpr int kDepthMax = 100;

class Template {
 public:
  // `name` is what errors call it. Further texts (files of {{define}}s) may be given first.
  static Result<Template> Parse(std::string name, std::string_view text, Functions functions,
                                const std::vector<std::string>& definitions = {});
  // Go's Clone().New(name).Parse(text): a further text that sees the definitions and functions of
  // this one, shared and not parsed again. What it defines itself stays its own.
  Result<Template> With(std::string name, std::string_view text) const;
  Result<std::string> Execute(const Value& data) const;

  struct Impl;

 private:
  std::shared_ptr<const Impl> impl_;
};

// Go's fmt.Sprintf for template values, and how {{.}} prints one.
Result<std::string> Printf(std::string_view format, const std::vector<Value>& arguments);
std::string Print(const Value& value);

}  // namespace fettle::gotemplate
