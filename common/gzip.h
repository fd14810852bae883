// Compresses answers. Safe from any thread.
#pragma once

#include <string>
#include <string_view>

namespace fettle {

// A complete gzip stream, at zlib's fastest level: an answer is read once.
std::string Gzip(std::string_view text);

// True if an Accept-Encoding header allows gzip: named, or by "*", and not with q=0.
bool AcceptsGzip(std::string_view accept_encoding);

}  // namespace fettle
