// Writes one line per event: ts= level= component= msg= key=value (logfmt) or the same as JSON.
// Safe from any thread. Values that may hold credentials are never given to it.
#pragma once

#include <fmt/format.h>

#include <functional>
#include <initializer_list>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/clock.h"
#include "common/result.h"

namespace fettle {

enum class LogLevel { kDebug, kInfo, kWarn, kError };
enum class LogFormat { kLogfmt, kJson };
Result<LogLevel> ParseLogLevel(std::string_view text);

struct LogField {
  std::string key;
  std::string value;
  LogField(std::string_view k, std::string_view v) : key(k), value(v) {}
  LogField(std::string_view k, const char* v) : key(k), value(v) {}
  LogField(std::string_view k, const std::string& v) : key(k), value(v) {}
  template <typename T>
    requires(!std::is_convertible_v<T, std::string_view>)
  LogField(std::string_view k, const T& v) : key(k), value(fmt::format("{}", v)) {}
};
using LogFields = std::vector<LogField>;

// Where lines go. The program's writes to stderr; a test's keeps them.
using LogSink = std::function<void(std::string_view line)>;

// The whole program's log; components get a Log of it.
class LogWriter {
 public:
  // A longer message or value is cut there and says how long it was.
  static constexpr std::size_t kValueBytesMax = 8 * 1024;
  struct Options {
    LogLevel level = LogLevel::kInfo;
    LogFormat format = LogFormat::kLogfmt;
  };
  // The clock must outlive it.
  LogWriter(const Clock& clock, LogSink sink, Options options);
  void Write(LogLevel level, std::string_view component, std::string_view message,
             const LogFields& fields);
  bool Wants(LogLevel level) const { return level >= options_.level; }

 private:
  const Clock& clock_;
  const LogSink sink_;
  const Options options_;
  std::mutex mutex_;
};

// Whole lines to stderr.
LogSink StderrSink();

// A component's handle on the log: a value, cheap to copy. With() adds fields to every line, such
// as the correlation id of one incident, run or request.
class Log {
 public:
  Log(LogWriter& writer, std::string component)
      : writer_(&writer), component_(std::move(component)) {}
  Log With(LogFields fields) const;

  void Debug(std::string_view message, LogFields fields = {}) const;
  void Info(std::string_view message, LogFields fields = {}) const;
  void Warn(std::string_view message, LogFields fields = {}) const;
  void Error(std::string_view message, LogFields fields = {}) const;

 private:
  void Write(LogLevel level, std::string_view message, LogFields fields) const;
  LogWriter* writer_;
  std::string component_;
  LogFields context_;
};

}  // namespace fettle
