// The server's side of TLS: versions, ciphers and client certificates as exporter-toolkit reads
// them. Certificate and key are read again when their files change, so that renewal needs no
// reload. A resource; safe from any thread.
#pragma once

#include <functional>
#include <memory>

#include "common/result.h"
#include "common/web_config.h"

namespace fettle {

// Fails unless the names by which civetweb opens OpenSSL lead to common/tls_shim: without it the
// first TLS client would crash the process.
Status CheckTlsShim();

class ServerTls {
 public:
  // `on_handshake` is told the descriptor of every connection before anything is read from it; it
  // runs on that connection's thread. Errors name the file or the word that is wrong.
  static Result<ServerTls> Make(const WebConfig::Tls& config,
                                std::function<void(int fd)> on_handshake);
  ~ServerTls();
  ServerTls(ServerTls&&) noexcept;
  ServerTls& operator=(ServerTls&&) noexcept;

  // An SSL_CTX; lives as long as this.
  void* context() const;

 private:
  struct Impl;
  explicit ServerTls(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace fettle
