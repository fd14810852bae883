// What a template's text means: the tree between gotemplate's parser and its executor. Values,
// immutable once parsed. Private to common/gotemplate*.cc.
#pragma once

#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "common/gotemplate.h"

namespace fettle::gotemplate {

// Lines count from 1, columns are bytes from 0, as Go's messages have them.
struct Place {
  int line = 1;
  int column = 0;
};

// Anything an error can point at; ToString() is Go's canonical way to write it.
struct Element {
  Place place;
  virtual ~Element() = default;
  virtual std::string ToString() const = 0;

 protected:
  Element() = default;
  Element(const Element&) = default;
  Element(Element&&) = default;
  Element& operator=(const Element&) = default;
  Element& operator=(Element&&) = default;
};

struct Pipe;

// One word of a command, possibly followed by fields: .A.B, $x.A, (pipe).A, name, "text", 1.5.
struct Operand final : Element {
  enum class Kind { kDot, kNil, kConstant, kVariable, kFunction, kPipe };
  Kind kind = Kind::kDot;
  std::string name;    // of a variable ("$x") or function
  std::string source;  // of a constant, as written
  Value constant;
  std::shared_ptr<const Pipe> pipe;  // of kPipe
  std::vector<std::string> fields;
  std::string ToString() const override;
};

struct Command final : Element {
  std::vector<Operand> words;
  std::string ToString() const override;
};

struct Pipe final : Element {
  std::vector<std::string> declared;  // "$x"; of range, one or two
  bool assigns = false;               // = instead of :=
  std::vector<Command> commands;
  std::string ToString() const override;
};

struct Node final : Element {
  enum class Kind { kText, kAction, kIf, kRange, kWith, kTemplate, kBreak, kContinue };
  Kind kind = Kind::kText;
  std::string text;  // of kText; the name of kTemplate
  std::shared_ptr<const Pipe> pipe;
  std::vector<Node> body;
  std::vector<Node> otherwise;  // after {{else}}
  std::string ToString() const override;
};

// One named template. `parse_name` is whose text it stood in.
struct Tree {
  std::string name;
  std::string parse_name;
  std::vector<Node> body;
};
using Trees = std::map<std::string, std::shared_ptr<const Tree>>;

// Parses `text` as the template `name` and adds it and its {{define}}s to `trees`. A definition
// replaces one of the same name from an earlier text unless it is empty; twice in one text is
// wrong.
Status ParseInto(Trees& trees, const std::string& name, std::string_view text,
                 const std::function<bool(std::string_view)>& is_function);

struct Template::Impl {
  std::string name;
  Trees trees;
  std::shared_ptr<const Functions> functions;
};

// A function of the language itself. `most` < 0: any number.
struct Builtin {
  Result<Value> (*call)(const std::vector<Value>& arguments);
  int least = 0;
  int most = -1;
};
// nullptr if there is none of that name.
const Builtin* FindBuiltin(std::string_view name);

// A method of a Timestamp or Duration, bound to it; null if there is none of that name.
Function TimeMethod(const Value& value, const std::string& name);
// Go's time.Time.Format and String, and time.Duration.String.
std::string FormatTime(const Timestamp& time, std::string_view layout);
std::string PrintTime(const Timestamp& time);
std::string PrintDuration(Duration duration);

// The entry of a map with a missing key: "" if its values are strings (or there are none), else
// nil.
Value ZeroOf(const Map& map);

}  // namespace fettle::gotemplate
