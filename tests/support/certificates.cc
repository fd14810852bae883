#include "tests/support/certificates.h"

#include <fmt/format.h>
#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <algorithm>

#include "common/check.h"

namespace fettle {
namespace {

constexpr long kDaySeconds = 86'400;

struct Free {
  void operator()(X509* it) const { X509_free(it); }
  void operator()(EVP_PKEY* it) const { EVP_PKEY_free(it); }
  void operator()(BIO* it) const { BIO_free(it); }
};
using Certificate = std::unique_ptr<X509, Free>;
using Key = std::unique_ptr<EVP_PKEY, Free>;

template <typename Write>
std::string Pem(Write write) {
  const std::unique_ptr<BIO, Free> out(BIO_new(BIO_s_mem()));
  FETTLE_CHECK(write(out.get()) == 1);
  char* text = nullptr;
  const long size = BIO_get_mem_data(out.get(), &text);
  return {text, static_cast<std::size_t>(size)};
}

std::string Pem(X509* certificate) {
  return Pem([&](BIO* out) { return PEM_write_bio_X509(out, certificate); });
}

Certificate MakeCertificate(const std::string& name, EVP_PKEY* key, X509* issuer, long serial,
                            int days) {
  Certificate certificate(X509_new());
  X509_set_version(certificate.get(), 2);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate.get()), serial);
  X509_gmtime_adj(X509_getm_notBefore(certificate.get()), std::min(-1, days - 1) * kDaySeconds);
  X509_gmtime_adj(X509_getm_notAfter(certificate.get()), days * kDaySeconds);
  X509_NAME* subject = X509_get_subject_name(certificate.get());
  X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8,
                             reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1, 0);
  X509_set_issuer_name(certificate.get(),
                       X509_get_subject_name(issuer != nullptr ? issuer : certificate.get()));
  X509_set_pubkey(certificate.get(), key);
  return certificate;
}

void AddExtension(X509* certificate, int kind, const std::string& value) {
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, nullptr, kind, value.c_str());
  FETTLE_CHECK(extension != nullptr);
  X509_add_ext(certificate, extension, -1);
  X509_EXTENSION_free(extension);
}

}  // namespace

struct TestAuthority::Impl {
  Key key{EVP_EC_gen("P-256")};
  Certificate certificate;
  long serial = 1;
};

TestAuthority::TestAuthority(const std::string& name) : impl_(std::make_unique<Impl>()) {
  impl_->certificate = MakeCertificate(name, impl_->key.get(), nullptr, impl_->serial, 1);
  AddExtension(impl_->certificate.get(), NID_basic_constraints, "critical,CA:TRUE");
  FETTLE_CHECK(X509_sign(impl_->certificate.get(), impl_->key.get(), EVP_sha256()) > 0);
}
TestAuthority::~TestAuthority() = default;

std::string TestAuthority::certificate() const { return Pem(impl_->certificate.get()); }

CertifiedKey TestAuthority::Issue(const std::string& name,
                                  const std::vector<std::string>& alternative_names, int days) {
  const Key key(EVP_EC_gen("P-256"));
  const Certificate certificate =
      MakeCertificate(name, key.get(), impl_->certificate.get(), ++impl_->serial, days);
  if (!alternative_names.empty()) {
    AddExtension(certificate.get(), NID_subject_alt_name,
                 fmt::format("{}", fmt::join(alternative_names, ",")));
  }
  FETTLE_CHECK(X509_sign(certificate.get(), impl_->key.get(), EVP_sha256()) > 0);
  return {Pem(certificate.get()), Pem([&](BIO* out) {
            return PEM_write_bio_PrivateKey(out, key.get(), nullptr, nullptr, 0, nullptr, nullptr);
          })};
}

}  // namespace fettle
