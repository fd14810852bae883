#include "common/check.h"

#include <fmt/core.h>

#include <cstdio>
#include <cstdlib>

namespace fettle {

void CheckFailed(const char* condition, const std::source_location& where) {
  fmt::print(stderr, "level=error component=check msg=\"broken promise\" condition=\"{}\" at={}:{}\n",
             condition, where.file_name(), where.line());
  std::fflush(stderr);
  std::abort();
}

}  // namespace fettle
