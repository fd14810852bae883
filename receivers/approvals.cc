#include "receivers/approvals.h"

#include <fmt/format.h>

#include <charconv>
#include <cstdint>

#include "common/digest.h"

namespace fettle::receivers {
namespace {

constexpr std::size_t kTokenBytesMax = 256;

template <typename T>
bool ReadNumber(std::string_view text, T& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size();
}

// 256 bits.
std::string NewKey(Random& random) {
  std::string key;
  for (int i = 0; i < 4; ++i) key += fmt::format("{:016x}", random.Next());
  return key;
}

}  // namespace

Approvals::Approvals(Random& random) : key_(NewKey(random)) {}

std::string Approvals::Sign(const std::string& incident, std::string_view pass,
                            std::string_view until) const {
  return Hex(HmacSha256(key_, fmt::format("approve\n{}\n{}\n{}", incident, pass, until)));
}

std::string Approvals::Token(const std::string& incident, int pass, Time until) const {
  const std::string until_ms = fmt::format("{}", ToMillis(until));
  const std::string number = fmt::format("{}", pass);
  return fmt::format("{}.{}.{}", until_ms, number, Sign(incident, number, until_ms));
}

Result<int> Approvals::Check(std::string_view token, const std::string& incident, Time now) const {
  const Error wrong{"the link is not one of this incident's", Cause::kDenied};
  const std::size_t first = token.find('.');
  const std::size_t second = token.find('.', first == std::string_view::npos ? first : first + 1);
  if (token.size() > kTokenBytesMax || second == std::string_view::npos) {
    return tl::unexpected(wrong);
  }
  const std::string_view until = token.substr(0, first);
  const std::string_view pass = token.substr(first + 1, second - first - 1);
  if (!EqualInConstantTime(Sign(incident, pass, until), token.substr(second + 1))) {
    return tl::unexpected(wrong);
  }
  std::int64_t until_ms = 0;
  int number = 0;
  if (!ReadNumber(until, until_ms) || !ReadNumber(pass, number)) return tl::unexpected(wrong);
  if (ToMillis(now) >= until_ms) {
    return Fail(Cause::kDenied, "the link has expired");
  }
  return number;
}

}  // namespace fettle::receivers
