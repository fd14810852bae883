#include "common/s3_client.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <condition_variable>

#include "common/digest.h"

namespace fettle::s3 {
namespace {

// A transfer is given this much longer than a bare exchange.
constexpr std::int64_t kBytesPerSecondLeast = 64 * 1024;
constexpr std::size_t kErrorBytesMax = 64 * 1024;
constexpr int kConflictTriesMax = 3;

Millis TimeFor(std::size_t bytes) {
  return Millis(static_cast<std::int64_t>(bytes) * 1'000 / kBytesPerSecondLeast);
}

bool IsSuccess(int status) { return status >= 200 && status < 300; }

}  // namespace

bool IsDnsSafe(std::string_view bucket) {
  // A dot would ask for a certificate that no wildcard gives.
  return bucket.size() >= 3 && bucket.size() <= 63 && bucket.front() != '-' &&
         bucket.back() != '-' &&
         bucket.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-") ==
             std::string_view::npos;
}

std::string EncodeKey(std::string_view key) {
  std::string out;
  std::size_t begin = 0;
  for (;;) {
    const std::size_t end = key.find('/', begin);
    out += PercentEncode(key.substr(begin, end - begin));
    if (end == std::string_view::npos) return out;
    out += '/';
    begin = end + 1;
  }
}

std::optional<Time> ParseHttpDate(std::string_view text) {
  // RFC 9110's preferred form, the only one that servers send: "Fri, 24 May 2013 00:00:00 GMT".
  constexpr std::array<std::string_view, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                        "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  if (text.size() != 29 || text.substr(25) != " GMT") return std::nullopt;
  const auto number = [&text](std::size_t at, std::size_t size) -> std::optional<unsigned> {
    unsigned value = 0;
    const char* end = text.data() + at + size;
    const auto [stop, error] = std::from_chars(text.data() + at, end, value);
    if (error != std::errc{} || stop != end) return std::nullopt;
    return value;
  };
  const auto day = number(5, 2);
  const auto month = std::find(kMonths.begin(), kMonths.end(), text.substr(8, 3));
  const auto year = number(12, 4);
  const auto hour = number(17, 2);
  const auto minute = number(20, 2);
  const auto second = number(23, 2);
  if (!day || !year || !hour || !minute || !second || month == kMonths.end()) return std::nullopt;
  const std::chrono::year_month_day date(
      std::chrono::year(static_cast<int>(*year)),
      std::chrono::month(static_cast<unsigned>(month - kMonths.begin()) + 1),
      std::chrono::day(*day));
  if (!date.ok()) return std::nullopt;
  return Time(std::chrono::sys_days(date)) + std::chrono::hours(*hour) +
         std::chrono::minutes(*minute) + std::chrono::seconds(*second);
}

Client::Client(S3::Deps deps, std::string connection_name, S3Connection connection,
               S3::Options options)
    : deps_(std::move(deps)),
      name_(std::move(connection_name)),
      connection_(std::move(connection)),
      options_(options),
      chain_(connection_, deps_.getenv, AwsCredentialChain::Lenders{deps_.transport, deps_.clock}) {
}

std::string Client::Url(const Call& call, const std::string& region) const {
  std::string base = connection_.endpoint;
  if (IsAws()) {
    base = fmt::format("https://s3.{}.amazonaws.com{}", region,
                       region.starts_with("cn-") ? ".cn" : "");
  } else if (base.find("://") == std::string::npos) {
    base = "https://" + base;
  }
  while (base.ends_with('/')) base.pop_back();
  using Addressing = S3Connection::Addressing;
  const bool by_host =
      connection_.addressing == Addressing::kVirtualHost ||
      (connection_.addressing == Addressing::kAuto && IsAws() && IsDnsSafe(call.bucket));
  std::string url = base;
  if (by_host) {
    url.insert(base.find("://") + 3, call.bucket + ".");
    url += "/" + EncodeKey(call.key);
  } else {
    url += "/" + EncodeKey(call.bucket) + (call.key.empty() ? "" : "/" + EncodeKey(call.key));
  }
  char separator = '?';
  for (const auto& [name, value] : call.query) {
    url += separator + PercentEncode(name) + "=" + PercentEncode(value);
    separator = '&';
  }
  return url;
}

tl::expected<Answer, Failure> Client::Do(Call call) {
  const std::string payload_hash = Hex(Sha256(call.body));
  if (call.check_md5) call.headers.Set("Content-MD5", Base64(Md5(call.body)));
  HttpRequest request;
  request.method = call.method;
  request.body = std::move(call.body);

  const BootTime deadline = deps_.clock.Now().boot + options_.budget;
  Result<AwsCredentials> credentials = chain_.Get();
  if (const std::optional<Time> expiry = chain_.Expiry()) {
    deps_.metrics
        .Gauge("fettle_s3_credentials_expiry_timestamp_seconds",
               "When the keys that AWS lent expire; they are renewed before.",
               {{"connection", name_}})
        .Set(ToSeconds(*expiry));
  }
  bool keys_read_again = false;
  bool clock_set = false;
  bool moved = false;
  int conflicts = 0;
  for (int tries = 1;; ++tries) {
    if (!credentials) return tl::unexpected(Failure{credentials.error(), "", tries});
    Try outcome = Once(call, request, *credentials, payload_hash);
    if (outcome.verdict == Verdict::kThrottle) {
      deps_.metrics
          .Counter("fettle_s3_throttles_total",
                   "Requests that S3 refused because there were too many.",
                   {{"bucket", call.bucket}})
          .Increment();
    }
    bool again = false;
    Millis wait(0);
    switch (outcome.verdict) {
      case Verdict::kOk:
        return Answer{std::move(outcome.response), tries};
      case Verdict::kCredentials:
        if (!std::exchange(keys_read_again, true)) {
          const AwsCredentials before = *credentials;
          credentials = chain_.Get(true);
          again = !credentials || *credentials != before;
        }
        break;
      case Verdict::kClock:
        again = !std::exchange(clock_set, true) && LearnSkew(outcome.response);
        break;
      case Verdict::kRegion:
        again = !std::exchange(moved, true);
        if (again) Remember(call.bucket, RegionOf(outcome.response, outcome.body));
        break;
      case Verdict::kConflict:
        again = ++conflicts < kConflictTriesMax;
        wait = Backoff(outcome.verdict, tries, deps_.random.Unit(), outcome.response);
        break;
      case Verdict::kThrottle:
      case Verdict::kTransient:
        again = true;
        wait = Backoff(outcome.verdict, tries, deps_.random.Unit(), outcome.response);
        break;
      case Verdict::kPermanent:
        break;
    }
    const bool in_time = deps_.clock.Now().boot + wait < deadline;
    if (!again || tries >= options_.tries_max || !in_time || !Wait(wait)) {
      last_was_throttle_ = outcome.verdict == Verdict::kThrottle;
      return tl::unexpected(Failure{std::move(outcome.error), outcome.body.code, tries});
    }
    deps_.log.Debug("asking S3 again", {{"connection", name_},
                                        {"op", call.op},
                                        {"bucket", call.bucket},
                                        {"try", tries},
                                        {"wait_ms", wait.count()},
                                        {"reason", outcome.error.message}});
  }
}

Client::Try Client::Once(const Call& call, HttpRequest& request, const AwsCredentials& credentials,
                         const std::string& payload_hash) {
  // Made anew for every try, but for the body, which may be large.
  request.headers = call.headers;
  const std::string region = RegionFor(call.bucket);
  request.url = Url(call, region);
  const Time now = deps_.clock.Now().wall + Millis(skew_ms_.load());
  signer_.Sign(request, credentials, region, now, payload_hash);

  HttpOptions options = OptionsFor(call, request.body.size());
  std::string error_body;
  std::size_t received = 0;
  int status = 0;
  options.on_head = [&](const HttpResponse& head) {
    status = head.status;
    if (IsSuccess(status) && call.once_begun) call.once_begun(head);
    return true;
  };
  if (call.on_body) {
    options.on_body = [&](std::string_view piece) {
      received += piece.size();
      if (IsSuccess(status)) return call.on_body(piece);
      error_body += piece.substr(0, kErrorBytesMax - std::min(kErrorBytesMax, error_body.size()));
      return true;
    };
  }
  Result<HttpResponse> response = deps_.transport.Send(request, options);

  Try outcome;
  Count(call, response ? &*response : nullptr);
  CountBytes(request.body.size(), received + (response ? response->body.size() : 0));
  if (!response) {
    const bool begun = received > 0 && IsSuccess(status);
    outcome.verdict = begun ? Verdict::kPermanent : Classify(response.error());
    outcome.error = response.error();
    return outcome;
  }
  if (const auto theirs = ParseHttpDate(response->headers.Get("Date"))) {
    seen_skew_ms_ = (*theirs - deps_.clock.Now().wall).count();
    skew_seen_ = true;
  }
  if (!IsSuccess(response->status)) {
    outcome.body = ReadError(call.on_body ? error_body : response->body);
  } else if (call.inspect) {
    outcome.body = call.inspect(*response);
  }
  outcome.verdict = Classify(*response, outcome.body);
  if (outcome.verdict != Verdict::kOk) outcome.error = ToError(*response, outcome.body);
  outcome.response = *std::move(response);
  return outcome;
}

HttpOptions Client::OptionsFor(const Call& call, std::size_t body_bytes) const {
  HttpOptions options;
  options.timeout = options_.timeout + TimeFor(body_bytes);
  options.body_bytes_max = kDocumentBytesMax;
  options.tls = connection_.tls;
  options.stop = deps_.stop;
  if (call.on_body) {
    options.timeout = Millis(0);
    options.idle_timeout = options_.idle_timeout;
  }
  return options;
}

void Client::Count(const Call& call, const HttpResponse* response) {
  const std::string code_class =
      response == nullptr ? "error" : fmt::format("{}xx", response->status / 100);
  deps_.metrics
      .Counter("fettle_s3_requests_total",
               "Requests to S3 by operation and class of answer (error: no answer).",
               {{"op", call.op}, {"code_class", code_class}})
      .Increment();
}

void Client::CountBytes(std::size_t sent, std::size_t received) {
  deps_.metrics.Counter("fettle_s3_bytes_sent_total", "Bytes of bodies sent to S3.")
      .Increment(static_cast<double>(sent));
  deps_.metrics.Counter("fettle_s3_bytes_received_total", "Bytes of bodies received from S3.")
      .Increment(static_cast<double>(received));
}

std::string Client::RegionFor(const std::string& bucket) {
  const std::lock_guard lock(mutex_);
  const auto found = regions_.find(bucket);
  return found == regions_.end() ? connection_.region : found->second;
}

void Client::Remember(const std::string& bucket, const std::string& region) {
  deps_.log.Warn("the bucket is in another region than configured",
                 {{"connection", name_}, {"bucket", bucket}, {"region", region}});
  const std::lock_guard lock(mutex_);
  regions_[bucket] = region;
}

bool Client::LearnSkew(const HttpResponse& response) {
  const std::optional<Time> theirs = ParseHttpDate(response.headers.Get("Date"));
  if (!theirs) return false;
  const Millis skew = *theirs - deps_.clock.Now().wall;
  skew_ms_ = skew.count();
  deps_.log.Error("the clocks differ so much that S3 refuses our signatures",
                  {{"connection", name_}, {"skew_seconds", ToSeconds(skew)}});
  deps_.metrics
      .Gauge("fettle_s3_clock_skew_seconds",
             "S3's clock minus ours, once S3 has refused a request for it.",
             {{"connection", name_}})
      .Set(ToSeconds(skew));
  return true;
}

bool Client::Pause(int n) {
  return Wait(Backoff(Verdict::kTransient, n, deps_.random.Unit(), HttpResponse{}));
}

bool Client::Wait(Millis duration) {
  if (deps_.stop.stop_requested()) return false;
  if (duration == Millis(0)) return true;
  if (deps_.wait) return deps_.wait(duration);
  std::mutex mutex;
  std::condition_variable_any never;
  std::unique_lock lock(mutex);
  never.wait_for(lock, deps_.stop, duration, [] { return false; });
  return !deps_.stop.stop_requested();
}

}  // namespace fettle::s3
