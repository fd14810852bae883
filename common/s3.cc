#include "common/s3.h"

#include <charconv>

#include "common/digest.h"
#include "common/s3_client.h"
#include "common/s3_xml.h"

namespace fettle {
namespace {

using s3::Answer;
using s3::Call;
using s3::ErrorBody;
using s3::Failure;

// Pages in a row without a single key: a list that does not end.
constexpr int kEmptyPagesMax = 100;
constexpr int kUploadPagesMax = 1'000;
// How often the reading of one object is taken up again.
constexpr int kResumesMax = 50;

std::string Named(std::string_view what, const std::string& bucket, const std::string& key = "") {
  return key.empty() ? fmt::format("{} s3://{}", what, bucket)
                     : fmt::format("{} s3://{}/{}", what, bucket, key);
}

// True if the ETag is not the content's MD5, by the server's own account.
bool IsEncrypted(const HttpResponse& response) {
  return response.headers.Get("x-amz-server-side-encryption").starts_with("aws:kms") ||
         response.headers.Has("x-amz-server-side-encryption-customer-algorithm");
}

bool LooksLikeMd5(std::string_view etag) {
  return etag.size() == 32 && etag.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

// A stored body with another checksum than was sent: as if it had been refused for it.
std::function<ErrorBody(const HttpResponse&)> EtagIs(std::string md5_hex) {
  return [md5_hex = std::move(md5_hex)](const HttpResponse& response) -> ErrorBody {
    const std::string etag = s3::Unquoted(response.headers.Get("ETag"));
    if (IsEncrypted(response) || !LooksLikeMd5(etag) || etag == md5_hex) return {};
    return {.code = "BadDigest", .message = "it was stored with another checksum", .region = ""};
  };
}

// "md5 of the parts' md5s"-N, or "" if the parts' ETags are no checksums.
std::string ExpectedEtag(const std::vector<S3Part>& parts) {
  std::string digests;
  for (const S3Part& part : parts) {
    if (!LooksLikeMd5(part.etag)) return "";
    digests += FromHex(part.etag);
  }
  return fmt::format("{}-{}", Hex(Md5(digests)), parts.size());
}

// `md5` is of the body; "" is none.
Headers HeadersOf(const S3::PutOptions& options, std::string_view md5) {
  Headers headers{{"Content-Type", options.content_type}};
  if (!md5.empty()) headers.Set("Content-MD5", Base64(md5));
  for (const auto& [name, value] : options.metadata) headers.Set("x-amz-meta-" + name, value);
  if (options.if_none_match) headers.Set("If-None-Match", "*");
  return headers;
}

}  // namespace

struct S3::Impl {
  s3::Client client;

  Result<s3::ListPage> Page(const std::string& bucket, const std::string& prefix,
                            const std::string& token, const std::string& start_after) {
    Call call{.op = "list", .bucket = bucket};
    call.query = {{"encoding-type", "url"}, {"list-type", "2"}, {"prefix", prefix}};
    if (!token.empty()) call.query.emplace_back("continuation-token", token);
    if (token.empty() && !start_after.empty()) call.query.emplace_back("start-after", start_after);
    const auto answer = client.Do(std::move(call));
    if (!answer) return tl::unexpected(answer.error().error);
    return s3::ReadListPage(answer->response.body);
  }
  bool Exists(const std::string& bucket, const std::string& key, const std::string& etag);
};

// Whether an object with this ETag is there: an earlier try may have put it, its answer lost.
bool S3::Impl::Exists(const std::string& bucket, const std::string& key, const std::string& etag) {
  if (etag.empty()) return false;
  const auto answer = client.Do({.op = "head", .method = "HEAD", .bucket = bucket, .key = key});
  return answer && s3::Unquoted(answer->response.headers.Get("ETag")) == etag;
}

S3::S3(Deps deps, std::string connection_name, S3Connection connection, Options options)
    : impl_(new Impl{s3::Client(std::move(deps), std::move(connection_name), std::move(connection),
                                options)}) {}
S3::~S3() = default;

std::optional<Millis> S3::ClockSkew() const { return impl_->client.ClockSkew(); }
bool S3::LastFailureWasThrottle() const { return impl_->client.LastFailureWasThrottle(); }

Status S3::List(const std::string& bucket, const std::string& prefix,
                const std::function<bool(const std::vector<S3Object>&)>& visit,
                const std::string& start_after) {
  const std::string intention = Named("listing", bucket, prefix);
  std::string token;
  std::optional<std::string> last_key;
  if (!start_after.empty()) last_key = start_after;
  int empty_pages = 0;
  for (;;) {
    const Result<s3::ListPage> page = impl_->Page(bucket, prefix, token, start_after);
    if (!page) return While(intention, page.error());
    for (const S3Object& object : page->objects) {
      // Bytes compare as S3 sorts. A key that comes again would be counted again.
      if (last_key && object.key <= *last_key) {
        return Fail("{}: the keys do not ascend, so the list cannot be trusted", intention);
      }
      last_key = object.key;
    }
    if (!page->objects.empty() && !visit(page->objects)) return {};
    if (!page->truncated) return {};
    empty_pages = page->objects.empty() ? empty_pages + 1 : 0;
    if (page->next_token.empty() || page->next_token == token || empty_pages > kEmptyPagesMax) {
      return Fail("{}: the list says that it goes on, but not where", intention);
    }
    token = page->next_token;
  }
}

Status S3::Reach(const std::string& bucket) {
  const auto answer = impl_->client.Do({.op = "head_bucket", .method = "HEAD", .bucket = bucket});
  if (!answer) return While(Named("reaching", bucket), answer.error().error);
  return {};
}

Result<S3Head> S3::Head(const std::string& bucket, const std::string& key) {
  const auto answer =
      impl_->client.Do({.op = "head", .method = "HEAD", .bucket = bucket, .key = key});
  if (!answer) return While(Named("looking at", bucket, key), answer.error().error);
  S3Head head;
  const Headers& headers = answer->response.headers;
  const std::string_view size = headers.Get("Content-Length");
  const auto [end, error] =
      std::from_chars(size.data(), size.data() + size.size(), head.size_bytes);
  if (error != std::errc{} || end != size.data() + size.size()) {
    return Fail(Cause::kInvalid, "{}: the answer has no length", Named("looking at", bucket, key));
  }
  head.etag = s3::Unquoted(headers.Get("ETag"));
  head.version_id = headers.Get("x-amz-version-id");
  for (const auto& [name, value] : headers) {
    std::string lower(name);
    for (char& c : lower) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    if (lower.starts_with("x-amz-meta-")) head.metadata[lower.substr(11)] = value;
  }
  return head;
}

Status S3::Get(const std::string& bucket, const std::string& key,
               const std::function<bool(std::string_view)>& on_body) {
  const std::string intention = Named("reading", bucket, key);
  std::int64_t offset = 0;
  bool wanted = true;
  std::string etag;
  for (int resumed = 0;; ++resumed) {
    const std::int64_t begin = offset;
    bool here = true;  // the answer goes on where we are
    Call call{.op = "get", .bucket = bucket, .key = key};
    if (begin > 0) {
      call.headers.Set("Range", fmt::format("bytes={}-", begin));
      if (!etag.empty()) call.headers.Set("If-Match", etag);
    }
    call.once_begun = [&](const HttpResponse& head) {
      etag = head.headers.Get("ETag");
      here = begin == 0 || head.status == 206;
    };
    call.on_body = [&](std::string_view piece) {
      if (!here) return false;
      offset += static_cast<std::int64_t>(piece.size());
      wanted = on_body(piece);
      return wanted;
    };
    const auto answer = impl_->client.Do(std::move(call));
    if (answer || !wanted) return {};
    if (!here) return Fail("{}: it broke off, and S3 does not go on in the middle", intention);
    const Error& error = answer.error().error;
    if (offset == begin || !error.retryable() || resumed == kResumesMax ||
        !impl_->client.Pause(resumed + 1)) {
      return While(intention, error);
    }
  }
}

Result<std::string> S3::Put(const std::string& bucket, const std::string& key, std::string body,
                            const PutOptions& options) {
  const std::string digest = Md5(body);
  const std::string md5 = Hex(digest);
  const auto answer = impl_->client.Do({.op = "put",
                                        .method = "PUT",
                                        .bucket = bucket,
                                        .key = key,
                                        .headers = HeadersOf(options, digest),
                                        .body = std::move(body),
                                        .inspect = EtagIs(md5)});
  if (answer) return s3::Unquoted(answer->response.headers.Get("ETag"));
  const Failure& failure = answer.error();
  const bool there_already = failure.error.cause == Cause::kConflict && failure.tries > 1;
  if (there_already && impl_->Exists(bucket, key, md5)) return md5;
  return While(Named("writing", bucket, key), failure.error);
}

Status S3::Delete(const std::string& bucket, const std::string& key) {
  const auto answer =
      impl_->client.Do({.op = "delete", .method = "DELETE", .bucket = bucket, .key = key});
  if (!answer) return While(Named("deleting", bucket, key), answer.error().error);
  return {};
}

Status S3::CreateBucket(const std::string& bucket) {
  Call call{.op = "create_bucket", .method = "PUT", .bucket = bucket};
  const std::string& region = impl_->client.connection().region;
  if (impl_->client.IsAws() && region != "us-east-1") {
    call.body = fmt::format(
        "<CreateBucketConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"
        "<LocationConstraint>{}</LocationConstraint></CreateBucketConfiguration>",
        region);
  }
  const auto answer = impl_->client.Do(std::move(call));
  if (!answer) return While(Named("creating", bucket), answer.error().error);
  return {};
}

Result<S3Versioning> S3::Versioning(const std::string& bucket) {
  const std::string intention = Named("asking for the versioning of", bucket);
  const auto answer =
      impl_->client.Do({.op = "get_versioning", .bucket = bucket, .query = {{"versioning", ""}}});
  if (!answer) return While(intention, answer.error().error);
  Result<S3Versioning> versioning = s3::ReadVersioning(answer->response.body);
  if (!versioning) return While(intention, versioning.error());
  return versioning;
}

Status S3::SetVersioning(const std::string& bucket, bool enabled) {
  const auto answer = impl_->client.Do(
      {.op = "put_versioning",
       .method = "PUT",
       .bucket = bucket,
       .query = {{"versioning", ""}},
       .body =
           fmt::format("<VersioningConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"
                       "<Status>{}</Status></VersioningConfiguration>",
                       enabled ? "Enabled" : "Suspended"),
       .check_md5 = true});
  if (!answer) return While(Named("setting the versioning of", bucket), answer.error().error);
  return {};
}

Result<std::string> S3::CreateMultipartUpload(const std::string& bucket, const std::string& key,
                                              const PutOptions& options) {
  const std::string intention = Named("beginning an upload to", bucket, key);
  // If-None-Match belongs to the end of an upload.
  PutOptions at_once = options;
  at_once.if_none_match = false;
  const auto answer = impl_->client.Do({.op = "create_upload",
                                        .method = "POST",
                                        .bucket = bucket,
                                        .key = key,
                                        .query = {{"uploads", ""}},
                                        .headers = HeadersOf(at_once, "")});
  if (!answer) return While(intention, answer.error().error);
  Result<std::string> id = s3::ReadUploadId(answer->response.body);
  if (!id) return While(intention, id.error());
  return id;
}

Result<S3Part> S3::UploadPart(const std::string& bucket, const std::string& key,
                              const std::string& upload_id, int number, std::string body) {
  const std::string intention = fmt::format("{} part {}", Named("uploading", bucket, key), number);
  if (number < 1 || number > kPartsMax) {
    return Fail(Cause::kLimit, "{}: an upload has at most {} parts", intention, kPartsMax);
  }
  const std::string md5 = Md5(body);
  const auto answer =
      impl_->client.Do({.op = "upload_part",
                        .method = "PUT",
                        .bucket = bucket,
                        .key = key,
                        .query = {{"partNumber", std::to_string(number)}, {"uploadId", upload_id}},
                        .headers = {{"Content-MD5", Base64(md5)}},
                        .body = std::move(body),
                        .inspect = EtagIs(Hex(md5))});
  if (!answer) return While(intention, answer.error().error);
  S3Part part{number, s3::Unquoted(answer->response.headers.Get("ETag"))};
  if (part.etag.empty()) return Fail(Cause::kInvalid, "{}: the answer has no ETag", intention);
  return part;
}

Result<std::string> S3::CompleteMultipartUpload(const std::string& bucket, const std::string& key,
                                                const std::string& upload_id,
                                                const std::vector<S3Part>& parts) {
  const std::string intention = Named("completing the upload to", bucket, key);
  const std::string expected = ExpectedEtag(parts);
  const auto answer = impl_->client.Do(
      {.op = "complete_upload",
       .method = "POST",
       .bucket = bucket,
       .key = key,
       .query = {{"uploadId", upload_id}},
       .headers = {{"Content-Type", "application/xml"}},
       .body = s3::WriteParts(parts),
       .inspect = [](const HttpResponse& response) -> ErrorBody {
         // 200 is sent before the outcome is known; what is neither is an answer cut short.
         const Result<s3::Completion> read = s3::ReadCompletion(response.body);
         if (!read) return {.code = "InternalError", .message = read.error().message, .region = ""};
         return read->error;
       }});
  if (!answer) {
    const Failure& failure = answer.error();
    const bool perhaps_done = failure.error.cause == Cause::kNotFound && failure.tries > 1;
    if (perhaps_done && impl_->Exists(bucket, key, expected)) return expected;
    return While(intention, failure.error);
  }
  const Result<s3::Completion> read = s3::ReadCompletion(answer->response.body);
  if (!read) return While(intention, read.error());
  const bool comparable =
      !expected.empty() && !IsEncrypted(answer->response) && read->etag.size() == expected.size();
  if (comparable && read->etag != expected) {
    return Fail("{}: the whole has another checksum ({}) than its parts ({})", intention,
                read->etag, expected);
  }
  return read->etag;
}

Status S3::AbortMultipartUpload(const std::string& bucket, const std::string& key,
                                const std::string& upload_id) {
  const auto answer = impl_->client.Do({.op = "abort_upload",
                                        .method = "DELETE",
                                        .bucket = bucket,
                                        .key = key,
                                        .query = {{"uploadId", upload_id}}});
  // Gone already is what was wanted; some servers say NoSuchKey for it.
  if (answer || answer.error().error.cause == Cause::kNotFound) return {};
  return While(Named("aborting the upload to", bucket, key), answer.error().error);
}

Result<std::vector<S3::Upload>> S3::ListMultipartUploads(const std::string& bucket,
                                                         const std::string& prefix) {
  const std::string intention = Named("listing the uploads of", bucket, prefix);
  std::vector<Upload> all;
  std::string key_marker;
  std::string id_marker;
  for (int pages = 0; pages < kUploadPagesMax; ++pages) {
    Call call{.op = "list_uploads", .bucket = bucket};
    call.query = {{"uploads", ""}, {"encoding-type", "url"}, {"prefix", prefix}};
    if (!key_marker.empty()) call.query.emplace_back("key-marker", key_marker);
    if (!id_marker.empty()) call.query.emplace_back("upload-id-marker", id_marker);
    const auto answer = impl_->client.Do(std::move(call));
    if (!answer) return While(intention, answer.error().error);
    Result<s3::UploadsPage> page = s3::ReadUploadsPage(answer->response.body);
    if (!page) return While(intention, page.error());
    all.insert(all.end(), page->uploads.begin(), page->uploads.end());
    if (!page->truncated) return all;
    const bool moves = page->next_key != key_marker || page->next_upload_id != id_marker;
    if (page->next_key.empty() || !moves) {
      return Fail("{}: the list says that it goes on, but not where", intention);
    }
    key_marker = page->next_key;
    id_marker = page->next_upload_id;
  }
  return Fail(Cause::kLimit, "{}: more than {} pages", intention, kUploadPagesMax);
}

}  // namespace fettle
