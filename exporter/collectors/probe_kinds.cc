#include "exporter/collectors/probe_kinds.h"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "common/dial.h"
#include "common/postgres.h"
#include "common/process.h"
#include "common/redis.h"

namespace fettle::exporter {
namespace {

class HttpProbe final : public Probe {
 public:
  HttpProbe(HttpProbeConfig config, HttpTransport& transport)
      : config_(std::move(config)), transport_(transport) {}

  ProbeAnswer Try(Millis timeout) override {
    HttpRequest request{.method = config_.method, .url = config_.url, .body = config_.body};
    for (const auto& [name, value] : config_.headers) request.headers.Set(name, value);
    HttpOptions options;
    options.timeout = timeout;
    options.connect_timeout = timeout;
    options.tls = config_.tls;
    options.follow_redirects = config_.follow_redirects;
    constexpr std::size_t kBodyBytesMax = 1024 * 1024;
    options.body_bytes_max = kBodyBytesMax;
    const Result<HttpResponse> response = transport_.Send(request, options);
    if (!response) return tl::unexpected(response.error());
    const std::vector<int>& wanted = config_.expect_status;
    const bool expected =
        wanted.empty() ? response->status >= 200 && response->status < 300
                       : std::find(wanted.begin(), wanted.end(), response->status) != wanted.end();
    if (!expected) return Fail("it answered with status {}", response->status);
    if (response->body.find(config_.expect_body) == std::string::npos) {
      return Fail("its answer does not contain \"{}\"", config_.expect_body);
    }
    return Status{};
  }

 private:
  const HttpProbeConfig config_;
  HttpTransport& transport_;
};

class TcpProbe final : public Probe {
 public:
  TcpProbe(TcpProbeConfig config, const Clock& clock) : config_(std::move(config)), clock_(clock) {}

  ProbeAnswer Try(Millis timeout) override {
    const BootTime deadline = clock_.Now().boot + timeout;
    const Result<UniqueFd> fd = Dial(config_.address, timeout);
    if (!fd) return tl::unexpected(fd.error());
    if (!config_.send.empty() &&
        send(fd->get(), config_.send.data(), config_.send.size(), MSG_NOSIGNAL) < 0) {
      return Fail("sending: {}", std::strerror(errno));
    }
    if (config_.expect.empty()) return Status{};
    return Listen(fd->get(), deadline);
  }

 private:
  Status Listen(int fd, BootTime deadline) {
    constexpr std::size_t kHeardBytesMax = 64 * 1024;
    std::string heard;
    while (heard.find(config_.expect) == std::string::npos) {
      const auto left = std::chrono::duration_cast<Millis>(deadline - clock_.Now().boot).count();
      pollfd waiting{fd, POLLIN, 0};
      if (left <= 0 || poll(&waiting, 1, static_cast<int>(left)) == 0) {
        return Fail(Cause::kTimeout, "it did not say \"{}\" in time", config_.expect);
      }
      std::array<char, 4096> buffer;
      const ssize_t got = recv(fd, buffer.data(), buffer.size(), 0);
      if (got < 0 && (errno == EINTR || errno == EAGAIN)) continue;
      if (got <= 0) return Fail("it hung up before it said \"{}\"", config_.expect);
      heard.append(buffer.data(), static_cast<std::size_t>(got));
      if (heard.size() > kHeardBytesMax) {
        return Fail(Cause::kLimit, "it said {} bytes without \"{}\"", heard.size(), config_.expect);
      }
    }
    return Status{};
  }

  const TcpProbeConfig config_;
  const Clock& clock_;
};

class ExecProbe final : public Probe {
 public:
  explicit ExecProbe(ExecProbeConfig config) : config_(std::move(config)) {}

  ProbeAnswer Try(Millis timeout) override {
    ProcessSpec spec;
    spec.argv = config_.command;
    spec.environment = config_.environment;
    spec.timeout = timeout;
    constexpr Millis kKillAfter{200};
    spec.kill_after = kKillAfter;
    constexpr std::size_t kOutputBytesMax = 4096;
    spec.output_bytes_max = kOutputBytesMax;
    const Result<ProcessResult> result = RunProcess(spec);
    if (!result) return tl::unexpected(result.error());
    if (!result->succeeded()) return Fail("{}", result->Describe());
    return Status{};
  }

 private:
  const ExecProbeConfig config_;
};

class PostgresProbe final : public Probe {
 public:
  explicit PostgresProbe(PostgresProbeConfig config) : config_(std::move(config)) {}

  ProbeAnswer Try(Millis timeout) override {
    Result<Postgres> connection = Postgres::Connect(config_.connection.dsn, timeout);
    if (!connection) return tl::unexpected(connection.error());
    const Result<PostgresRows> rows = connection->Query(config_.query, {}, timeout);
    if (!rows) return tl::unexpected(rows.error());
    return Status{};
  }

 private:
  const PostgresProbeConfig config_;
};

class RedisProbe final : public Probe {
 public:
  explicit RedisProbe(RedisConnection connection) : connection_(std::move(connection)) {}

  ProbeAnswer Try(Millis timeout) override {
    Result<Redis> connection = Redis::Connect(connection_, timeout);
    if (!connection) return tl::unexpected(connection.error());
    const Result<RedisReply> reply = connection->Command({"PING"}, timeout);
    if (!reply) return tl::unexpected(reply.error());
    if (reply->text != "PONG") return Fail("it answered PING with \"{}\"", reply->text);
    return Status{};
  }

 private:
  const RedisConnection connection_;
};

}  // namespace

std::unique_ptr<Probe> MakeHttpProbe(HttpProbeConfig config, HttpTransport& transport) {
  return std::make_unique<HttpProbe>(std::move(config), transport);
}
std::unique_ptr<Probe> MakeTcpProbe(TcpProbeConfig config, const Clock& clock) {
  return std::make_unique<TcpProbe>(std::move(config), clock);
}
std::unique_ptr<Probe> MakeExecProbe(ExecProbeConfig config) {
  return std::make_unique<ExecProbe>(std::move(config));
}
std::unique_ptr<Probe> MakePostgresProbe(PostgresProbeConfig config) {
  return std::make_unique<PostgresProbe>(std::move(config));
}
std::unique_ptr<Probe> MakeRedisProbe(RedisConnection connection) {
  return std::make_unique<RedisProbe>(std::move(connection));
}

}  // namespace fettle::exporter
