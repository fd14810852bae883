#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <poll.h>

#include <algorithm>
#include <ctime>
#include <memory>
#include <optional>
#include <utility>

#include "common/dial.h"
#include "exporter/collectors/probe_kinds.h"

namespace fettle::exporter {
namespace {

using Context = std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)>;
using Session = std::unique_ptr<SSL, decltype(&SSL_free)>;

std::string OpenSslError() {
  std::string text = "unknown error";
  if (const unsigned long code = ERR_get_error(); code != 0) {
    if (const char* reason = ERR_reason_error_string(code)) text = reason;
  }
  ERR_clear_error();
  return text;
}

std::optional<double> NotAfterSeconds(const X509* certificate) {
  std::tm tm{};
  if (ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &tm) != 1) return std::nullopt;
  return static_cast<double>(timegm(&tm));
}

// The earliest end among the certificates that the peer sent.
std::optional<double> EarliestEnd(SSL* session) {
  std::optional<double> earliest;
  const STACK_OF(X509)* chain = SSL_get_peer_cert_chain(session);
  for (int i = 0; chain != nullptr && i < sk_X509_num(chain); ++i) {
    const std::optional<double> end = NotAfterSeconds(sk_X509_value(chain, i));
    if (end) earliest = earliest ? std::min(*earliest, *end) : *end;
  }
  return earliest;
}

class TlsProbe final : public Probe {
 public:
  TlsProbe(TlsProbeConfig config, const Clock& clock) : config_(std::move(config)), clock_(clock) {}

  ProbeAnswer Try(Millis timeout) override {
    const BootTime deadline = clock_.Now().boot + timeout;
    const Result<UniqueFd> fd = Dial(config_.address, timeout);
    if (!fd) return tl::unexpected(fd.error());
    const Context context(SSL_CTX_new(TLS_client_method()), &SSL_CTX_free);
    if (!context) return Fail("OpenSSL has no memory");
    if (Status trusted = Trust(context.get()); !trusted) return trusted;
    const Session session(SSL_new(context.get()), &SSL_free);
    const std::string name =
        config_.server_name.empty() ? ParseHostPort(config_.address)->host : config_.server_name;
    // What SSL_set_tlsext_host_name is, without its C cast.
    SSL_ctrl(session.get(), SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
             const_cast<char*>(name.c_str()));
    // The hand-shake goes on with a bad certificate, so that its end is known; the verdict is ours.
    SSL_set_verify(session.get(), SSL_VERIFY_NONE, nullptr);
    X509_VERIFY_PARAM* parameters = SSL_get0_param(session.get());
    if (X509_VERIFY_PARAM_set1_ip_asc(parameters, name.c_str()) != 1) {
      SSL_set1_host(session.get(), name.c_str());
    }
    SSL_set_fd(session.get(), fd->get());

    ProbeAnswer answer = ShakeHands(session.get(), fd->get(), deadline);
    if (const std::optional<double> end = EarliestEnd(session.get())) {
      answer.shown.push_back(
          {"fettle_tls_cert_not_after_timestamp_seconds",
           "When the first of the server's certificates ends.",
           MetricType::kGauge,
           {{"", {{"name", config_.name}, {"endpoint", config_.address}}, *end}}});
    }
    const long verdict = SSL_get_verify_result(session.get());
    if (answer.health && !config_.insecure_skip_verify && verdict != X509_V_OK) {
      answer.health = Fail("its certificate: {}", X509_verify_cert_error_string(verdict));
    }
    return answer;
  }

 private:
  Status Trust(SSL_CTX* context) const {
    const int loaded = config_.ca_file.empty() ? SSL_CTX_set_default_verify_paths(context)
                                               : SSL_CTX_load_verify_locations(
                                                     context, config_.ca_file.c_str(), nullptr);
    if (loaded == 1) return {};
    return Fail("loading authorities from {}: {}",
                config_.ca_file.empty() ? "the system" : config_.ca_file, OpenSslError());
  }

  Status ShakeHands(SSL* session, int fd, BootTime deadline) const {
    for (;;) {
      const int result = SSL_connect(session);
      if (result == 1) return {};
      const int wanted = SSL_get_error(session, result);
      if (wanted != SSL_ERROR_WANT_READ && wanted != SSL_ERROR_WANT_WRITE) {
        return Fail("TLS hand-shake: {}", OpenSslError());
      }
      const auto left = std::chrono::duration_cast<Millis>(deadline - clock_.Now().boot).count();
      pollfd waiting{fd, static_cast<short>(wanted == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT), 0};
      if (left <= 0 || poll(&waiting, 1, static_cast<int>(left)) == 0) {
        return Fail(Cause::kTimeout, "the TLS hand-shake did not end in time");
      }
    }
  }

  const TlsProbeConfig config_;
  const Clock& clock_;
};

}  // namespace

std::unique_ptr<Probe> MakeTlsProbe(TlsProbeConfig config, const Clock& clock) {
  return std::make_unique<TlsProbe>(std::move(config), clock);
}

}  // namespace fettle::exporter
