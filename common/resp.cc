#include "common/resp.h"

#include <algorithm>
#include <charconv>
#include <optional>

namespace fettle {
namespace {

constexpr std::size_t kLineBytesMax = 64 * 1024;
constexpr std::size_t kPieceBytes = 64 * 1024;

std::optional<std::int64_t> Number(std::string_view text) {
  if (text.starts_with('+')) text.remove_prefix(1);
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || text.empty()) {
    return std::nullopt;
  }
  return value;
}

// What goes into a message: printable and short, for the other side may be anything.
std::string Shown(std::string_view text) {
  std::string out;
  for (const char c : text.substr(0, 60)) out += (c >= ' ' && c < 127) ? c : '?';
  return out;
}

}  // namespace

std::string WriteResp(const std::vector<std::string>& words) {
  std::string out = "*" + std::to_string(words.size()) + "\r\n";
  for (const std::string& word : words) {
    out += "$" + std::to_string(word.size()) + "\r\n" + word + "\r\n";
  }
  return out;
}

Result<RedisReply> RespReader::Next() {
  charged_ = 0;
  refused_.clear();
  Result<RedisReply> reply = Read(0);
  if (reply && !refused_.empty()) return Fail("{}", refused_);
  return reply;
}

Result<RedisReply> RespReader::Read(int depth) {
  if (depth > Redis::kDepthMax) {
    return Fail(Cause::kLimit, "a reply nested deeper than {}", Redis::kDepthMax);
  }
  Result<std::string> line = Line();
  if (!line) return tl::unexpected(line.error());
  if (line->empty()) return Fail(Cause::kInvalid, "an empty line where a reply should begin");
  const std::string_view rest = std::string_view(*line).substr(1);
  RedisReply reply;
  switch (line->front()) {
    case '+':
      reply.kind = RedisReply::Kind::kString;
      reply.text = rest;
      return reply;
    case '-':
      if (refused_.empty()) refused_ = rest.empty() ? "an error without text" : std::string(rest);
      return reply;
    case ':': {
      const auto value = Number(rest);
      if (!value) return Fail(Cause::kInvalid, "\"{}\" is not an integer", Shown(rest));
      reply.kind = RedisReply::Kind::kInteger;
      reply.integer = *value;
      return reply;
    }
    case '$':
      return ReadBulk(rest);
    case '*':
      return ReadArray(rest, depth);
    default:
      return Fail(Cause::kInvalid, "\"{}\" is not Redis' protocol", Shown(*line));
  }
}

Result<RedisReply> RespReader::ReadBulk(std::string_view length_text) {
  const auto length = Number(length_text);
  if (!length || *length < -1) {
    return Fail(Cause::kInvalid, "\"{}\" is not a string's length", Shown(length_text));
  }
  if (*length == -1) return RedisReply{};
  const auto size = static_cast<std::size_t>(*length);
  if (Status charged = Charge(size); !charged) return tl::unexpected(charged.error());
  while (buffer_.size() - at_ < size + 2) {
    if (Status filled = Fill(); !filled) return tl::unexpected(filled.error());
  }
  RedisReply reply;
  reply.kind = RedisReply::Kind::kString;
  reply.text = buffer_.substr(at_, size);
  at_ += size;
  if (buffer_.compare(at_, 2, "\r\n") != 0) {
    return Fail(Cause::kInvalid, "a string is longer than its length says");
  }
  at_ += 2;
  return reply;
}

Result<RedisReply> RespReader::ReadArray(std::string_view length_text, int depth) {
  const auto length = Number(length_text);
  if (!length || *length < -1) {
    return Fail(Cause::kInvalid, "\"{}\" is not an array's length", Shown(length_text));
  }
  if (*length == -1) return RedisReply{};
  RedisReply reply;
  reply.kind = RedisReply::Kind::kArray;
  // Nothing is reserved: the length is only a claim until the items have come.
  for (std::int64_t i = 0; i < *length; ++i) {
    if (Status charged = Charge(sizeof(RedisReply)); !charged) {
      return tl::unexpected(charged.error());
    }
    Result<RedisReply> item = Read(depth + 1);
    if (!item) return item;
    reply.items.push_back(*std::move(item));
  }
  return reply;
}

Result<std::string> RespReader::Line() {
  std::size_t searched = at_;
  for (;;) {
    const std::size_t end = buffer_.find("\r\n", searched);
    if (end != std::string::npos && end - at_ <= kLineBytesMax) {
      std::string line = buffer_.substr(at_, end - at_);
      at_ = end + 2;
      if (Status charged = Charge(line.size()); !charged) return tl::unexpected(charged.error());
      return line;
    }
    if (buffer_.size() - at_ > kLineBytesMax) {
      return Fail(Cause::kLimit, "a line of more than {} bytes", kLineBytesMax);
    }
    const std::size_t unread = buffer_.size() - at_;
    if (Status filled = Fill(); !filled) return tl::unexpected(filled.error());
    searched = at_ + (unread == 0 ? 0 : unread - 1);  // a '\r' may have been the last byte
  }
}

Status RespReader::Fill() {
  if (at_ > kPieceBytes || at_ == buffer_.size()) {
    buffer_.erase(0, at_);
    at_ = 0;
  }
  const std::size_t before = buffer_.size();
  buffer_.resize(before + kPieceBytes);
  const Result<std::size_t> got = source_(buffer_.data() + before, kPieceBytes);
  buffer_.resize(before + (got ? std::min(*got, kPieceBytes) : 0));
  if (!got) return tl::unexpected(got.error());
  if (*got == 0) return Fail(Cause::kUnavailable, "the connection was closed");
  return {};
}

Status RespReader::Charge(std::size_t bytes) {
  if (bytes > Redis::kReplyBytesMax - charged_) {
    return Fail(Cause::kLimit, "a reply of more than {} bytes", Redis::kReplyBytesMax);
  }
  charged_ += bytes;
  return {};
}

}  // namespace fettle
