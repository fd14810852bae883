// Certificates of a test's own, made in milliseconds (P-256) and valid for a day.
#pragma once

#include <memory>
#include <string>
#include <vector>

namespace fettle {

// PEM texts.
struct CertifiedKey {
  std::string certificate;
  std::string key;
};

// A certificate authority. Not for sharing between threads.
class TestAuthority {
 public:
  explicit TestAuthority(const std::string& name = "fettle tests");
  ~TestAuthority();
  TestAuthority(const TestAuthority&) = delete;
  TestAuthority& operator=(const TestAuthority&) = delete;

  std::string certificate() const;
  // A certificate for both servers and clients. Alternative names as OpenSSL writes them:
  // "DNS:localhost", "IP:127.0.0.1". `days` may be negative: expired.
  CertifiedKey Issue(const std::string& name, const std::vector<std::string>& alternative_names,
                     int days = 1);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace fettle
