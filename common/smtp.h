// Hands a mail to a mail server (libcurl stays inside smtp.cc). Source: RFC 5321, RFC 3207.
#pragma once

#include <stop_token>
#include <string>
#include <vector>

#include "common/clock.h"
#include "common/http.h"
#include "common/result.h"

namespace fettle {

struct Mail {
  std::string from;             // bare addresses, without names
  std::vector<std::string> to;  // at least one
  std::string message;          // headers and body, lines end with CR LF
};

struct SmtpOptions {
  std::string host;
  std::string port;
  std::string hello = "localhost";  // how we call ourselves
  bool implicit_tls = false;        // TLS from the first byte
  bool require_tls = true;          // STARTTLS, or the mail is not sent
  TlsOptions tls;
  std::string username;  // "" sends without credentials
  std::string password;
  std::string identity;                 // to act as, with PLAIN
  std::vector<std::string> mechanisms;  // PLAIN, LOGIN, CRAM-MD5: what may be used
  Millis timeout{10'000};               // the whole exchange
  std::stop_token stop;                 // ends it within a second
};

// Safe from any thread; blocks. The error says at which step it ended, never the password.
Status SendMail(const Mail& mail, const SmtpOptions& options);

}  // namespace fettle
