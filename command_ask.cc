#include "command_ask.h"

#include <utility>

#include "common/http_client.h"
#include "common/http_config.h"

namespace fettle {
namespace {

// A range of a thousand series; and a little more than a query may take.
constexpr std::size_t kAnswerBytesMax = 512 * 1024 * 1024;
constexpr Millis kAnswerWithin{150'000};

}  // namespace

Result<HttpResponse> ExchangeWithDaemon(const ClientOptions& client, HttpRequest request) {
  std::string url = client.url;
  while (url.ends_with('/')) url.pop_back();
  request.url = url + request.url;
  HttpOptions options{
      .timeout = kAnswerWithin, .body_bytes_max = kAnswerBytesMax, .accept_gzip = true};
  if (!client.http_config_file.empty()) {
    yaml::Complaints complaints;
    const auto node = yaml::LoadFile(client.http_config_file, complaints);
    HttpConfig config;
    if (node) config = ReadHttpConfig(*node, "", complaints);
    if (!complaints.empty()) return Fail(Cause::kInvalid, "{}", complaints.ToString());
    if (Status applied = config.Apply(request, options); !applied) {
      return tl::unexpected(applied.error());
    }
  }
  HttpClient transport;
  Result<HttpResponse> response = transport.Send(request, options);
  if (!response) return While("asking " + client.url, response.error());
  return response;
}

Result<Json> AskDaemon(const ClientOptions& client, HttpRequest request) {
  const Result<HttpResponse> response = ExchangeWithDaemon(client, std::move(request));
  if (!response) return tl::unexpected(response.error());
  Result<Json> json = Json::Parse(response->body, kAnswerBytesMax);
  if (response->status >= 300) {
    return Fail("{} answered {}: {}", client.url, response->status,
                json ? (*json)["error"].StringOr(response->body) : response->body);
  }
  return json;
}

}  // namespace fettle
