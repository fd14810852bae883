// One connection to Redis: RESP2 over a socket, bounded and with deadlines. Blocks; one thread at a
// time. Protocol: redis.io/docs/reference/protocol-spec.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/clock.h"
#include "common/connections.h"
#include "common/result.h"

namespace fettle {

struct RedisReply {
  enum class Kind { kNil, kString, kInteger, kArray } kind = Kind::kNil;
  std::string text;
  std::int64_t integer = 0;
  std::vector<RedisReply> items;
};

class Redis {
 public:
  static constexpr std::size_t kReplyBytesMax = 64 * 1024 * 1024;
  static constexpr int kDepthMax = 8;
  // Connects and authenticates within the timeout.
  static Result<Redis> Connect(const RedisConnection& connection, Millis timeout);
  Redis(Redis&&) noexcept;
  Redis& operator=(Redis&&) noexcept;
  ~Redis();

  // A server's -ERR is kFailed with its text. After kTimeout the connection is of no more use.
  Result<RedisReply> Command(const std::vector<std::string>& words, Millis timeout);

 private:
  struct Impl;
  explicit Redis(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace fettle
