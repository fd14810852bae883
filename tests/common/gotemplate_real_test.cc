// The same texts given to Go's own text/template, by way of Debian's amtool.
#include <gtest/gtest.h>

#include <string>

#include "common/gotemplate.h"
#include "common/process.h"
#include "tests/support/case_file.h"
#include "tests/support/peer.h"
#include "tests/support/temp_dir.h"

namespace fettle::gotemplate {
namespace {

// What amtool prints for the text, or "error: " and its complaint.
std::string RenderByAmtool(const std::string& text, const std::string& glob) {
  const Result<ProcessResult> run =
      RunProcess({.argv = {AmtoolProgram(), "template", "render", "--template.glob=" + glob,
                           "--template.text=" + text},
                  .environment = {{"TZ", "UTC"}, {"HOME", "/nonexistent"}}});
  if (!run) return run.error().message;
  if (run->succeeded()) return run->output;
  const std::string prefix = "amtool: error: ";
  const std::size_t at = run->error.find(prefix);
  std::string complaint = run->error.substr(at == std::string::npos ? 0 : at + prefix.size());
  while (!complaint.empty() && complaint.back() == '\n') complaint.pop_back();
  return "error: " + complaint;
}

std::string Render(const std::string& text) {
  Result<Template> parsed = Template::Parse("", text, {});
  if (!parsed) return "error: " + parsed.error().message;
  Result<std::string> output = parsed->Execute({});
  return output ? *output : "error: " + output.error().message;
}

TEST(GotemplateRealTest, EveryCaseWithoutDataIsAsGoHasIt) {
  const TempDir directory;
  const std::string glob = directory.Write("empty.tmpl", "{{ define \"unused\" }}{{ end }}");
  // Debian 12's Go is 1.19.
  const Result<ProcessResult> version = RunProcess({.argv = {AmtoolProgram(), "--version"}});
  ASSERT_TRUE(version);
  const bool old = version->output.find("version 0.25") != std::string::npos;
  int compared = 0;
  for (const TextCase& one : LoadCases("gotemplate")) {
    // amtool always has data, so that a bare dot differs.
    if (one.Has("data") || (old && one.Has("newer")) || one.Has("ours")) continue;
    SCOPED_TRACE(one.name);
    const std::string expected = RenderByAmtool(one.input, glob);
    EXPECT_EQ(Render(one.input), expected.substr(0, 10'000));
    ++compared;
  }
  EXPECT_GT(compared, 60);
}

}  // namespace
}  // namespace fettle::gotemplate
