#include "common/redis.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>

#include "common/deadline.h"
#include "common/dial.h"
#include "common/resp.h"

namespace fettle {
namespace {

std::string SslReason() {
  const unsigned long code = ERR_get_error();
  ERR_clear_error();
  const char* reason = code == 0 ? nullptr : ERR_reason_error_string(code);
  return reason == nullptr ? "the TLS session was broken off" : reason;
}

struct SslContextFree {
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
};
struct SslFree {
  void operator()(SSL* ssl) const { SSL_free(ssl); }
};

}  // namespace

struct Redis::Impl {
  UniqueFd fd;
  std::unique_ptr<SSL_CTX, SslContextFree> context;
  std::unique_ptr<SSL, SslFree> ssl;
  Deadline deadline{Millis(0)};  // of the command under way
  RespReader reader{[this](char* buffer, std::size_t size) { return Receive(buffer, size); }};
  bool broken = false;

  Status StartTls(const RedisConnection& connection);
  Status Wait(short events);
  Status SslWait(int outcome);
  Result<std::size_t> Receive(char* buffer, std::size_t size);
  Status SendAll(std::string_view bytes);
};

Status Redis::Impl::Wait(short events) {
  pollfd wait{fd.get(), events, 0};
  for (;;) {
    if (deadline.Passed()) return Fail(Cause::kTimeout, "no answer in time");
    const int ready = poll(&wait, 1, deadline.PollMillis());
    if (ready > 0) return {};
    if (ready < 0 && errno != EINTR) {
      return Fail(Cause::kUnavailable, "{}", std::generic_category().message(errno));
    }
  }
}

// What an SSL call that did not succeed asks us to wait for.
Status Redis::Impl::SslWait(int outcome) {
  switch (SSL_get_error(ssl.get(), outcome)) {
    case SSL_ERROR_WANT_READ:
      return Wait(POLLIN);
    case SSL_ERROR_WANT_WRITE:
      return Wait(POLLOUT);
    case SSL_ERROR_ZERO_RETURN:
      return Fail(Cause::kUnavailable, "the connection was closed");
    default:
      return Fail(Cause::kUnavailable, "{}", SslReason());
  }
}

Status Redis::Impl::StartTls(const RedisConnection& connection) {
  context.reset(SSL_CTX_new(TLS_client_method()));
  if (!context) return Fail("starting TLS: {}", SslReason());
  SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
  SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
  const int trusted =
      connection.ca_file.empty()
          ? SSL_CTX_set_default_verify_paths(context.get())
          : SSL_CTX_load_verify_locations(context.get(), connection.ca_file.c_str(), nullptr);
  if (trusted != 1) {
    return Fail(Cause::kInvalid, "reading ca_file {}: {}", connection.ca_file, SslReason());
  }
  ssl.reset(SSL_new(context.get()));
  if (!ssl || SSL_set_fd(ssl.get(), fd.get()) != 1) return Fail("starting TLS: {}", SslReason());
  const Result<HostPort> where = ParseHostPort(connection.address);
  if (!where) return tl::unexpected(where.error());
  // An address is looked for among the certificate's addresses, a name among its names.
  if (X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl.get()), where->host.c_str()) != 1) {
    ERR_clear_error();
    SSL_set1_host(ssl.get(), where->host.c_str());
    // The macro for this hides a C cast.
    SSL_ctrl(ssl.get(), SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
             const_cast<char*>(where->host.c_str()));
  }
  for (;;) {
    const int outcome = SSL_connect(ssl.get());
    if (outcome == 1) return {};
    if (Status waited = SslWait(outcome); !waited) return While("TLS handshake", waited.error());
  }
}

Result<std::size_t> Redis::Impl::Receive(char* buffer, std::size_t size) {
  for (;;) {
    if (ssl) {
      const int got = SSL_read(ssl.get(), buffer, static_cast<int>(size));
      if (got > 0) return static_cast<std::size_t>(got);
      if (Status waited = SslWait(got); !waited) return tl::unexpected(waited.error());
      continue;
    }
    const ssize_t got = recv(fd.get(), buffer, size, 0);
    if (got >= 0) return static_cast<std::size_t>(got);
    if (errno != EAGAIN && errno != EINTR) {
      return Fail(Cause::kUnavailable, "{}", std::generic_category().message(errno));
    }
    if (Status waited = Wait(POLLIN); !waited) return tl::unexpected(waited.error());
  }
}

Status Redis::Impl::SendAll(std::string_view bytes) {
  while (!bytes.empty()) {
    if (ssl) {
      const int sent = SSL_write(ssl.get(), bytes.data(), static_cast<int>(bytes.size()));
      if (sent > 0) {
        bytes.remove_prefix(static_cast<std::size_t>(sent));
      } else if (Status waited = SslWait(sent); !waited) {
        return waited;
      }
      continue;
    }
    const ssize_t sent = send(fd.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent >= 0) {
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    } else if (errno != EAGAIN && errno != EINTR) {
      return Fail(Cause::kUnavailable, "{}", std::generic_category().message(errno));
    } else if (Status waited = Wait(POLLOUT); !waited) {
      return waited;
    }
  }
  return {};
}

Redis::Redis(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Redis::Redis(Redis&&) noexcept = default;
Redis& Redis::operator=(Redis&&) noexcept = default;
Redis::~Redis() = default;

Result<Redis> Redis::Connect(const RedisConnection& connection, Millis timeout) {
  const std::string intention = "connecting to redis at " + connection.address;
  const Deadline deadline(timeout);
  // Read before anything is opened: a missing file is told as such.
  const Result<std::string> password =
      connection.password.empty() ? Result<std::string>("") : connection.password.Reveal();
  if (!password) return While(intention, password.error());
  Result<UniqueFd> fd = Dial(connection.address, deadline.Left());
  if (!fd) return tl::unexpected(fd.error());
  auto impl = std::make_unique<Impl>();
  impl->fd = *std::move(fd);
  impl->deadline = deadline;
  if (connection.tls) {
    if (Status started = impl->StartTls(connection); !started) {
      return While(intention, started.error());
    }
  }
  Redis redis(std::move(impl));
  if (!password->empty()) {
    std::vector<std::string> words{"AUTH"};
    if (!connection.username.empty()) words.push_back(connection.username);
    words.push_back(*password);
    const Result<RedisReply> answer = redis.Command(words, deadline.Left());
    if (!answer) {
      Error error = answer.error();
      if (error.cause == Cause::kFailed) error.cause = Cause::kDenied;
      return While(intention, error);
    }
  }
  return redis;
}

Result<RedisReply> Redis::Command(const std::vector<std::string>& words, Millis timeout) {
  if (words.empty()) return Fail(Cause::kInvalid, "redis: an empty command");
  const std::string intention = "redis " + words.front();  // further words may be secrets
  if (impl_->broken) {
    return Fail(Cause::kUnavailable, "{}: the connection broke at an earlier command", intention);
  }
  impl_->deadline = Deadline(timeout);
  // SSL's own error queue is a thread's, and other users of the thread may have left something.
  ERR_clear_error();
  if (Status sent = impl_->SendAll(WriteResp(words)); !sent) {
    impl_->broken = true;
    return While(intention, sent.error());
  }
  Result<RedisReply> reply = impl_->reader.Next();
  if (reply) return reply;
  Error error = reply.error();
  if (error.cause != Cause::kFailed) {
    impl_->broken = true;
  } else if (error.message.starts_with("NOAUTH") || error.message.starts_with("WRONGPASS") ||
             error.message.starts_with("NOPERM")) {
    error.cause = Cause::kDenied;
  } else if (error.message.starts_with("LOADING") || error.message.starts_with("BUSY ")) {
    error.cause = Cause::kUnavailable;
  }
  return While(intention, error);
}

}  // namespace fettle
