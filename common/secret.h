// Holds a credential, from text or from a file, and never prints it.
//
// A file is read again at every use, so that rotation needs no reload. A value; safe to read from
// any thread.
#pragma once

#include <string>

#include "common/result.h"

namespace fettle {

class Secret {
 public:
  static constexpr std::size_t kFileBytesMax = 64 * 1024;
  Secret() = default;
  static Secret FromText(std::string text);
  static Secret FromFile(std::string path);

  // True if neither text nor file was configured.
  bool empty() const { return text_.empty() && path_.empty(); }
  // The credential, without trailing newline. Errors name the path, never the content.
  Result<std::string> Reveal() const;
  const std::string& path() const { return path_; }
  // "<secret>" or "" if empty: what configuration dumps show.
  std::string Masked() const { return empty() ? "" : "<secret>"; }
  bool operator==(const Secret&) const = default;

 private:
  std::string text_;
  std::string path_;
};

}  // namespace fettle
