#include "exporter/scrape/page_parser.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "common/metadata.h"
#include "tests/support/case_file.h"

namespace fettle::exporter {
namespace {

std::string Show(const std::vector<Labels::Pair>& pairs) {
  std::string out;
  for (const auto& [name, value] : pairs) {
    out += (out.empty() ? "" : ",") + name + "=\"" + value + '"';
  }
  std::replace(out.begin(), out.end(), '\n', '|');
  return "{" + out + "}";
}

std::string Shown(const PageParser& parser, const std::vector<Labels::Pair>& labels) {
  std::string line = fmt::format("{} {}", Show(labels), parser.value());
  if (parser.time_ms()) line += fmt::format(" @{}", *parser.time_ms());
  if (const auto& exemplar = parser.exemplar()) {
    const auto read = PageParser::ReadExemplarLabels(exemplar->labels);
    line +=
        fmt::format(" # {} {}", read ? read->ToString() : read.error().message, exemplar->value);
    if (exemplar->time_ms) line += fmt::format(" @{}", *exemplar->time_ms);
  }
  return line;
}

// Every entry in a line, or why the page is none.
std::string Dump(const std::string& page, PageFormat format) {
  std::string out;
  PageParser parser(page, format);
  while (true) {
    const auto what = parser.Next();
    if (!what) return what.error().message + "\n";
    std::string line;
    switch (*what) {
      case PageParser::What::kEnd:
        return out;
      case PageParser::What::kComment:
        continue;
      case PageParser::What::kSeries: {
        const auto labels = parser.ReadLabels();
        if (!labels) return labels.error().message + "\n";
        line = Shown(parser, *labels);
        break;
      }
      case PageParser::What::kType:
        line = fmt::format("type {} {}", parser.name(), ToString(parser.type()));
        break;
      case PageParser::What::kHelp:
        line = fmt::format("help {} {}", parser.name(), Unescaped(parser.text(), format));
        std::replace(line.begin(), line.end(), '\n', '|');
        break;
      case PageParser::What::kUnit:
        line = fmt::format("unit {} {}", parser.name(), parser.text());
    }
    out += line + "\n";
  }
}

TEST(PageParserTest, ReadsWhatPrometheusReads) {
  for (const TextCase& one : LoadCases("metrics_page")) {
    SCOPED_TRACE(one.name);
    const bool open = one.name.starts_with("openmetrics");
    // A case's last line break is not part of it, and a page has one.
    const std::string dump =
        Dump(one.input + "\n", open ? PageFormat::kOpenMetrics : PageFormat::kText);
    EXPECT_EQ(dump, one.parts.at(one.Has("error") ? "error" : "shows") + "\n");
  }
}

TEST(PageParserTest, NaNsLoseTheirBits) {
  PageParser parser("a nan\n", PageFormat::kText);
  ASSERT_TRUE(parser.Next().has_value());
  EXPECT_FALSE(IsStaleNaN(parser.value()));
  EXPECT_TRUE(std::isnan(parser.value()));
}

TEST(PageParserTest, TextThatIsNoUtf8IsRefused) {
  EXPECT_EQ(Dump("a{b=\"\xff\"} 1\n", PageFormat::kText), "line 1: invalid UTF-8 in label \"b\"\n");
}

TEST(PageParserTest, TheLastLineOfTheTextFormatNeedNotEnd) {
  EXPECT_EQ(Dump("a 1", PageFormat::kText), "{__name__=\"a\"} 1\n");
  EXPECT_EQ(Dump("a 1\n# EOF", PageFormat::kOpenMetrics), "{__name__=\"a\"} 1\n");
}

TEST(PageParserTest, TheContentTypeSaysTheFormat) {
  EXPECT_EQ(*FormatOf("text/plain; version=0.0.4", {}), PageFormat::kText);
  EXPECT_EQ(*FormatOf("application/openmetrics-text; version=1.0.0; charset=utf-8", {}),
            PageFormat::kOpenMetrics);
  EXPECT_EQ(*FormatOf("text/html", PageFormat::kText), PageFormat::kText);
  EXPECT_EQ(FormatOf("", {}).error().message,
            "the target sends no Content-Type, and no fallback_scrape_protocol is specified");
  EXPECT_EQ(FormatOf("text/html", {}).error().message,
            "received unsupported Content-Type \"text/html\", and no fallback_scrape_protocol is "
            "specified");
}

}  // namespace
}  // namespace fettle::exporter
