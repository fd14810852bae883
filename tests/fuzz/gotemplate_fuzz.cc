// Any text as a template, run over data of every kind. Goal: a template of an operator (or one that
// came in with an alert, which never happens on purpose) costs an error, never a crash, never more
// than its steps and bytes.
#include <cstdint>
#include <string_view>

#include "common/check.h"
#include "common/gotemplate.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace fettle::gotemplate;  // NOLINT: a function of its own
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  static const Functions kFunctions = {
      {"join", [](const std::vector<Value>& arguments) -> fettle::Result<Value> {
         return Value(List(arguments));
       }}};
  const auto parsed =
      Template::Parse("t", text, kFunctions, {R"({{ define "x" }}{{ . }}{{ end }})"});
  if (!parsed) return 0;
  const Value tree = Map{{"Labels", Map{{"job", "api"}, {"instance", "a:1"}}},
                         {"Value", 1.5},
                         {"List", List{1, "two", 3.5, true, Value()}},
                         {"At", fettle::TimeFromMillis(1'767'225'600'000)},
                         {"For", Duration(90'000'000'000)}};
  const auto output = parsed->Execute(tree);
  FETTLE_CHECK(!output || output->size() <= kOutputBytesMax);
  return 0;
}
