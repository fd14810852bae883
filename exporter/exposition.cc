#include "exporter/exposition.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <cmath>
#include <cstdlib>

namespace fettle::exporter {
namespace {

enum class Escape { kHelpText, kHelpOpenMetrics, kLabel };

bool Plain(char c) {
  return static_cast<unsigned char>(c) >= 0x20 && static_cast<unsigned char>(c) < 0x7f &&
         c != '"' && c != '\\';
}

// The length of the UTF-8 sequence at the start of `text`, or 0 if there is none.
std::size_t SequenceLength(std::string_view text) {
  for (std::size_t length = 1; length <= 4 && length <= text.size(); ++length) {
    if (IsUtf8(text.substr(0, length))) return length;
  }
  return 0;
}

void AppendEscaped(std::string& out, std::string_view text, Escape escape) {
  std::size_t at = 0;
  while (at < text.size()) {
    std::size_t run = at;
    while (run < text.size() && Plain(text[run])) ++run;
    out.append(text, at, run - at);
    at = run;
    if (at == text.size()) break;
    const char c = text[at];
    if (c == '\\') {
      out += "\\\\";
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '"' && escape != Escape::kHelpText) {
      out += "\\\"";
    } else {
      const std::size_t length = SequenceLength(text.substr(at));
      if (length == 0) {
        out += "\xef\xbf\xbd";
      } else {
        out.append(text, at, length);
        at += length - 1;
      }
    }
    ++at;
  }
}

std::string_view TypeName(MetricType type, Format format) {
  const bool open = format == Format::kOpenMetrics;
  switch (type) {
    case MetricType::kCounter:
      return "counter";
    case MetricType::kGauge:
      return "gauge";
    case MetricType::kHistogram:
      return "histogram";
    case MetricType::kSummary:
      return "summary";
    case MetricType::kInfo:
      return open ? "info" : "gauge";
    // Our state sets name the state in a label of its own, so they are gauges on the wire.
    case MetricType::kStateSet:
      return "gauge";
    case MetricType::kUnknown:
      return open ? "unknown" : "untyped";
  }
  std::abort();
}

// OpenMetrics names the family without the suffix that its samples carry.
std::string_view FamilyName(const MetricFamily& family, Format format) {
  std::string_view name = family.name;
  if (format != Format::kOpenMetrics) return name;
  if (family.type == MetricType::kCounter && name.ends_with("_total")) name.remove_suffix(6);
  if (family.type == MetricType::kInfo && name.ends_with("_info")) name.remove_suffix(5);
  return name;
}

void AppendLabels(std::string& out, const Labels& labels) {
  char before = '{';
  for (const auto& [name, value] : labels) {
    out += before;
    before = ',';
    out += name;
    out += "=\"";
    AppendEscaped(out, value, Escape::kLabel);
    out += '"';
  }
  out += '}';
}

void AppendPoint(std::string& out, const MetricFamily& family, const MetricPoint& point,
                 const ExemplarBoard* exemplars) {
  out += family.name;
  out += point.suffix;
  if (!point.labels.empty()) AppendLabels(out, point.labels);
  out += ' ';
  AppendNumber(out, point.value);
  if (exemplars != nullptr && point.suffix == "_bucket") {
    if (const auto exemplar = exemplars->Find(family.name, point.labels)) {
      out += " # ";
      AppendLabels(out, exemplar->labels);
      out += ' ';
      AppendNumber(out, exemplar->value);
      out += fmt::format(" {:.3f}", ToSeconds(exemplar->at));
    }
  }
  out += '\n';
}

// "…;q=0.5" of one Accept element; 1 if it has none.
double Quality(std::string_view element) {
  const std::size_t at = element.find(";q=");
  if (at == std::string_view::npos) return 1;
  double q = 0;
  const std::string_view text = element.substr(at + 3);
  std::from_chars(text.data(), text.data() + text.size(), q);
  return q;
}

std::string WithoutSpaces(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c != ' ' && c != '\t') out += c;
  }
  return out;
}

}  // namespace

Format Negotiate(std::string_view accept) {
  double text = 0;
  double open = 0;
  const std::string all = WithoutSpaces(accept);
  std::string_view rest = all;
  while (!rest.empty()) {
    const std::string_view element = rest.substr(0, rest.find(','));
    rest.remove_prefix(std::min(rest.size(), element.size() + 1));
    const std::string_view type = element.substr(0, element.find(';'));
    if (type == "application/openmetrics-text") {
      const bool other_version = element.find("version=") != std::string_view::npos &&
                                 element.find("version=1.0.0") == std::string_view::npos &&
                                 element.find("version=0.0.1") == std::string_view::npos;
      if (!other_version) open = std::max(open, Quality(element));
    } else if (type == "text/plain" || type == "text/*" || type == "*/*") {
      text = std::max(text, Quality(element));
    }
  }
  return open > text ? Format::kOpenMetrics : Format::kText;
}

std::string_view ContentType(Format format) {
  return format == Format::kOpenMetrics
             ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
             : "text/plain; version=0.0.4; charset=utf-8";
}

void AppendNumber(std::string& out, double value) {
  if (std::isnan(value)) {
    out += "NaN";
    return;
  }
  if (std::isinf(value)) {
    out += value > 0 ? "+Inf" : "-Inf";
    return;
  }
  std::array<char, 32> buffer;
  // Most values are whole numbers, and whole numbers print several times faster.
  constexpr double kWholeMax = 1e15;
  if (std::abs(value) < kWholeMax && value == std::trunc(value) && !std::signbit(value)) {
    const auto [end, error] =
        std::to_chars(buffer.data(), buffer.data() + buffer.size(), static_cast<long long>(value));
    out.append(buffer.data(), end);
    return;
  }
  const auto [end, error] = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value);
  out.append(buffer.data(), end);
}

void AppendFamily(std::string& out, const std::vector<const MetricFamily*>& parts, Format format,
                  const ExemplarBoard* exemplars) {
  if (parts.empty()) return;
  const MetricFamily& first = *parts.front();
  const std::string_view name = FamilyName(first, format);
  out += "# HELP ";
  out += name;
  out += ' ';
  AppendEscaped(out, first.help,
                format == Format::kOpenMetrics ? Escape::kHelpOpenMetrics : Escape::kHelpText);
  out += "\n# TYPE ";
  out += name;
  out += ' ';
  out += TypeName(first.type, format);
  out += '\n';
  const ExemplarBoard* const shown =
      format == Format::kOpenMetrics && first.type == MetricType::kHistogram ? exemplars : nullptr;
  for (const MetricFamily* part : parts) {
    for (const MetricPoint& point : part->points) AppendPoint(out, first, point, shown);
  }
}

std::string_view Ending(Format format) { return format == Format::kOpenMetrics ? "# EOF\n" : ""; }

}  // namespace fettle::exporter
