// A mail server on loopback that takes one mail a connection, with STARTTLS and AUTH if wanted, and
// keeps what it was told.
#pragma once

#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/certificates.h"

namespace fettle {

class MailServer {
 public:
  struct Options {
    bool starttls = false;
    std::string auth = {};  // "PLAIN LOGIN": what it advertises
    std::string answer_to_rcpt = "250 ok";
    std::string name = "localhost";  // in its certificate
  };
  explicit MailServer(Options options);
  ~MailServer();
  MailServer(const MailServer&) = delete;
  MailServer& operator=(const MailServer&) = delete;

  int port() const { return port_; }
  std::string authority() const { return authority_.certificate(); }
  // Commands and the lines of messages, as they came; "(TLS)" once it began.
  std::vector<std::string> Lines() const;

 private:
  void Accept();
  void Talk(int fd);

  const Options options_;
  TestAuthority authority_;
  CertifiedKey key_;
  int listener_ = -1;
  int port_ = 0;
  mutable std::mutex mutex_;
  std::vector<std::string> lines_;
  std::thread acceptor_;
};

}  // namespace fettle
