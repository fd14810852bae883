// S3, as backups, the inventory and the cost model need it: signed by ourselves (SigV4), over an
// HttpTransport. Calls block and are safe from any thread. API: docs.aws.amazon.com/AmazonS3.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/clock.h"
#include "common/connections.h"
#include "common/http.h"
#include "common/log.h"
#include "common/metrics.h"
#include "common/random.h"
#include "common/result.h"

namespace fettle {

struct S3Object {
  std::string key;
  std::int64_t size_bytes = 0;
  std::string etag;  // without quotes
  Time last_modified;
  std::string storage_class = "STANDARD";
};
struct S3Head {
  std::int64_t size_bytes = 0;
  std::string etag;
  std::string version_id;
  std::map<std::string, std::string> metadata;  // x-amz-meta-*, names in lower case
};
struct S3Part {
  int number = 0;  // from 1
  std::string etag;
};
enum class S3Versioning { kNever, kEnabled, kSuspended };

// Errors: kNotFound (NoSuchKey, NoSuchBucket, NoSuchUpload), kDenied (AccessDenied, wrong keys),
// kConflict (412, 409), kUnavailable and kTimeout after its own retries, kInvalid, kFailed.
class S3 {
 public:
  struct Deps {
    HttpTransport& transport;
    const Clock& clock;
    Random& random;
    Metrics& metrics;
    Log log;
    // A requested stop ends waits and exchanges (kFailed).
    std::stop_token stop = {};
    // How it waits between tries; false gives up. Empty: really, until stop.
    std::function<bool(Millis)> wait = {};
    // Empty: the process's environment.
    std::function<std::optional<std::string>(const std::string&)> getenv = {};
  };
  struct Options {
    int tries_max = 8;            // of one request, while it is refused for now
    Millis budget{300'000};       // of one request, all tries together
    Millis timeout{30'000};       // of one try, without the time its bytes take at 64 KiB/s
    Millis idle_timeout{30'000};  // of a transfer that stands still
  };
  static constexpr int kPartsMax = 10'000;
  static constexpr std::size_t kPartBytesMin = 5 * 1024 * 1024;  // but for the last one

  S3(Deps deps, std::string connection_name, S3Connection connection, Options options);
  S3(Deps deps, std::string connection_name, S3Connection connection)
      : S3(std::move(deps), std::move(connection_name), std::move(connection), Options{}) {}
  ~S3();

  // Every object under the prefix in key order, a page at a time; false from `visit` ends it.
  // Complete or an error: a missing or repeated continuation token is an error, not an end.
  // Begins with the first key after `start_after`, which need not be there.
  Status List(const std::string& bucket, const std::string& prefix,
              const std::function<bool(const std::vector<S3Object>&)>& visit,
              const std::string& start_after = "");
  // The bucket is there, and we may look into it.
  Status Reach(const std::string& bucket);
  Result<S3Head> Head(const std::string& bucket, const std::string& key);
  // Piece by piece; after a broken exchange it goes on where it was.
  Status Get(const std::string& bucket, const std::string& key,
             const std::function<bool(std::string_view)>& on_body);
  struct PutOptions {
    std::map<std::string, std::string> metadata;
    std::string content_type = "application/octet-stream";
    bool if_none_match = false;  // kConflict if the key exists
  };
  // The ETag. What arrived is what was sent: the server checks MD5 and SHA-256, we the ETag.
  Result<std::string> Put(const std::string& bucket, const std::string& key, std::string body,
                          const PutOptions& options);
  Status Delete(const std::string& bucket, const std::string& key);
  Status CreateBucket(const std::string& bucket);
  Result<S3Versioning> Versioning(const std::string& bucket);
  Status SetVersioning(const std::string& bucket, bool enabled);

  Result<std::string> CreateMultipartUpload(const std::string& bucket, const std::string& key,
                                            const PutOptions& options);
  Result<S3Part> UploadPart(const std::string& bucket, const std::string& key,
                            const std::string& upload_id, int number, std::string body);
  // The ETag, recomputed from the parts' where the server's encryption allows it.
  Result<std::string> CompleteMultipartUpload(const std::string& bucket, const std::string& key,
                                              const std::string& upload_id,
                                              const std::vector<S3Part>& parts);
  Status AbortMultipartUpload(const std::string& bucket, const std::string& key,
                              const std::string& upload_id);
  struct Upload {
    std::string key;
    std::string upload_id;
    Time initiated;
  };
  Result<std::vector<Upload>> ListMultipartUploads(const std::string& bucket,
                                                   const std::string& prefix);

  // Its clock less ours at the newest answer, to a second and the time that the exchange took.
  std::optional<Millis> ClockSkew() const;
  // True if the last request that failed was refused because there were too many.
  bool LastFailureWasThrottle() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace fettle
