// The readers of S3's answers. Goal: what AWS, Ceph and MinIO send is read as they meant it, and
// what nobody should send is refused within the bounds.
#include "common/s3_xml.h"

#include <gtest/gtest.h>

namespace fettle::s3 {
namespace {

constexpr const char* kNamespace = "http://s3.amazonaws.com/doc/2006-03-01/";

std::string ListXml(const std::string& inside) {
  return fmt::format(
      "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ListBucketResult xmlns=\"{}\">{}"
      "</ListBucketResult>",
      kNamespace, inside);
}

std::string ContentsXml(const std::string& key) {
  return "<Contents><Key>" + key +
         "</Key><LastModified>2026-01-02T03:04:05.000Z</LastModified><ETag>&quot;abc&quot;</ETag>"
         "<Size>12</Size><StorageClass>GLACIER</StorageClass><Owner><ID>x</ID></Owner></Contents>";
}

TEST(S3XmlTest, ReadsAListPage) {
  const auto page =
      ReadListPage(ListXml("<Name>b</Name><Prefix/><KeyCount>2</KeyCount><MaxKeys>1000</MaxKeys>"
                           "<EncodingType>url</EncodingType><IsTruncated>true</IsTruncated>" +
                           ContentsXml("a%2Fb+c%2Bd%C3%A4") + ContentsXml("z") +
                           "<NextContinuationToken>1/tok+en==</NextContinuationToken>"));
  ASSERT_TRUE(page.has_value()) << page.error().message;
  ASSERT_EQ(page->objects.size(), 2U);
  EXPECT_EQ(page->objects[0].key, "a/b c+dä");
  EXPECT_EQ(page->objects[0].size_bytes, 12);
  EXPECT_EQ(page->objects[0].etag, "abc");
  EXPECT_EQ(page->objects[0].storage_class, "GLACIER");
  EXPECT_EQ(ToMillis(page->objects[0].last_modified), 1'767'323'045'000);
  EXPECT_TRUE(page->truncated);
  EXPECT_EQ(page->next_token, "1/tok+en==");
}

TEST(S3XmlTest, DecodesKeysOnlyIfTheAnswerSaysTheyAreEncoded) {
  const auto page = ReadListPage(ListXml(ContentsXml("a%2Fb+c &amp; &#x41;")));
  ASSERT_TRUE(page.has_value());
  EXPECT_EQ(page->objects[0].key, "a%2Fb+c & A");
}

TEST(S3XmlTest, AnEmptyBucketIsAnEmptyPage) {
  const auto page = ReadListPage(ListXml("<IsTruncated>false</IsTruncated>"));
  ASSERT_TRUE(page.has_value());
  EXPECT_TRUE(page->objects.empty());
  EXPECT_FALSE(page->truncated);
}

TEST(S3XmlTest, FieldsOfOneObjectDoNotLeakIntoTheNext) {
  const auto page =
      ReadListPage(ListXml(ContentsXml("a") + "<Contents><Key>b</Key><Size>1</Size></Contents>"));
  ASSERT_TRUE(page.has_value());
  EXPECT_EQ(page->objects[1].etag, "");
  EXPECT_EQ(page->objects[1].storage_class, "STANDARD");
}

TEST(S3XmlTest, RefusesWhatIsNoListPage) {
  const std::vector<std::pair<std::string, Cause>> table = {
      {"", Cause::kInvalid},
      {"<html><body>Bad gateway</body></html>", Cause::kInvalid},
      {"<ListBucketResult><Contents>", Cause::kInvalid},
      {ListXml("<Contents><Size>-1</Size></Contents>"), Cause::kInvalid},
      {ListXml("<Contents><Size>1e9</Size></Contents>"), Cause::kInvalid},
      {ListXml("<Contents><LastModified>yesterday</LastModified></Contents>"), Cause::kInvalid},
      {"<!DOCTYPE a [<!ENTITY b \"c\">]><ListBucketResult>&b;</ListBucketResult>", Cause::kInvalid},
      {ListXml("<Contents><Key>" + std::string(70'000, 'k') + "</Key></Contents>"), Cause::kLimit},
      {std::string(kDocumentBytesMax + 1, ' '), Cause::kLimit},
  };
  for (const auto& [xml, cause] : table) {
    const auto page = ReadListPage(xml);
    ASSERT_FALSE(page.has_value()) << xml.substr(0, 80);
    EXPECT_EQ(page.error().cause, cause) << xml.substr(0, 80) << ": " << page.error().message;
  }
  std::string deep;
  for (int i = 0; i < kXmlDepthMax; ++i) deep += "<a>";
  EXPECT_EQ(ReadListPage(ListXml(deep)).error().cause, Cause::kLimit);
  std::string many;
  for (std::size_t i = 0; i <= kPageItemsMax; ++i) many += "<Contents><Key>k</Key></Contents>";
  EXPECT_EQ(ReadListPage(ListXml(many)).error().cause, Cause::kLimit);
}

TEST(S3XmlTest, ReadsErrorsAndTakesAnythingElseForAnEmptyOne) {
  const ErrorBody error = ReadError(
      "<?xml version=\"1.0\"?><Error><Code>AuthorizationHeaderMalformed</Code><Message>wrong "
      "region</Message><Region>eu-west-1</Region><RequestId>1</RequestId></Error>");
  EXPECT_EQ(error.code, "AuthorizationHeaderMalformed");
  EXPECT_EQ(error.message, "wrong region");
  EXPECT_EQ(error.region, "eu-west-1");
  EXPECT_EQ(ReadError("<html>").code, "");
  EXPECT_EQ(ReadError("").code, "");
  EXPECT_EQ(ReadError("<Other><Code>x</Code></Other>").code, "");
}

TEST(S3XmlTest, TellsACompletionFromAnErrorUnder200) {
  const auto done = ReadCompletion(
      "<?xml version=\"1.0\"?><CompleteMultipartUploadResult><Location>l</Location>"
      "<ETag>&#34;abc-2&#34;</ETag></CompleteMultipartUploadResult>");
  ASSERT_TRUE(done.has_value());
  EXPECT_EQ(done->etag, "abc-2");
  // White space sent to keep the connection alive comes before the declaration.
  const auto failed =
      ReadCompletion("  \n  <?xml version=\"1.0\"?><Error><Code>InternalError</Code></Error>");
  ASSERT_TRUE(failed.has_value());
  EXPECT_EQ(failed->etag, "");
  EXPECT_EQ(failed->error.code, "InternalError");
  EXPECT_FALSE(ReadCompletion("   ").has_value());
  EXPECT_FALSE(ReadCompletion("<CompleteMultipartUploadResult/>").has_value());
}

TEST(S3XmlTest, ReadsVersioningAsEnabledSuspendedOrNever) {
  const auto read = [](const std::string& inside) {
    return ReadVersioning(
        fmt::format("<VersioningConfiguration xmlns=\"{}\">{}"
                    "</VersioningConfiguration>",
                    kNamespace, inside));
  };
  EXPECT_EQ(*read("<Status>Enabled</Status>"), S3Versioning::kEnabled);
  EXPECT_EQ(*read("<Status>Suspended</Status><MfaDelete>Disabled</MfaDelete>"),
            S3Versioning::kSuspended);
  EXPECT_EQ(*read(""), S3Versioning::kNever);
  EXPECT_FALSE(ReadVersioning("<Error/>").has_value());
}

TEST(S3XmlTest, ReadsUploads) {
  const auto page = ReadUploadsPage(
      "<ListMultipartUploadsResult><EncodingType>url</EncodingType><NextKeyMarker>a+b</"
      "NextKeyMarker>"
      "<NextUploadIdMarker>9+9</NextUploadIdMarker><IsTruncated>true</IsTruncated>"
      "<Upload><Key>a+b</Key><UploadId>2~x/y+</UploadId>"
      "<Initiated>2026-01-02T03:04:05.000Z</Initiated></Upload></ListMultipartUploadsResult>");
  ASSERT_TRUE(page.has_value()) << page.error().message;
  ASSERT_EQ(page->uploads.size(), 1U);
  EXPECT_EQ(page->uploads[0].key, "a b");
  EXPECT_EQ(page->uploads[0].upload_id, "2~x/y+");
  EXPECT_EQ(page->next_key, "a b");
  EXPECT_EQ(page->next_upload_id, "9+9");
  EXPECT_EQ(*ReadUploadId("<InitiateMultipartUploadResult><UploadId>2~x</UploadId>"
                          "</InitiateMultipartUploadResult>"),
            "2~x");
  EXPECT_FALSE(ReadUploadId("<InitiateMultipartUploadResult/>").has_value());
}

TEST(S3XmlTest, WritesPartsSoThatNoEtagCanBreakOut) {
  const std::string xml = WriteParts({{1, "abc"}, {2, "\"><Evil/>&"}});
  EXPECT_NE(xml.find("<Part><PartNumber>1</PartNumber><ETag>&quot;abc&quot;</ETag></Part>"),
            std::string::npos);
  EXPECT_EQ(xml.find("<Evil/>"), std::string::npos);
}

TEST(S3XmlTest, TakesQuotesOff) {
  EXPECT_EQ(Unquoted("\"abc\""), "abc");
  EXPECT_EQ(Unquoted("abc"), "abc");
  EXPECT_EQ(Unquoted("\"\"abc\"\""), "abc");
  EXPECT_EQ(Unquoted("\""), "\"");
  EXPECT_EQ(Unquoted(""), "");
}

}  // namespace
}  // namespace fettle::s3
