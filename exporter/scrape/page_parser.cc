#include "exporter/scrape/page_parser.h"

#include <algorithm>
#include <bit>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <limits>

#include "common/number.h"
#include "common/utf8.h"
#include "common/yaml.h"

namespace fettle::exporter {
namespace {

using What = PageParser::What;

// The NaN of a page, whatever its bits say: others have a meaning of their own in the store.
constexpr std::uint64_t kOrdinaryNaN = 0x7ff8000000000001ULL;

bool IsBlank(char c) { return c == ' ' || c == '\t'; }

void SkipBlanks(std::string_view& text) {
  while (!text.empty() && IsBlank(text.front())) text.remove_prefix(1);
}

std::string_view TakeWord(std::string_view& text) {
  std::size_t end = 0;
  while (end < text.size() && !IsBlank(text[end])) ++end;
  const std::string_view word = text.substr(0, end);
  text.remove_prefix(end);
  return word;
}

bool IsNameCharacter(char c, bool first) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == ':' ||
         (!first && c >= '0' && c <= '9');
}

std::size_t NameLength(std::string_view text) {
  std::size_t length = 0;
  while (length < text.size() && IsNameCharacter(text[length], length == 0)) ++length;
  return length;
}

// The length of a quoted text at the start, quotes included; 0 if it has no end.
std::size_t QuotedLength(std::string_view text) {
  for (std::size_t i = 1; i < text.size(); ++i) {
    if (text[i] == '\\') {
      ++i;
    } else if (text[i] == '"') {
      return i + 1;
    }
  }
  return 0;
}

// The length of "{…}" at the start; 0 if it has no end.
std::size_t BracesLength(std::string_view text) {
  for (std::size_t i = 1; i < text.size(); ++i) {
    if (text[i] == '}') return i + 1;
    if (text[i] != '"') continue;
    const std::size_t quoted = QuotedLength(text.substr(i));
    if (quoted == 0) return 0;
    i += quoted - 1;
  }
  return 0;
}

// \\, \" and \n; every other backslash stands for itself.
std::string WithoutEscapes(std::string_view text, bool quotes) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char next = i + 1 < text.size() ? text[i + 1] : '\0';
    if (text[i] != '\\' || (next != '\\' && next != 'n' && !(quotes && next == '"'))) {
      out += text[i];
      continue;
    }
    out += next == 'n' ? '\n' : next;
    ++i;
  }
  return out;
}

// As Go's strconv.ParseFloat, without hexadecimal numbers and underscores.
std::optional<double> ParseValue(std::string_view word) {
  if (word.starts_with('+')) {
    word.remove_prefix(1);
    if (word.starts_with('+') || word.starts_with('-')) return std::nullopt;
  }
  if (word.empty() || word.find('(') != std::string_view::npos) return std::nullopt;
  double value = 0;
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
  if (end != word.data() + word.size()) return std::nullopt;
  if (error == std::errc::result_out_of_range) {
    value = std::strtod(std::string(word).c_str(), nullptr);
    if (std::isinf(value)) return std::nullopt;
  } else if (error != std::errc()) {
    return std::nullopt;
  }
  return std::isnan(value) ? std::bit_cast<double>(kOrdinaryNaN) : value;
}

std::optional<std::int64_t> ParseMillis(std::string_view word) {
  std::int64_t value = 0;
  if (word.starts_with('+')) word.remove_prefix(1);
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
  if (error != std::errc() || end != word.data() + word.size()) return std::nullopt;
  return value;
}

// OpenMetrics' seconds.
std::optional<std::int64_t> ParseSeconds(std::string_view word) {
  const std::optional<double> seconds = ParseValue(word);
  constexpr double kSecondsMax = 1e15;
  if (!seconds || !(std::abs(*seconds) < kSecondsMax)) return std::nullopt;
  return static_cast<std::int64_t>(*seconds * 1000);
}

// "1" becomes "1.0" where it is a bound or a quantile, so that both formats give the same series.
std::string AsOpenMetricsNumber(const std::string& text) {
  const std::optional<double> value = ParseValue(text);
  if (!value) return text;
  std::string out = FormatFloat(*value);
  const bool whole = std::isfinite(*value) && out.find_first_of("e.") == std::string::npos;
  return whole ? out + ".0" : out;
}

std::optional<MetricType> TypeNamed(std::string_view word, PageFormat format) {
  if (word == "counter") return MetricType::kCounter;
  if (word == "gauge") return MetricType::kGauge;
  if (word == "histogram") return MetricType::kHistogram;
  if (word == "summary") return MetricType::kSummary;
  if (format == PageFormat::kText) {
    return word == "untyped" ? std::optional(MetricType::kUnknown) : std::nullopt;
  }
  if (word == "gaugehistogram") return MetricType::kHistogram;
  if (word == "info") return MetricType::kInfo;
  if (word == "stateset") return MetricType::kStateSet;
  if (word == "unknown") return MetricType::kUnknown;
  return std::nullopt;
}

// One entry of "{…}": a label, or (without a value) the metric's name.
struct BraceEntry {
  std::string name;
  std::optional<std::string> value;
};

// Cuts the inside of "{…}" into its entries.
Result<std::vector<BraceEntry>> ReadBraces(std::string_view inside) {
  std::vector<BraceEntry> entries;
  SkipBlanks(inside);
  while (!inside.empty()) {
    BraceEntry entry;
    if (inside.front() == '"') {
      const std::size_t length = QuotedLength(inside);
      if (length == 0) return Fail(Cause::kInvalid, "a quote is not closed");
      entry.name = WithoutEscapes(inside.substr(1, length - 2), true);
      inside.remove_prefix(length);
    } else {
      const std::size_t length = NameLength(inside);
      entry.name = inside.substr(0, length);
      if (!IsLabelName(entry.name)) {
        return Fail(Cause::kInvalid, "expected a label's name, not {}", yaml::Shown(inside));
      }
      inside.remove_prefix(length);
    }
    SkipBlanks(inside);
    if (inside.starts_with('=')) {
      inside.remove_prefix(1);
      SkipBlanks(inside);
      const std::size_t length = inside.starts_with('"') ? QuotedLength(inside) : 0;
      if (length == 0) {
        return Fail(Cause::kInvalid, "expected a quoted value of {}, not {}", entry.name,
                    yaml::Shown(inside));
      }
      entry.value = WithoutEscapes(inside.substr(1, length - 2), true);
      inside.remove_prefix(length);
      SkipBlanks(inside);
    }
    if (entries.size() >= PageParser::kLabelsMax) {
      return Fail(Cause::kLimit, "more than {} labels", PageParser::kLabelsMax);
    }
    entries.push_back(std::move(entry));
    if (inside.empty()) break;
    if (inside.front() != ',') {
      return Fail(Cause::kInvalid, "expected a comma or a brace, not {}", yaml::Shown(inside));
    }
    inside.remove_prefix(1);
    SkipBlanks(inside);
  }
  return entries;
}

Status CheckText(const BraceEntry& entry) {
  if (IsUtf8(entry.name) && (!entry.value || IsUtf8(*entry.value)) && !entry.name.empty()) {
    return {};
  }
  return Fail(Cause::kInvalid, "invalid UTF-8 in label {}", yaml::Shown(entry.name));
}

// Sorted; a name given twice is an error.
Status SortNames(std::vector<Labels::Pair>& pairs) {
  std::sort(pairs.begin(), pairs.end());
  const auto twice = std::adjacent_find(
      pairs.begin(), pairs.end(), [](const auto& a, const auto& b) { return a.first == b.first; });
  if (twice == pairs.end()) return {};
  return Fail(Cause::kInvalid, "label name {} is not unique", Quote(twice->first));
}

}  // namespace

tl::unexpected<Error> PageParser::Wrong(std::string_view what) const {
  return Fail(Cause::kInvalid, "line {}: {}", line_, what);
}

Result<What> PageParser::Next() {
  const bool open = format_ == PageFormat::kOpenMetrics;
  while (true) {
    if (rest_.empty()) {
      if (open && !ended_) {
        ended_ = true;
        return Wrong("data does not end with # EOF");
      }
      return What::kEnd;
    }
    if (ended_) {
      rest_ = {};
      return Wrong("unexpected data after # EOF");
    }
    const std::size_t end = rest_.find('\n');
    const std::string_view line = rest_.substr(0, end);
    if (open && end == std::string_view::npos && line != "# EOF") {
      rest_ = {};
      ended_ = true;
      ++line_;
      return Wrong("data does not end with # EOF");
    }
    rest_.remove_prefix(end == std::string_view::npos ? rest_.size() : end + 1);
    ++line_;
    if (open && line == "# EOF") {
      ended_ = true;
      continue;
    }
    std::string_view bare = line;
    if (!open) SkipBlanks(bare);
    if (bare.empty() && !open) continue;
    Result<What> what = ReadLine(bare);
    if (!what) {
      rest_ = {};
      ended_ = true;
    }
    return what;
  }
}

Result<What> PageParser::ReadLine(std::string_view line) {
  if (line.starts_with('#')) {
    return format_ == PageFormat::kText ? ReadComment(line.substr(1)) : ReadMeta(line);
  }
  Status read = ReadSeries(line);
  if (!read) return tl::unexpected(read.error());
  return What::kSeries;
}

// Of the text format: a line after '#' that may be HELP or TYPE.
Result<What> PageParser::ReadComment(std::string_view line) {
  if (line.empty() || !IsBlank(line.front())) return What::kComment;
  SkipBlanks(line);
  const std::string_view word = TakeWord(line);
  if (word != "HELP" && word != "TYPE") return What::kComment;
  SkipBlanks(line);
  if (line.starts_with('"')) {
    const std::size_t length = QuotedLength(line);
    if (length == 0) return Wrong("a quote is not closed");
    name_ = line.substr(1, length - 2);
    line.remove_prefix(length);
  } else {
    name_ = line.substr(0, NameLength(line));
    if (name_.empty()) return Wrong(fmt::format("expected a metric's name after {}", word));
    line.remove_prefix(name_.size());
  }
  if (!line.empty() && !IsBlank(line.front())) {
    return Wrong(fmt::format("expected a blank after the metric's name, not {}",
                             yaml::Shown(line.substr(0, 1))));
  }
  SkipBlanks(line);
  text_ = line;
  if (word == "HELP") {
    if (!IsUtf8(text_)) return Wrong("help text is not a valid UTF-8 string");
    return What::kHelp;
  }
  while (!text_.empty() && IsBlank(text_.back())) text_.remove_suffix(1);
  if (Status read = ReadType(text_); !read) return tl::unexpected(read.error());
  return What::kType;
}

Status PageParser::ReadType(std::string_view word) {
  const std::optional<MetricType> type = TypeNamed(word, format_);
  if (!type) return Wrong(fmt::format("invalid metric type {}", yaml::Shown(word)));
  type_ = *type;
  return {};
}

// Of OpenMetrics: exactly one blank between words, and no other comments.
Result<What> PageParser::ReadMeta(std::string_view line) {
  What what = What::kHelp;
  if (line.starts_with("# HELP ")) {
    what = What::kHelp;
  } else if (line.starts_with("# TYPE ")) {
    what = What::kType;
  } else if (line.starts_with("# UNIT ")) {
    what = What::kUnit;
  } else {
    return Wrong("expected # HELP, # TYPE, # UNIT or # EOF");
  }
  line.remove_prefix(7);
  if (line.starts_with('"')) {
    const std::size_t length = QuotedLength(line);
    if (length == 0) return Wrong("a quote is not closed");
    name_ = line.substr(1, length - 2);
    line.remove_prefix(length);
  } else {
    name_ = line.substr(0, NameLength(line));
    line.remove_prefix(name_.size());
  }
  if (name_.empty() || !line.starts_with(' ')) return Wrong("expected a metric's name and a blank");
  text_ = line.substr(1);
  if (!IsUtf8(text_)) return Wrong("text is not a valid UTF-8 string");
  if (what == What::kType) {
    if (Status read = ReadType(text_); !read) return tl::unexpected(read.error());
  }
  if (what == What::kUnit && !text_.empty()) {
    const bool fits = name_.size() > text_.size() && name_.ends_with(text_) &&
                      name_[name_.size() - text_.size() - 1] == '_';
    if (!fits) return Wrong(fmt::format("unit {} is not a suffix of {}", text_, name_));
  }
  return what;
}

Status PageParser::ReadSeries(std::string_view line) {
  const bool open = format_ == PageFormat::kOpenMetrics;
  std::string_view rest = line;
  const std::size_t name = NameLength(rest);
  rest.remove_prefix(name);
  std::size_t length = name;
  std::string_view after = rest;
  if (!open) SkipBlanks(after);
  if (after.starts_with('{')) {
    const std::size_t braces = BracesLength(after);
    if (braces == 0) return Wrong("a brace is not closed");
    length = static_cast<std::size_t>(after.data() - line.data()) + braces;
    rest = after.substr(braces);
  } else if (name == 0) {
    return Wrong(fmt::format("expected a metric's name, not {}", yaml::Shown(line)));
  }
  series_ = line.substr(0, length);
  const bool apart = open ? rest.starts_with(' ') : !rest.empty();
  if (!apart) return Wrong("expected a value after the metric");
  if (open) rest.remove_prefix(1);
  if (!open) SkipBlanks(rest);
  const std::string_view number = TakeWord(rest);
  const std::optional<double> value = ParseValue(number);
  if (!value) return Wrong(fmt::format("expected a value, not {}", yaml::Shown(number)));
  value_ = *value;
  time_ms_.reset();
  exemplar_.reset();
  if (open) {
    if (rest.starts_with(' ') && !rest.starts_with(" # ")) {
      rest.remove_prefix(1);
      const std::string_view stamp = TakeWord(rest);
      time_ms_ = ParseSeconds(stamp);
      if (!time_ms_) return Wrong(fmt::format("expected a timestamp, not {}", yaml::Shown(stamp)));
    }
    if (rest.starts_with(" # ")) return ReadExemplar(rest.substr(3));
  } else {
    SkipBlanks(rest);
    const std::string_view stamp = TakeWord(rest);
    SkipBlanks(rest);
    if (!stamp.empty()) {
      time_ms_ = ParseMillis(stamp);
      if (!time_ms_) return Wrong(fmt::format("expected a timestamp, not {}", yaml::Shown(stamp)));
    }
  }
  if (!rest.empty()) return Wrong(fmt::format("unexpected {} after the sample", yaml::Shown(rest)));
  return {};
}

// What follows "# ": labels, a value and perhaps a timestamp.
Status PageParser::ReadExemplar(std::string_view text) {
  const std::size_t braces = text.starts_with('{') ? BracesLength(text) : 0;
  if (braces == 0 || !text.substr(braces).starts_with(' ')) return Wrong("an exemplar is broken");
  Exemplar exemplar{.labels = text.substr(0, braces)};
  text.remove_prefix(braces + 1);
  const std::optional<double> value = ParseValue(TakeWord(text));
  if (!value) return Wrong("expected an exemplar's value");
  exemplar.value = *value;
  if (text.starts_with(' ')) {
    text.remove_prefix(1);
    exemplar.time_ms = ParseSeconds(TakeWord(text));
    if (!exemplar.time_ms) return Wrong("expected an exemplar's timestamp");
  }
  if (!text.empty()) return Wrong("unexpected text after an exemplar");
  exemplar_ = exemplar;
  return {};
}

Result<std::vector<Labels::Pair>> PageParser::ReadLabels() const {
  std::vector<Labels::Pair> pairs;
  std::string_view rest = series_;
  const std::size_t name = NameLength(rest);
  if (name > 0) pairs.emplace_back(kMetricName, rest.substr(0, name));
  rest.remove_prefix(name);
  SkipBlanks(rest);
  if (rest.starts_with('{')) {
    const auto entries = ReadBraces(rest.substr(1, rest.size() - 2));
    if (!entries) return Wrong(entries.error().message);
    for (const BraceEntry& entry : *entries) {
      if (Status text = CheckText(entry); !text) return Wrong(text.error().message);
      if (entry.value) {
        const bool number = (type_ == MetricType::kHistogram && entry.name == "le") ||
                            (type_ == MetricType::kSummary && entry.name == "quantile");
        pairs.emplace_back(entry.name, number ? AsOpenMetricsNumber(*entry.value) : *entry.value);
      } else if (&entry == &entries->front() && name == 0) {
        pairs.emplace_back(kMetricName, entry.name);
      } else {
        return Wrong(fmt::format("label {} has no value", yaml::Shown(entry.name)));
      }
    }
  }
  if (Status sorted = SortNames(pairs); !sorted) return Wrong(sorted.error().message);
  const bool named = std::any_of(pairs.begin(), pairs.end(), [](const Labels::Pair& pair) {
    return pair.first == kMetricName && !pair.second.empty();
  });
  if (!named) return Wrong("metric name missing");
  return pairs;
}

Result<Labels> PageParser::ReadExemplarLabels(std::string_view text) {
  if (text.size() < 2) return Fail(Cause::kInvalid, "an exemplar has no labels");
  const auto entries = ReadBraces(text.substr(1, text.size() - 2));
  if (!entries) return tl::unexpected(entries.error());
  std::vector<Labels::Pair> pairs;
  for (const BraceEntry& entry : *entries) {
    if (Status ok = CheckText(entry); !ok) return tl::unexpected(ok.error());
    if (!entry.value) return Fail(Cause::kInvalid, "label {} has no value", entry.name);
    pairs.emplace_back(entry.name, *entry.value);
  }
  if (Status sorted = SortNames(pairs); !sorted) return tl::unexpected(sorted.error());
  return Labels(std::move(pairs));
}

Result<PageFormat> FormatOf(std::string_view content_type, std::optional<PageFormat> fallback) {
  std::string_view type = content_type.substr(0, content_type.find(';'));
  while (!type.empty() && IsBlank(type.back())) type.remove_suffix(1);
  SkipBlanks(type);
  if (type == "text/plain") return PageFormat::kText;
  if (type == "application/openmetrics-text") return PageFormat::kOpenMetrics;
  if (fallback) return *fallback;
  if (content_type.empty()) {
    return Fail(Cause::kInvalid,
                "the target sends no Content-Type, and no fallback_scrape_protocol is specified");
  }
  return Fail(Cause::kInvalid,
              "received unsupported Content-Type {}, and no fallback_scrape_protocol is specified",
              yaml::Shown(content_type));
}

std::string Unescaped(std::string_view help, PageFormat format) {
  return WithoutEscapes(help, format == PageFormat::kOpenMetrics);
}

}  // namespace fettle::exporter
