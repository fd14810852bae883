#include "common/s3_xml.h"

#include <expat.h>

#include <charconv>
#include <functional>
#include <memory>
#include <utility>

#include "common/duration.h"
#include "common/http.h"

namespace fettle::s3 {
namespace {

// Walks a document and tells of every element when it ends: its path ("ListBucketResult/Contents")
// and the text directly in it.
class Walker {
 public:
  using Visit = std::function<Status(std::string_view path, std::string& text)>;

  explicit Walker(Visit visit) : visit_(std::move(visit)), parser_(XML_ParserCreate(nullptr)) {
    XML_SetUserData(parser_.get(), this);
    XML_SetElementHandler(parser_.get(), &Walker::Start, &Walker::End);
    XML_SetCharacterDataHandler(parser_.get(), &Walker::Text);
    XML_SetStartDoctypeDeclHandler(parser_.get(), &Walker::Doctype);
  }

  Status Walk(std::string_view xml) {
    if (xml.size() > kDocumentBytesMax) {
      return Fail(Cause::kLimit, "an answer of more than {} bytes", kDocumentBytesMax);
    }
    const XML_Status status =
        XML_Parse(parser_.get(), xml.data(), static_cast<int>(xml.size()), XML_TRUE);
    if (failure_) return tl::unexpected(*failure_);
    if (status != XML_STATUS_OK) {
      return Fail(Cause::kInvalid, "no XML at line {}: {}", XML_GetCurrentLineNumber(parser_.get()),
                  XML_ErrorString(XML_GetErrorCode(parser_.get())));
    }
    return {};
  }

 private:
  struct Free {
    void operator()(XML_Parser parser) const { XML_ParserFree(parser); }
  };

  static void Start(void* self, const XML_Char* name, const XML_Char**) {
    static_cast<Walker*>(self)->Open(name);
  }
  static void End(void* self, const XML_Char*) { static_cast<Walker*>(self)->Close(); }
  static void Text(void* self, const XML_Char* text, int size) {
    static_cast<Walker*>(self)->Add({text, static_cast<std::size_t>(size)});
  }
  static void Doctype(void* self, const XML_Char*, const XML_Char*, const XML_Char*, int) {
    static_cast<Walker*>(self)->Stop({"a DOCTYPE where none belongs", Cause::kInvalid});
  }

  void Open(std::string_view name) {
    if (failure_) return;
    if (static_cast<int>(lengths_.size()) >= kXmlDepthMax) {
      return Stop({"elements nested too deep", Cause::kLimit});
    }
    lengths_.push_back(path_.size());
    if (!path_.empty()) path_ += '/';
    path_ += name;
    if (path_.size() > kXmlTextBytesMax) Stop({"an element's name is too long", Cause::kLimit});
    text_.clear();
  }
  void Close() {
    if (failure_) return;
    if (Status seen = visit_(path_, text_); !seen) return Stop(seen.error());
    path_.resize(lengths_.back());
    lengths_.pop_back();
    text_.clear();
  }
  void Add(std::string_view text) {
    if (failure_) return;
    if (text_.size() + text.size() > kXmlTextBytesMax) {
      return Stop({"an element's text is too long", Cause::kLimit});
    }
    text_ += text;
  }
  void Stop(Error error) {
    if (!failure_) failure_ = std::make_unique<Error>(std::move(error));
    XML_StopParser(parser_.get(), XML_FALSE);
  }

  Visit visit_;
  std::unique_ptr<XML_ParserStruct, Free> parser_;
  std::string path_;
  std::vector<std::size_t> lengths_;
  std::string text_;
  std::unique_ptr<Error> failure_;
};

Result<std::int64_t> Number(std::string_view text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || value < 0) {
    return Fail(Cause::kInvalid, "a size that is no number");
  }
  return value;
}

template <typename List>
Status Room(const List& list) {
  if (list.size() < kPageItemsMax) return {};
  return Fail(Cause::kLimit, "a page of more than {} items", kPageItemsMax);
}

// encoding-type=url writes a space as "+" and a plus as "%2B".
std::string Decoded(const std::string& text, bool encoded) {
  return encoded ? PercentDecode(text, true) : text;
}

std::string Escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

}  // namespace

std::string Unquoted(std::string_view etag) {
  while (etag.size() >= 2 && etag.front() == '"' && etag.back() == '"') {
    etag.remove_prefix(1);
    etag.remove_suffix(1);
  }
  return std::string(etag);
}

ErrorBody ReadError(std::string_view xml) {
  ErrorBody error;
  Walker walker([&error](std::string_view path, std::string& text) -> Status {
    if (path == "Error/Code") error.code = text;
    if (path == "Error/Message") error.message = text;
    if (path == "Error/Region") error.region = text;
    return {};
  });
  if (!walker.Walk(xml)) return {};
  return error;
}

Result<ListPage> ReadListPage(std::string_view xml) {
  ListPage page;
  S3Object object;
  bool is_list = false;
  bool encoded = false;
  Walker walker([&](std::string_view path, std::string& text) -> Status {
    constexpr std::string_view kRoot = "ListBucketResult";
    if (!path.starts_with(kRoot)) return {};
    path.remove_prefix(kRoot.size());
    if (path == "/Contents/Key") {
      object.key = text;
    } else if (path == "/Contents/Size") {
      const Result<std::int64_t> size = Number(text);
      if (!size) return tl::unexpected(size.error());
      object.size_bytes = *size;
    } else if (path == "/Contents/ETag") {
      object.etag = Unquoted(text);
    } else if (path == "/Contents/LastModified") {
      const Result<Time> at = ParseRfc3339(text);
      if (!at) return tl::unexpected(at.error());
      object.last_modified = *at;
    } else if (path == "/Contents/StorageClass") {
      if (!text.empty()) object.storage_class = text;
    } else if (path == "/Contents") {
      if (Status room = Room(page.objects); !room) return room;
      page.objects.push_back(std::exchange(object, {}));
    } else if (path == "/IsTruncated") {
      page.truncated = text == "true";
    } else if (path == "/NextContinuationToken") {
      page.next_token = text;
    } else if (path == "/EncodingType") {
      encoded = text == "url";
    } else if (path.empty()) {
      is_list = true;
    }
    return {};
  });
  if (Status walked = walker.Walk(xml); !walked) return tl::unexpected(walked.error());
  if (!is_list) return Fail(Cause::kInvalid, "the answer is no list of objects");
  for (S3Object& each : page.objects) each.key = Decoded(each.key, encoded);
  return page;
}

Result<UploadsPage> ReadUploadsPage(std::string_view xml) {
  UploadsPage page;
  S3::Upload upload;
  bool is_list = false;
  bool encoded = false;
  Walker walker([&](std::string_view path, std::string& text) -> Status {
    constexpr std::string_view kRoot = "ListMultipartUploadsResult";
    if (!path.starts_with(kRoot)) return {};
    path.remove_prefix(kRoot.size());
    if (path == "/Upload/Key") {
      upload.key = text;
    } else if (path == "/Upload/UploadId") {
      upload.upload_id = text;
    } else if (path == "/Upload/Initiated") {
      const Result<Time> at = ParseRfc3339(text);
      if (!at) return tl::unexpected(at.error());
      upload.initiated = *at;
    } else if (path == "/Upload") {
      if (Status room = Room(page.uploads); !room) return room;
      page.uploads.push_back(std::exchange(upload, {}));
    } else if (path == "/IsTruncated") {
      page.truncated = text == "true";
    } else if (path == "/NextKeyMarker") {
      page.next_key = text;
    } else if (path == "/NextUploadIdMarker") {
      page.next_upload_id = text;
    } else if (path == "/EncodingType") {
      encoded = text == "url";
    } else if (path.empty()) {
      is_list = true;
    }
    return {};
  });
  if (Status walked = walker.Walk(xml); !walked) return tl::unexpected(walked.error());
  if (!is_list) return Fail(Cause::kInvalid, "the answer is no list of uploads");
  for (S3::Upload& each : page.uploads) each.key = Decoded(each.key, encoded);
  page.next_key = Decoded(page.next_key, encoded);
  return page;
}

Result<std::string> ReadUploadId(std::string_view xml) {
  std::string id;
  Walker walker([&id](std::string_view path, std::string& text) -> Status {
    if (path == "InitiateMultipartUploadResult/UploadId") id = text;
    return {};
  });
  if (Status walked = walker.Walk(xml); !walked) return tl::unexpected(walked.error());
  if (id.empty()) return Fail(Cause::kInvalid, "the answer has no upload id");
  return id;
}

Result<Completion> ReadCompletion(std::string_view xml) {
  Completion completion;
  Walker walker([&completion](std::string_view path, std::string& text) -> Status {
    if (path == "CompleteMultipartUploadResult/ETag") completion.etag = Unquoted(text);
    if (path == "Error/Code") completion.error.code = text;
    if (path == "Error/Message") completion.error.message = text;
    return {};
  });
  // The server may have kept the connection alive with white space, even before the declaration.
  const std::size_t begin = xml.find_first_not_of(" \t\r\n");
  if (begin != std::string_view::npos) xml.remove_prefix(begin);
  if (Status walked = walker.Walk(xml); !walked) return tl::unexpected(walked.error());
  if (completion.etag.empty() && completion.error.code.empty()) {
    return Fail(Cause::kInvalid, "the answer has neither an ETag nor an error");
  }
  return completion;
}

Result<S3Versioning> ReadVersioning(std::string_view xml) {
  S3Versioning versioning = S3Versioning::kNever;
  bool is_one = false;
  Walker walker([&](std::string_view path, std::string& text) -> Status {
    if (path == "VersioningConfiguration/Status") {
      if (text == "Enabled") versioning = S3Versioning::kEnabled;
      if (text == "Suspended") versioning = S3Versioning::kSuspended;
    }
    if (path == "VersioningConfiguration") is_one = true;
    return {};
  });
  if (Status walked = walker.Walk(xml); !walked) return tl::unexpected(walked.error());
  if (!is_one) return Fail(Cause::kInvalid, "the answer says nothing about versioning");
  return versioning;
}

std::string WriteParts(const std::vector<S3Part>& parts) {
  std::string xml = "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">";
  for (const S3Part& part : parts) {
    xml += fmt::format("<Part><PartNumber>{}</PartNumber><ETag>&quot;{}&quot;</ETag></Part>",
                       part.number, Escaped(part.etag));
  }
  return xml + "</CompleteMultipartUpload>";
}

}  // namespace fettle::s3
