#include "common/sigv4.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "common/digest.h"

namespace fettle {
namespace {

struct UrlParts {
  std::string_view authority;
  std::string_view path;   // "/" at least
  std::string_view query;  // without "?"
};

UrlParts Split(std::string_view url) {
  const bool https = url.starts_with("https:");
  const std::size_t scheme = url.find("://");
  if (scheme != std::string_view::npos) url.remove_prefix(scheme + 3);
  UrlParts parts;
  const std::size_t path = std::min(url.find_first_of("/?"), url.size());
  parts.authority = url.substr(0, path);
  // The port that goes without saying is not sent in Host either.
  const std::string_view usual = https ? ":443" : ":80";
  if (parts.authority.ends_with(usual)) parts.authority.remove_suffix(usual.size());
  const std::string_view rest = url.substr(path);
  const std::size_t question = rest.find('?');
  parts.path = rest.substr(0, question);
  if (parts.path.empty()) parts.path = "/";
  if (question != std::string_view::npos) parts.query = rest.substr(question + 1);
  return parts;
}

// Without "." and ".." segments and repeated slashes: what every service but S3 wants.
std::string Normalized(std::string_view path) {
  std::vector<std::string_view> segments;
  std::size_t begin = 0;
  while (begin < path.size()) {
    const std::size_t end = std::min(path.find('/', begin), path.size());
    const std::string_view segment = path.substr(begin, end - begin);
    if (segment == "..") {
      if (!segments.empty()) segments.pop_back();
    } else if (!segment.empty() && segment != ".") {
      segments.push_back(segment);
    }
    begin = end + 1;
  }
  std::string out;
  for (const std::string_view segment : segments) out += "/" + std::string(segment);
  if (out.empty() || path.ends_with('/')) out += "/";
  return out;
}

std::string EncodedPath(std::string_view path) {
  std::string out;
  std::size_t begin = 0;
  for (;;) {
    const std::size_t end = path.find('/', begin);
    out += PercentEncode(path.substr(begin, end - begin));
    if (end == std::string_view::npos) return out;
    out += '/';
    begin = end + 1;
  }
}

// Pairs sorted by name, then value, both as they are sent; a name without value gets a "=".
std::string CanonicalQuery(std::string_view query) {
  std::vector<std::pair<std::string_view, std::string_view>> pairs;
  while (!query.empty()) {
    const std::size_t end = std::min(query.find('&'), query.size());
    const std::string_view pair = query.substr(0, end);
    query.remove_prefix(std::min(end + 1, query.size()));
    if (pair.empty()) continue;
    const std::size_t equals = pair.find('=');
    pairs.emplace_back(pair.substr(0, equals), equals == std::string_view::npos
                                                   ? std::string_view()
                                                   : pair.substr(equals + 1));
  }
  std::sort(pairs.begin(), pairs.end());
  std::string out;
  for (const auto& [name, value] : pairs) {
    if (!out.empty()) out += '&';
    out += fmt::format("{}={}", name, value);
  }
  return out;
}

// Trimmed, and every run of spaces one space.
std::string CanonicalValue(std::string_view value) {
  std::string out;
  for (const char c : value) {
    const bool space = c == ' ' || c == '\t' || c == '\n' || c == '\r';
    if (!space) {
      out += c;
    } else if (!out.empty() && out.back() != ' ') {
      out += ' ';
    }
  }
  if (!out.empty() && out.back() == ' ') out.pop_back();
  return out;
}

std::string Lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

// What proxies and libraries may change on the way is not signed.
bool IsSigned(std::string_view lower_name) {
  return lower_name != "authorization" && lower_name != "user-agent" && lower_name != "expect" &&
         lower_name != "connection" && lower_name != "transfer-encoding" &&
         lower_name != "x-amzn-trace-id";
}

std::map<std::string, std::string> SignedHeaders(const HttpRequest& request) {
  std::map<std::string, std::string> headers;
  for (const auto& [name, value] : request.headers) {
    const std::string lower = Lower(name);
    if (!IsSigned(lower)) continue;
    const auto [at, fresh] = headers.emplace(lower, CanonicalValue(value));
    if (!fresh) at->second += "," + CanonicalValue(value);
  }
  headers.emplace("host", std::string(Split(request.url).authority));
  return headers;
}

std::string NamesOf(const std::map<std::string, std::string>& headers) {
  std::string names;
  for (const auto& [name, value] : headers) names += (names.empty() ? "" : ";") + name;
  return names;
}

}  // namespace

std::string AwsDate(Time now) {
  const auto day = std::chrono::floor<std::chrono::days>(now);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss time(std::chrono::floor<std::chrono::seconds>(now - day));
  return fmt::format("{:04}{:02}{:02}T{:02}{:02}{:02}Z", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                     time.hours().count(), time.minutes().count(), time.seconds().count());
}

std::string Sigv4::CanonicalRequest(const HttpRequest& request,
                                    std::string_view payload_sha256_hex) const {
  const UrlParts url = Split(request.url);
  // S3's keys are paths as they are; everywhere else the path is cleaned and encoded once more.
  const std::string path =
      service_ == "s3" ? std::string(url.path) : EncodedPath(Normalized(url.path));
  const std::map<std::string, std::string> headers = SignedHeaders(request);
  std::string lines;
  for (const auto& [name, value] : headers) lines += name + ":" + value + "\n";
  return fmt::format("{}\n{}\n{}\n{}\n{}\n{}", request.method, path, CanonicalQuery(url.query),
                     lines, NamesOf(headers), payload_sha256_hex);
}

void Sigv4::Sign(HttpRequest& request, const AwsCredentials& credentials, std::string_view region,
                 Time now, std::string_view payload_sha256_hex) {
  const std::string at = AwsDate(now);
  const std::string date = at.substr(0, 8);
  request.headers.Set("x-amz-date", at);
  if (service_ == "s3") request.headers.Set("x-amz-content-sha256", payload_sha256_hex);
  if (!credentials.session_token.empty()) {
    request.headers.Set("x-amz-security-token", credentials.session_token);
  }
  const std::string scope = fmt::format("{}/{}/{}/aws4_request", date, region, service_);
  const std::string to_sign =
      fmt::format("AWS4-HMAC-SHA256\n{}\n{}\n{}", at, scope,
                  Hex(Sha256(CanonicalRequest(request, payload_sha256_hex))));
  const std::string signature = Hex(HmacSha256(SigningKey(credentials, date, region), to_sign));
  request.headers.Set(
      "authorization",
      fmt::format("AWS4-HMAC-SHA256 Credential={}/{}, SignedHeaders={}, Signature={}",
                  credentials.access_key_id, scope, NamesOf(SignedHeaders(request)), signature));
}

std::string Sigv4::SigningKey(const AwsCredentials& credentials, std::string_view date,
                              std::string_view region) {
  // The secret itself is not kept as a name: its digest tells two of them apart.
  auto name = std::make_tuple(Sha256(credentials.secret_access_key), std::string(date),
                              std::string(region));
  const std::lock_guard lock(mutex_);
  const auto found = keys_.find(name);
  if (found != keys_.end()) return found->second;
  std::string key = HmacSha256("AWS4" + credentials.secret_access_key, date);
  key = HmacSha256(key, region);
  key = HmacSha256(key, service_);
  key = HmacSha256(key, "aws4_request");
  if (keys_.size() >= kKeysMax) keys_.clear();
  return keys_.emplace(std::move(name), std::move(key)).first->second;
}

}  // namespace fettle
