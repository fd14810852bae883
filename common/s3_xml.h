// Reads what S3 answers (expat stays inside s3_xml.cc). Bounded: no DOCTYPE, depth, text of one
// element and items of one page have limits; beyond them the answer is refused (kLimit), and what
// is not such a document is kInvalid. Values. Shapes: docs.aws.amazon.com/AmazonS3/latest/API.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/result.h"
#include "common/s3.h"

namespace fettle::s3 {

inline constexpr std::size_t kDocumentBytesMax = 8 * 1024 * 1024;
inline constexpr int kXmlDepthMax = 16;
inline constexpr std::size_t kXmlTextBytesMax = 64 * 1024;
inline constexpr std::size_t kPageItemsMax = 10'000;

// <Error>; any field may be empty.
struct ErrorBody {
  std::string code;
  std::string message;
  std::string region;
};
// A body that is no such document (a proxy's HTML, nothing at all) reads as an empty ErrorBody.
ErrorBody ReadError(std::string_view xml);

// ListObjectsV2. Keys are decoded if the answer says that it encoded them.
struct ListPage {
  std::vector<S3Object> objects;
  bool truncated = false;
  std::string next_token;
};
Result<ListPage> ReadListPage(std::string_view xml);

struct UploadsPage {
  std::vector<S3::Upload> uploads;
  bool truncated = false;
  std::string next_key;
  std::string next_upload_id;
};
Result<UploadsPage> ReadUploadsPage(std::string_view xml);

// CreateMultipartUpload's upload id.
Result<std::string> ReadUploadId(std::string_view xml);

// CompleteMultipartUpload answers 200 before it knows the outcome: an ETag or an <Error>.
struct Completion {
  std::string etag;  // without quotes; "" if it is an error
  ErrorBody error;
};
Result<Completion> ReadCompletion(std::string_view xml);

Result<S3Versioning> ReadVersioning(std::string_view xml);

// The body of CompleteMultipartUpload.
std::string WriteParts(const std::vector<S3Part>& parts);

// "abc" without quotes, also if they are escaped twice.
std::string Unquoted(std::string_view etag);

}  // namespace fettle::s3
