/* libssl.so, as civetweb wants it.
 *
 * Debian 12's libcivetweb1 opens "libssl.so" by dlopen and asks it for SSL_get_peer_certificate, which
 * OpenSSL 3 has renamed: the first TLS client would crash the daemon. This object bears the name
 * "libssl.so" (its SONAME) and is linked into the program, so that dlopen finds it already there; what
 * it does not define, dlsym finds in libssl.so.3, which it needs. It also spares a slim image the
 * unversioned file, which only libssl-dev brings. */
#include <openssl/ssl.h>

#undef SSL_get_peer_certificate
X509 *SSL_get_peer_certificate(const SSL *connection);
X509 *SSL_get_peer_certificate(const SSL *connection) {
  return SSL_get1_peer_certificate(connection);
}

/* Asked by http_server_tls.cc, so that no linker leaves this object out as not needed. */
const char *fettle_ssl_shim(void);
const char *fettle_ssl_shim(void) { return "libssl.so.3"; }
