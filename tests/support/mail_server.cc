#include "tests/support/mail_server.h"

#include <arpa/inet.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <memory>
#include <utility>

#include "common/check.h"

namespace fettle {
namespace {

// One connection, plain and then perhaps not.
class Wire {
 public:
  explicit Wire(int fd) : fd_(fd) {}
  ~Wire() {
    SSL_free(ssl_);
    SSL_CTX_free(context_);
    close(fd_);
  }
  Wire(const Wire&) = delete;
  Wire& operator=(const Wire&) = delete;

  bool Encrypt(const CertifiedKey& key) {
    context_ = SSL_CTX_new(TLS_server_method());
    BIO* const certificate = BIO_new_mem_buf(key.certificate.data(), -1);
    BIO* const secret = BIO_new_mem_buf(key.key.data(), -1);
    X509* const x509 = PEM_read_bio_X509(certificate, nullptr, nullptr, nullptr);
    EVP_PKEY* const pkey = PEM_read_bio_PrivateKey(secret, nullptr, nullptr, nullptr);
    SSL_CTX_use_certificate(context_, x509);
    SSL_CTX_use_PrivateKey(context_, pkey);
    X509_free(x509);
    EVP_PKEY_free(pkey);
    BIO_free(certificate);
    BIO_free(secret);
    ssl_ = SSL_new(context_);
    SSL_set_fd(ssl_, fd_);
    ahead_.clear();
    return SSL_accept(ssl_) == 1;
  }
  void Write(const std::string& line) {
    const std::string text = line + "\r\n";
    const int size = static_cast<int>(text.size());
    if (ssl_ != nullptr) {
      SSL_write(ssl_, text.data(), size);
    } else {
      (void)!send(fd_, text.data(), text.size(), MSG_NOSIGNAL);
    }
  }
  // False once the client is gone.
  bool Read(std::string& line) {
    for (;;) {
      if (const std::size_t end = ahead_.find("\r\n"); end != std::string::npos) {
        line = ahead_.substr(0, end);
        ahead_.erase(0, end + 2);
        return true;
      }
      std::array<char, 4096> buffer{};
      const auto size = static_cast<int>(buffer.size());
      const long got = ssl_ != nullptr ? SSL_read(ssl_, buffer.data(), size)
                                       : recv(fd_, buffer.data(), buffer.size(), 0);
      if (got <= 0) return false;
      ahead_.append(buffer.data(), static_cast<std::size_t>(got));
    }
  }

 private:
  const int fd_;
  SSL_CTX* context_ = nullptr;
  SSL* ssl_ = nullptr;
  std::string ahead_;
};

}  // namespace

MailServer::MailServer(Options options)
    : options_(std::move(options)),
      key_(authority_.Issue(options_.name, {"DNS:" + options_.name})) {
  listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  FETTLE_CHECK(bind(listener_, reinterpret_cast<sockaddr*>(&address), size) == 0);
  FETTLE_CHECK(listen(listener_, 8) == 0);
  getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
  port_ = ntohs(address.sin_port);
  acceptor_ = std::thread([this] { Accept(); });
}

MailServer::~MailServer() {
  shutdown(listener_, SHUT_RDWR);
  acceptor_.join();
  close(listener_);
}

std::vector<std::string> MailServer::Lines() const {
  const std::lock_guard lock(mutex_);
  return lines_;
}

void MailServer::Accept() {
  for (;;) {
    const int fd = accept(listener_, nullptr, nullptr);
    if (fd < 0) return;
    Talk(fd);
  }
}

void MailServer::Talk(int fd) {
  Wire wire(fd);
  bool encrypted = false;
  bool data = false;
  bool authenticating = false;
  wire.Write("220 test");
  for (std::string line; wire.Read(line);) {
    {
      const std::lock_guard lock(mutex_);
      lines_.push_back(line);
    }
    if (data) {
      if (line != ".") continue;
      data = false;
      wire.Write("250 taken");
    } else if (line.starts_with("EHLO")) {
      wire.Write("250-test");
      if (options_.starttls && !encrypted) wire.Write("250-STARTTLS");
      if (!options_.auth.empty()) wire.Write("250-AUTH " + options_.auth);
      wire.Write("250 8BITMIME");
    } else if (line == "STARTTLS") {
      wire.Write("220 go");
      encrypted = wire.Encrypt(key_);
      if (!encrypted) return;
      const std::lock_guard lock(mutex_);
      lines_.emplace_back("(TLS)");
    } else if (line == "AUTH PLAIN") {
      wire.Write("334 ");
      authenticating = true;
    } else if (line.starts_with("AUTH") || std::exchange(authenticating, false)) {
      wire.Write("235 welcome");
    } else if (line.starts_with("RCPT")) {
      wire.Write(options_.answer_to_rcpt);
    } else if (line == "DATA") {
      data = true;
      wire.Write("354 go on");
    } else if (line == "QUIT") {
      wire.Write("221 bye");
      return;
    } else {
      wire.Write("250 ok");
    }
  }
}

}  // namespace fettle
