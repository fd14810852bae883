#include "common/log.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "common/duration.h"
#include "common/json.h"
#include "common/labels.h"

namespace fettle {
namespace {

std::string_view LevelName(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return "debug";
    case LogLevel::kInfo:
      return "info";
    case LogLevel::kWarn:
      return "warn";
    case LogLevel::kError:
      return "error";
  }
  return "error";
}

// Cut at a character's beginning, so that the rest stays valid UTF-8.
std::string Shortened(std::string_view value) {
  if (value.size() <= LogWriter::kValueBytesMax) return std::string(value);
  std::size_t end = LogWriter::kValueBytesMax;
  while (end > 0 && (static_cast<unsigned char>(value[end]) & 0xc0) == 0x80) --end;
  return fmt::format("{}… ({} bytes)", value.substr(0, end), value.size());
}

bool IsPlain(char c) { return c > ' ' && c < 0x7f && c != '"' && c != '=' && c != '\\'; }

std::string LogfmtValue(std::string_view value) {
  const std::string shown = Shortened(value);
  const bool plain = !shown.empty() && std::all_of(shown.begin(), shown.end(), IsPlain);
  return plain ? shown : Quote(shown);
}

std::string LogfmtKey(std::string_view key) {
  std::string out(key);
  std::replace_if(
      out.begin(), out.end(), [](char c) { return !IsPlain(c); }, '_');
  return out.empty() ? "_" : out;
}

std::string LogfmtLine(const std::string& at, LogLevel level, std::string_view component,
                       std::string_view message, const LogFields& fields) {
  std::string line = fmt::format("ts={} level={} component={} msg={}", at, LevelName(level),
                                 LogfmtValue(component), LogfmtValue(message));
  for (const LogField& field : fields) {
    line += fmt::format(" {}={}", LogfmtKey(field.key), LogfmtValue(field.value));
  }
  return line;
}

std::string JsonLine(const std::string& at, LogLevel level, std::string_view component,
                     std::string_view message, const LogFields& fields) {
  JsonWriter json;
  json.BeginObject()
      .Field("ts", at)
      .Field("level", LevelName(level))
      .Field("component", component)
      .Field("msg", Shortened(message));
  for (const LogField& field : fields) json.Field(field.key, Shortened(field.value));
  return json.EndObject().Take();
}

}  // namespace

Result<LogLevel> ParseLogLevel(std::string_view text) {
  for (const LogLevel level :
       {LogLevel::kDebug, LogLevel::kInfo, LogLevel::kWarn, LogLevel::kError}) {
    if (text == LevelName(level)) return level;
  }
  return Fail(Cause::kInvalid, "unknown log level \"{}\": use debug, info, warn or error", text);
}

LogWriter::LogWriter(const Clock& clock, LogSink sink, Options options)
    : clock_(clock), sink_(std::move(sink)), options_(options) {}

void LogWriter::Write(LogLevel level, std::string_view component, std::string_view message,
                      const LogFields& fields) {
  if (!Wants(level)) return;
  const std::string at = FormatRfc3339(clock_.Now().wall);
  const std::string line = options_.format == LogFormat::kJson
                               ? JsonLine(at, level, component, message, fields)
                               : LogfmtLine(at, level, component, message, fields);
  const std::lock_guard lock(mutex_);
  sink_(line);
}

LogSink StderrSink() {
  return [](std::string_view line) {
    // One write a line, so that lines of several processes do not mix.
    std::string text(line);
    text += '\n';
    std::string_view rest = text;
    while (!rest.empty()) {
      const ssize_t wrote = write(STDERR_FILENO, rest.data(), rest.size());
      if (wrote < 0 && errno == EINTR) continue;
      if (wrote <= 0) return;  // Nobody is left to tell.
      rest.remove_prefix(static_cast<std::size_t>(wrote));
    }
  };
}

Log Log::With(LogFields fields) const {
  Log out = *this;
  for (LogField& field : fields) out.context_.push_back(std::move(field));
  return out;
}

void Log::Debug(std::string_view message, LogFields fields) const {
  Write(LogLevel::kDebug, message, std::move(fields));
}
void Log::Info(std::string_view message, LogFields fields) const {
  Write(LogLevel::kInfo, message, std::move(fields));
}
void Log::Warn(std::string_view message, LogFields fields) const {
  Write(LogLevel::kWarn, message, std::move(fields));
}
void Log::Error(std::string_view message, LogFields fields) const {
  Write(LogLevel::kError, message, std::move(fields));
}

void Log::Write(LogLevel level, std::string_view message, LogFields fields) const {
  if (!writer_->Wants(level)) return;
  if (context_.empty()) return writer_->Write(level, component_, message, fields);
  LogFields all = context_;
  for (LogField& field : fields) all.push_back(std::move(field));
  writer_->Write(level, component_, message, all);
}

}  // namespace fettle
