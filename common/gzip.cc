#include "common/gzip.h"

#include <zlib.h>

#include <algorithm>

#include "common/check.h"

namespace fettle {
namespace {

constexpr int kGzipWindow = 15 + 16;  // zlib: the largest window, with gzip's header
constexpr int kMemoryLevel = 8;

std::string_view Trim(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") + 1 - first);
}

// "q=0", "q=0.0": never. Anything else is a wish of some strength.
bool IsRefused(std::string_view parameters) {
  const std::size_t q = parameters.find("q=");
  if (q == std::string_view::npos) return false;
  const std::string_view weight = Trim(parameters.substr(q + 2));
  return !weight.empty() && weight.find_first_not_of("0.") == std::string_view::npos;
}

}  // namespace

std::string Gzip(std::string_view text) {
  z_stream stream{};
  FETTLE_CHECK(deflateInit2(&stream, Z_BEST_SPEED, Z_DEFLATED, kGzipWindow, kMemoryLevel,
                            Z_DEFAULT_STRATEGY) == Z_OK);
  std::string out(deflateBound(&stream, text.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  FETTLE_CHECK(deflate(&stream, Z_FINISH) == Z_STREAM_END);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

bool AcceptsGzip(std::string_view accept_encoding) {
  bool any = false;
  while (!accept_encoding.empty()) {
    const std::string_view item = accept_encoding.substr(0, accept_encoding.find(','));
    accept_encoding.remove_prefix(std::min(accept_encoding.size(), item.size() + 1));
    const std::size_t semicolon = item.find(';');
    const std::string_view name = Trim(item.substr(0, semicolon));
    const bool refused =
        semicolon != std::string_view::npos && IsRefused(item.substr(semicolon + 1));
    if (name == "gzip" || name == "x-gzip") return !refused;
    if (name == "*") any = !refused;
  }
  return any;
}

}  // namespace fettle
