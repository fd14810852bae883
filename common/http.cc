#include "common/http.h"

#include <algorithm>
#include <array>

#include "common/check.h"

namespace fettle {
namespace {

char Lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool SameName(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](char x, char y) { return Lower(x) == Lower(y); });
}

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

bool Unreserved(char c) {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '.' || c == '_' || c == '~';
}

// "https://host:1/a?b#c" and "/a?b#c" both give "/a?b".
std::string_view PathAndQuery(std::string_view url) {
  url = url.substr(0, url.find('#'));
  const std::size_t scheme = url.find("://");
  if (scheme != std::string_view::npos && scheme < url.find_first_of("/?")) {
    url.remove_prefix(scheme + 3);
    const std::size_t end = url.find_first_of("/?");
    url = end == std::string_view::npos ? std::string_view() : url.substr(end);
  }
  return url;
}

// Calls visit(name, value) for each parameter as sent, until it says false.
template <typename Visit>
void ForEachParameter(std::string_view url, Visit visit) {
  url = PathAndQuery(url);
  const std::size_t mark = url.find('?');
  if (mark == std::string_view::npos) return;
  std::string_view rest = url.substr(mark + 1);
  while (!rest.empty()) {
    const std::string_view pair = rest.substr(0, rest.find('&'));
    rest.remove_prefix(std::min(rest.size(), pair.size() + 1));
    if (pair.empty()) continue;
    const std::size_t equals = pair.find('=');
    const std::string_view value =
        equals == std::string_view::npos ? std::string_view() : pair.substr(equals + 1);
    if (!visit(pair.substr(0, equals), value)) return;
  }
}

}  // namespace

std::string_view Headers::Get(std::string_view name) const {
  for (const Pair& pair : pairs_) {
    if (SameName(pair.first, name)) return pair.second;
  }
  return {};
}

bool Headers::Has(std::string_view name) const {
  return std::any_of(pairs_.begin(), pairs_.end(),
                     [&](const Pair& pair) { return SameName(pair.first, name); });
}

void Headers::Set(std::string_view name, std::string_view value) {
  Pair pair{name, value};  // Copied first: both may point into what is erased.
  std::erase_if(pairs_, [&](const Pair& old) { return SameName(old.first, pair.first); });
  pairs_.push_back(std::move(pair));
}

std::string_view ToString(Role role) {
  switch (role) {
    case Role::kPublic:
      return "public";
    case Role::kRead:
      return "read";
    case Role::kWebhook:
      return "webhook";
    case Role::kOperator:
      return "operator";
  }
  FETTLE_CHECK(false);
}

std::string HttpRequest::Path() const {
  const std::string_view target = PathAndQuery(url);
  const std::string_view path = target.substr(0, target.find('?'));
  return path.empty() ? "/" : PercentDecode(path, /*plus_is_space=*/false);
}

std::optional<std::string> HttpRequest::Query(std::string_view name) const {
  std::optional<std::string> found;
  ForEachParameter(url, [&](std::string_view key, std::string_view value) {
    if (PercentDecode(key, true) != name) return true;
    found = PercentDecode(value, true);
    return false;
  });
  return found;
}

std::vector<std::string> HttpRequest::QueryAll(std::string_view name) const {
  std::vector<std::string> all;
  ForEachParameter(url, [&](std::string_view key, std::string_view value) {
    if (PercentDecode(key, true) == name) all.push_back(PercentDecode(value, true));
    return true;
  });
  return all;
}

HttpResponse TextResponse(int status, std::string_view text) {
  HttpResponse response;
  response.status = status;
  response.headers.Set("Content-Type", "text/plain; charset=utf-8");
  response.body = text;
  return response;
}

HttpResponse JsonResponse(int status, std::string body) {
  HttpResponse response;
  response.status = status;
  response.headers.Set("Content-Type", "application/json");
  response.body = std::move(body);
  return response;
}

std::string PercentEncode(std::string_view text) {
  static constexpr std::string_view kHex = "0123456789ABCDEF";
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    if (Unreserved(c)) {
      out += c;
    } else {
      const auto byte = static_cast<unsigned char>(c);
      out += '%';
      out += kHex[byte >> 4U];
      out += kHex[byte & 15U];
    }
  }
  return out;
}

std::string PercentDecode(std::string_view text, bool plus_is_space) {
  std::string out(text.size(), '\0');
  char* to = out.data();
  for (std::size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (c == '+' && plus_is_space) {
      c = ' ';
    } else if (c == '%' && i + 2 < text.size()) {
      const int high = HexDigit(text[i + 1]);
      const int low = HexDigit(text[i + 2]);
      if (high >= 0 && low >= 0) {
        c = static_cast<char>(high * 16 + low);
        i += 2;
      }
    }
    *to++ = c;
  }
  out.resize(static_cast<std::size_t>(to - out.data()));
  return out;
}

}  // namespace fettle
