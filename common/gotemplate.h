// Renders Go text/template, for annotations and messages. Source: pkg.go.dev/text/template and fmt.
//
// Parse() once, Execute() often; a Template is immutable and safe to share between threads.
// Data is a tree of Values; functions are given at Parse. Every run is bounded: steps, output and
// nesting; a run that exceeds one fails with a sentence. missingkey=zero, as Prometheus and
// Alertmanager set it: an absent key of a map of strings is "".
//
// Errors read as Go's: template: NAME:1:3: executing "NAME" at <.X>: can't evaluate field X in …
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "common/clock.h"
#include "common/labels.h"
#include "common/result.h"

namespace fettle::gotemplate {

class Value;
using List = std::vector<Value>;
// Ranged over in sorted key order, as Go does.
using Map = std::map<std::string, Value>;
using Function = std::function<Result<Value>(const std::vector<Value>& arguments)>;
using Functions = std::map<std::string, Function>;

// A value of a named Go type, with fields and methods looked up by name, methods first.
// Go's types may be collections with methods (Alertmanager's KV and Alerts): with `items` an Object
// ranges, indexes, slices and counts as that list; if `keyed`, as the map of its fields, where an
// absent key is "", by {{.x}} and by index. With `number` it compares and counts as that
// (time.Month). An Object with none of these is a plain struct: always true, not to be ranged over.
struct Object {
  std::string type_name;  // in messages
  Map fields;
  Functions methods;
  std::string printed;  // what {{.}} prints; "" prints the items, the map or the fields in braces
  std::shared_ptr<const List> items = nullptr;
  bool keyed = false;
  std::optional<std::int64_t> number = std::nullopt;
};

// A moment as templates see it: Go's time.Time, with its methods Format, Add, Sub, Unix, UTC, …
struct Timestamp {
  Time at;
  std::string zone = "UTC";  // an IANA name; how it prints
};
// Go's time.Duration, with its methods.
using Duration = std::chrono::nanoseconds;

class Value {
 public:
  Value() = default;                                                     // nil, prints <no value>
  Value(bool b) : v_(b) {}                                               // NOLINT: values convert
  Value(std::int64_t i) : v_(i) {}                                       // NOLINT
  Value(int i) : v_(std::int64_t{i}) {}                                  // NOLINT
  Value(double d) : v_(d) {}                                             // NOLINT
  Value(std::string s) : v_(std::move(s)) {}                             // NOLINT
  Value(std::string_view s) : v_(std::string(s)) {}                      // NOLINT
  Value(const char* s) : v_(std::string(s)) {}                           // NOLINT
  Value(List l) : v_(std::make_shared<const List>(std::move(l))) {}      // NOLINT
  Value(Map m) : v_(std::make_shared<const Map>(std::move(m))) {}        // NOLINT
  Value(Object o) : v_(std::make_shared<const Object>(std::move(o))) {}  // NOLINT
  Value(Time t) : v_(Timestamp{t}) {}                                    // NOLINT
  Value(Timestamp t) : v_(std::move(t)) {}                               // NOLINT
  Value(Duration d) : v_(d) {}                                           // NOLINT
  // A function as a value, for {{call .F 1}}.
  static Value Callable(Function function);
  // The labels as a map of strings.
  static Value From(const Labels& labels);

  using Variant = std::variant<std::monostate, bool, std::int64_t, double, std::string,
                               std::shared_ptr<const List>, std::shared_ptr<const Map>,
                               std::shared_ptr<const Object>, Timestamp, Duration,
                               std::shared_ptr<const Function>>;
  const Variant& variant() const { return v_; }

  // The alternative, or nullptr; an Object answers with its items, fields or number.
  const std::string* AsString() const;
  const std::int64_t* AsInteger() const;
  const double* AsDouble() const;
  const List* AsList() const;
  const Map* AsMap() const;
  bool IsNil() const { return v_.index() == 0; }

 private:
  Variant v_;
};

// Go's name of the type: "string", "float64", "map[string]string", or the Object's type_name.
std::string TypeName(const Value& value);
// Not the zero of its type, as {{if}} asks.
bool Truth(const Value& value);

// A step is one node or call, or 256 bytes of a value passed on.
inline constexpr std::int64_t kStepsMax = 1'000'000;
inline constexpr std::size_t kOutputBytesMax = 4 * 1024 * 1024;  // of the output and of any string
inline constexpr std::size_t kTextBytesMax = 1024 * 1024;        // of one template's text
inline constexpr int kDepthMax = 100;  // {{template}}s, control structures and parentheses nested

class Template {
 public:
  // `name` is what errors call it. Further texts (files of {{define}}s) may be given first.
  static Result<Template> Parse(std::string name, std::string_view text, Functions functions,
                                const std::vector<std::string>& definitions = {});
  // Go's Clone().New(name).Parse(text): a further text that sees the definitions and functions of
  // this one, shared and not parsed again. What it defines itself stays its own.
  Result<Template> With(std::string name, std::string_view text) const;

  // `more` stands in for functions of the same names given at Parse: those that need to know when
  // and for whom they run.
  // With `escape`, what actions print goes through it, but for Objects of type "template.HTML".
  using Escape = std::function<std::string(std::string_view)>;
  Result<std::string> Execute(const Value& data, const Functions& more = {},
                              const Escape& escape = nullptr) const;

  struct Impl;

 private:
  std::shared_ptr<const Impl> impl_;
};

// Go's fmt.Sprintf for template values, fmt.Sprint of several, and how {{.}} prints one.
Result<std::string> Printf(std::string_view format, const std::vector<Value>& arguments);
std::string Sprint(const std::vector<Value>& arguments);
std::string Print(const Value& value);

// For those who write functions: the argument as text, or Go's complaint about its number or type.
Status WantArguments(const std::vector<Value>& arguments, std::size_t count);
Result<std::string> TextArgument(const std::vector<Value>& arguments, std::size_t index);

}  // namespace fettle::gotemplate
