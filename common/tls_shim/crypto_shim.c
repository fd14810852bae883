/* libcrypto.so, as civetweb wants it: the twin of ssl_shim.c, which says why. */
#include <openssl/crypto.h>

/* The name by which civetweb's library is told that this one needs libcrypto.so.3. */
const char *fettle_crypto_shim(void);
const char *fettle_crypto_shim(void) { return OpenSSL_version(OPENSSL_VERSION); }
