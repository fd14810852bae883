// Reads RESP2, the protocol Redis answers in, from any source of bytes. Bounded: one reply's bytes
// and items together stay under Redis::kReplyBytesMax, its nesting under Redis::kDepthMax.
// Protocol: redis.io/docs/reference/protocol-spec.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "common/redis.h"
#include "common/result.h"

namespace fettle {

// A command as the server reads it: an array of bulk strings.
std::string WriteResp(const std::vector<std::string>& words);

class RespReader {
 public:
  // Fills some of the buffer and says how much; 0 is the end of the stream.
  using Source = std::function<Result<std::size_t>(char* buffer, std::size_t size)>;
  explicit RespReader(Source source) : source_(std::move(source)) {}

  // The next reply. kFailed with the server's text for -ERR, also inside an array (the rest of the
  // reply has been read then); kInvalid for what is not RESP2, kLimit beyond a bound. After
  // anything but kFailed the stream is of no more use.
  Result<RedisReply> Next();

 private:
  Result<RedisReply> Read(int depth);
  Result<RedisReply> ReadBulk(std::string_view length);
  Result<RedisReply> ReadArray(std::string_view length, int depth);
  Result<std::string> Line();
  Status Fill();
  Status Charge(std::size_t bytes);

  Source source_;
  std::string buffer_;
  std::size_t at_ = 0;
  std::size_t charged_ = 0;
  std::string refused_;  // the first -ERR of this reply
};

}  // namespace fettle
