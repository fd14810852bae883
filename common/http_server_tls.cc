#include "common/http_server_tls.h"

#include <dlfcn.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>

#include <array>
#include <map>
#include <mutex>
#include <system_error>
#include <utility>

#include "common/check.h"

extern "C" {
const char* fettle_ssl_shim(void);
const char* fettle_crypto_shim(void);
}

namespace fettle {
namespace {

constexpr std::string_view kSessionContext = "fettle";

struct FreeContext {
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
};
struct FreeCertificate {
  void operator()(X509* certificate) const { X509_free(certificate); }
};
struct FreeKey {
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
};

std::string Reason() {
  const unsigned long code = ERR_get_error();
  ERR_clear_error();
  if (ERR_SYSTEM_ERROR(code)) return std::generic_category().message(ERR_GET_REASON(code));
  const char* reason = code == 0 ? nullptr : ERR_reason_error_string(code);
  return reason == nullptr ? "unknown error" : reason;
}

int VersionOf(const std::string& word) {
  static const std::map<std::string, int> versions = {{"TLS10", TLS1_VERSION},
                                                      {"TLS11", TLS1_1_VERSION},
                                                      {"TLS12", TLS1_2_VERSION},
                                                      {"TLS13", TLS1_3_VERSION}};
  return versions.at(word);
}

// When a file last changed, to the nanosecond; 0 if it cannot be seen.
std::int64_t ChangedAt(const std::string& path) {
  struct stat file {};
  if (::stat(path.c_str(), &file) != 0) return 0;
  return static_cast<std::int64_t>(file.st_mtim.tv_sec) * 1'000'000'000 + file.st_mtim.tv_nsec;
}

Status UseFiles(SSL_CTX* context, const WebConfig::Tls& config) {
  if (SSL_CTX_use_certificate_chain_file(context, config.cert_file.c_str()) != 1) {
    return Fail(Cause::kInvalid, "read cert_file {}: {}", config.cert_file, Reason());
  }
  if (SSL_CTX_use_PrivateKey_file(context, config.key_file.c_str(), SSL_FILETYPE_PEM) != 1) {
    return Fail(Cause::kInvalid, "read key_file {}: {}", config.key_file, Reason());
  }
  if (SSL_CTX_check_private_key(context) != 1) {
    return Fail(Cause::kInvalid, "key_file {} does not belong to cert_file {}", config.key_file,
                config.cert_file);
  }
  return {};
}

Status UseWords(SSL_CTX* context, const WebConfig::Tls& config) {
  SSL_CTX_set_min_proto_version(context, VersionOf(config.min_version));
  SSL_CTX_set_max_proto_version(context, VersionOf(config.max_version));
  SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  if (config.prefer_server_cipher_suites) {
    SSL_CTX_set_options(context, SSL_OP_CIPHER_SERVER_PREFERENCE);
  }
  std::string ciphers;
  for (const std::string& name : config.cipher_suites) {
    const std::string ours = OPENSSL_cipher_name(name.c_str());
    if (ours == "(NONE)") {
      return Fail(Cause::kInvalid, "cipher_suites: \"{}\" is no cipher suite", name);
    }
    if (name.starts_with("TLS_AES_") || name.starts_with("TLS_CHACHA20_")) continue;  // always on
    ciphers += (ciphers.empty() ? "" : ":") + ours;
  }
  if (!ciphers.empty() && SSL_CTX_set_cipher_list(context, ciphers.c_str()) != 1) {
    return Fail(Cause::kInvalid, "cipher_suites: {}", Reason());
  }
  static const std::map<std::string, std::string> curves = {
      {"CurveP256", "P-256"}, {"CurveP384", "P-384"}, {"CurveP521", "P-521"}, {"X25519", "X25519"}};
  std::string groups;
  for (const std::string& name : config.curve_preferences) {
    const auto found = curves.find(name);
    if (found == curves.end()) {
      return Fail(Cause::kInvalid, "curve_preferences: \"{}\" is no curve", name);
    }
    groups += (groups.empty() ? "" : ":") + found->second;
  }
  if (!groups.empty()) FETTLE_CHECK(SSL_CTX_set1_groups_list(context, groups.c_str()) == 1);
  return {};
}

// True if one of the certificate's alternative names is one of those allowed.
bool NamesOneOf(X509* certificate, const std::vector<std::string>& allowed) {
  for (const std::string& name : allowed) {
    const unsigned int strict = X509_CHECK_FLAG_NEVER_CHECK_SUBJECT;
    if (X509_check_host(certificate, name.data(), name.size(), strict, nullptr) == 1 ||
        X509_check_email(certificate, name.data(), name.size(), strict) == 1 ||
        X509_check_ip_asc(certificate, name.c_str(), strict) == 1) {
      return true;
    }
  }
  return false;
}

}  // namespace

struct ServerTls::Impl {
  Impl(WebConfig::Tls config_in, std::function<void(int fd)> on_handshake_in)
      : config(std::move(config_in)), on_handshake(std::move(on_handshake_in)) {}

  Status UseClientCertificates();
  void UseNewCertificate(SSL* connection);
  static Impl& Of(const SSL* connection) {
    return *static_cast<Impl*>(SSL_CTX_get_app_data(SSL_get_SSL_CTX(connection)));
  }

  const WebConfig::Tls config;
  const std::function<void(int fd)> on_handshake;
  std::unique_ptr<SSL_CTX, FreeContext> context;
  std::mutex mutex;  // guards everything below
  std::int64_t certificate_changed = 0;
  std::int64_t key_changed = 0;
  std::unique_ptr<SSL_CTX, FreeContext> renewed;  // holds the files as they are now
};

Status ServerTls::Impl::UseClientCertificates() {
  static const std::map<std::string, int> modes = {
      {"NoClientCert", SSL_VERIFY_NONE},
      {"RequestClientCert", SSL_VERIFY_PEER},
      {"RequireAnyClientCert", SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT},
      {"VerifyClientCertIfGiven", SSL_VERIFY_PEER},
      {"RequireAndVerifyClientCert", SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT}};
  const bool verifies = config.client_auth_type.find("Verify") != std::string::npos;
  SSL_verify_cb check = nullptr;
  if (!verifies) {
    check = [](int, X509_STORE_CTX*) noexcept { return 1; };
  } else if (!config.client_allowed_sans.empty()) {
    check = [](int good, X509_STORE_CTX* store) noexcept {
      if (good != 1 || X509_STORE_CTX_get_error_depth(store) != 0) return good;
      const auto* connection = static_cast<SSL*>(
          X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx()));
      return NamesOneOf(X509_STORE_CTX_get_current_cert(store),
                        Of(connection).config.client_allowed_sans)
                 ? 1
                 : 0;
    };
  }
  SSL_CTX_set_verify(context.get(), modes.at(config.client_auth_type), check);
  if (config.client_ca_file.empty()) return {};
  const char* file = config.client_ca_file.c_str();
  if (SSL_CTX_load_verify_locations(context.get(), file, nullptr) != 1) {
    return Fail(Cause::kInvalid, "read client_ca_file {}: {}", file, Reason());
  }
  SSL_CTX_set_client_CA_list(context.get(), SSL_load_client_CA_file(file));
  return {};
}

// At a handshake: if the files have changed and belong together, they are served from now on. Half
// a renewal is passed over; the next handshake looks again.
void ServerTls::Impl::UseNewCertificate(SSL* connection) {
  const std::lock_guard lock(mutex);
  const std::int64_t certificate_now = ChangedAt(config.cert_file);
  const std::int64_t key_now = ChangedAt(config.key_file);
  if (certificate_now != certificate_changed || key_now != key_changed) {
    std::unique_ptr<SSL_CTX, FreeContext> fresh(SSL_CTX_new(TLS_server_method()));
    if (fresh && UseFiles(fresh.get(), config)) {
      renewed = std::move(fresh);
      certificate_changed = certificate_now;
      key_changed = key_now;
    }
  }
  if (!renewed) return;
  STACK_OF(X509)* chain = nullptr;
  SSL_CTX_get0_chain_certs(renewed.get(), &chain);
  SSL_use_cert_and_key(connection, SSL_CTX_get0_certificate(renewed.get()),
                       SSL_CTX_get0_privatekey(renewed.get()), chain, 1);
}

Status CheckTlsShim() {
  FETTLE_CHECK(fettle_ssl_shim() != nullptr && fettle_crypto_shim() != nullptr);
  // As civetweb will: by the unversioned names, which must be loaded already.
  for (const auto& [library, symbol] : {std::pair{"libssl.so", "SSL_get_peer_certificate"},
                                        std::pair{"libcrypto.so", "fettle_crypto_shim"}}) {
    void* handle = ::dlopen(library, RTLD_LAZY | RTLD_NOLOAD);
    if (handle == nullptr) return Fail("{} of lib/fettle is not loaded", library);
    const bool found = ::dlsym(handle, symbol) != nullptr;
    ::dlclose(handle);
    if (!found) return Fail("{} is not the one of lib/fettle: {} is missing", library, symbol);
  }
  return {};
}

ServerTls::ServerTls(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
ServerTls::~ServerTls() = default;
ServerTls::ServerTls(ServerTls&&) noexcept = default;
ServerTls& ServerTls::operator=(ServerTls&&) noexcept = default;

void* ServerTls::context() const { return impl_->context.get(); }

Result<ServerTls> ServerTls::Make(const WebConfig::Tls& config,
                                  std::function<void(int fd)> on_handshake) {
  auto impl = std::make_unique<Impl>(config, std::move(on_handshake));
  impl->context.reset(SSL_CTX_new(TLS_server_method()));
  FETTLE_CHECK(impl->context != nullptr);
  SSL_CTX* context = impl->context.get();
  SSL_CTX_set_app_data(context, impl.get());
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);  // idle connections stay small
  SSL_CTX_set_session_id_context(context,
                                 reinterpret_cast<const unsigned char*>(kSessionContext.data()),
                                 static_cast<unsigned int>(kSessionContext.size()));
  impl->certificate_changed = ChangedAt(config.cert_file);
  impl->key_changed = ChangedAt(config.key_file);
  for (const Status& step :
       {UseFiles(context, config), UseWords(context, config), impl->UseClientCertificates()}) {
    if (!step) return While("set up TLS", step.error());
  }
  // Nothing is thrown through these: noexcept ends the process instead.
  SSL_CTX_set_info_callback(context, [](const SSL* connection, int where, int) noexcept {
    if ((where & SSL_CB_HANDSHAKE_START) != 0)
      Impl::Of(connection).on_handshake(SSL_get_fd(connection));
  });
  SSL_CTX_set_cert_cb(
      context,
      [](SSL* connection, void* self) noexcept {
        static_cast<Impl*>(self)->UseNewCertificate(connection);
        return 1;
      },
      impl.get());
  return ServerTls(std::move(impl));
}

}  // namespace fettle
