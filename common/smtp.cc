#include "common/smtp.h"

#include <curl/curl.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <mutex>

#include "common/check.h"

namespace fettle {
namespace {

struct EasyDeleter {
  void operator()(CURL* easy) const { curl_easy_cleanup(easy); }
};
struct ListDeleter {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};

struct Upload {
  std::string_view left;
  const std::stop_token* stop;
};

std::size_t ReadMore(char* buffer, std::size_t size, std::size_t count, void* from) noexcept {
  auto* const upload = static_cast<Upload*>(from);
  const std::size_t bytes = std::min(size * count, upload->left.size());
  std::memcpy(buffer, upload->left.data(), bytes);
  upload->left.remove_prefix(bytes);
  return bytes;
}

int GoOn(void* from, curl_off_t, curl_off_t, curl_off_t, curl_off_t) noexcept {
  return static_cast<Upload*>(from)->stop->stop_requested() ? 1 : 0;
}

void SetTls(CURL* easy, const TlsOptions& tls) {
  curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, tls.insecure_skip_verify ? 0L : 1L);
  curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, tls.insecure_skip_verify ? 0L : 2L);
  if (!tls.ca_file.empty()) curl_easy_setopt(easy, CURLOPT_CAINFO, tls.ca_file.c_str());
  if (!tls.cert_file.empty()) curl_easy_setopt(easy, CURLOPT_SSLCERT, tls.cert_file.c_str());
  if (!tls.key_file.empty()) curl_easy_setopt(easy, CURLOPT_SSLKEY, tls.key_file.c_str());
}

void SetCredentials(CURL* easy, const SmtpOptions& options) {
  if (options.username.empty()) return;
  curl_easy_setopt(easy, CURLOPT_USERNAME, options.username.c_str());
  curl_easy_setopt(easy, CURLOPT_PASSWORD, options.password.c_str());
  std::string mechanisms;
  for (const std::string& mechanism : options.mechanisms) {
    mechanisms += (mechanisms.empty() ? "AUTH=" : ";AUTH=") + mechanism;
  }
  if (!mechanisms.empty()) curl_easy_setopt(easy, CURLOPT_LOGIN_OPTIONS, mechanisms.c_str());
  if (!options.identity.empty()) {
    curl_easy_setopt(easy, CURLOPT_SASL_AUTHZID, options.identity.c_str());
  }
}

Cause CauseOf(CURLcode code) {
  switch (code) {
    case CURLE_OPERATION_TIMEDOUT:
      return Cause::kTimeout;
    case CURLE_LOGIN_DENIED:
      return Cause::kDenied;
    case CURLE_COULDNT_CONNECT:
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_RECV_ERROR:
    case CURLE_SEND_ERROR:
      return Cause::kUnavailable;
    default:
      return Cause::kFailed;
  }
}

}  // namespace

Status SendMail(const Mail& mail, const SmtpOptions& options) {
  static std::once_flag once;
  std::call_once(once, [] { FETTLE_CHECK(curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK); });
  const std::unique_ptr<CURL, EasyDeleter> owner(curl_easy_init());
  CURL* const easy = owner.get();
  FETTLE_CHECK(easy != nullptr);
  std::array<char, CURL_ERROR_SIZE> reason{};
  // The name to verify is the URL's: with another one, the way leads elsewhere.
  const std::string& name =
      options.tls.server_name.empty() ? options.host : options.tls.server_name;
  const std::string url = fmt::format("{}://{}:{}/{}", options.implicit_tls ? "smtps" : "smtp",
                                      name, options.port, PercentEncode(options.hello));
  std::unique_ptr<curl_slist, ListDeleter> way;
  if (name != options.host) {
    way.reset(curl_slist_append(
        nullptr,
        fmt::format("{}:{}:{}:{}", name, options.port, options.host, options.port).c_str()));
    curl_easy_setopt(easy, CURLOPT_CONNECT_TO, way.get());
  }
  std::unique_ptr<curl_slist, ListDeleter> to;
  for (const std::string& address : mail.to) {
    curl_slist* const longer = curl_slist_append(to.get(), ("<" + address + ">").c_str());
    FETTLE_CHECK(longer != nullptr);
    (void)to.release();
    to.reset(longer);
  }
  Upload upload{mail.message, &options.stop};
  curl_easy_setopt(easy, CURLOPT_URL, url.c_str());
  curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "smtp,smtps");
  curl_easy_setopt(easy, CURLOPT_NOPROXY, "*");
  curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, reason.data());
  curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, static_cast<long>(options.timeout.count()));
  curl_easy_setopt(
      easy, CURLOPT_USE_SSL,
      static_cast<long>(options.require_tls && !options.implicit_tls ? CURLUSESSL_ALL
                                                                     : CURLUSESSL_NONE));
  SetTls(easy, options.tls);
  SetCredentials(easy, options);
  const std::string from = "<" + mail.from + ">";
  curl_easy_setopt(easy, CURLOPT_MAIL_FROM, from.c_str());
  curl_easy_setopt(easy, CURLOPT_MAIL_RCPT, to.get());
  curl_easy_setopt(easy, CURLOPT_UPLOAD, 1L);
  curl_easy_setopt(easy, CURLOPT_READFUNCTION, &ReadMore);
  curl_easy_setopt(easy, CURLOPT_READDATA, &upload);
  curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 0L);
  curl_easy_setopt(easy, CURLOPT_XFERINFOFUNCTION, &GoOn);
  curl_easy_setopt(easy, CURLOPT_XFERINFODATA, &upload);
  const CURLcode code = curl_easy_perform(easy);
  if (code == CURLE_OK) return {};
  const std::string why = reason[0] != '\0' ? reason.data() : curl_easy_strerror(code);
  return Fail(CauseOf(code), "mail by {}:{}: {}", options.host, options.port, why);
}

}  // namespace fettle
