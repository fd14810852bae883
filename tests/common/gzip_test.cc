#include "common/gzip.h"

#include <gtest/gtest.h>
#include <zlib.h>

#include <random>

namespace fettle {
namespace {

std::string Unpack(const std::string& packed, std::size_t room) {
  std::string out(room, '\0');
  z_stream stream{};
  EXPECT_EQ(inflateInit2(&stream, 15 + 16), Z_OK);
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.data()));
  stream.avail_in = static_cast<uInt>(packed.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  EXPECT_EQ(inflate(&stream, Z_FINISH), Z_STREAM_END);
  out.resize(stream.total_out);
  inflateEnd(&stream);
  return out;
}

TEST(GzipTest, GivesBackWhatItWasGiven) {
  std::mt19937 random(7);
  std::string noise;
  for (int i = 0; i < 100'000; ++i) noise += static_cast<char>(random());
  for (const std::string& text :
       {std::string(), std::string("x"), std::string(1'000'000, 'a'), noise}) {
    EXPECT_EQ(Unpack(Gzip(text), text.size() + 1), text);
  }
}

TEST(GzipTest, ReadsAcceptEncoding) {
  struct Case {
    std::string header;
    bool accepts;
  };
  for (const Case& c : std::vector<Case>{
           {"", false},
           {"gzip", true},
           {"deflate, gzip;q=1.0, *;q=0.5", true},
           {"x-gzip", true},
           {"*", true},
           {"*;q=0", false},
           {"gzip;q=0", false},
           {"gzip; q=0.000", false},
           {"gzip;q=0.001", true},
           {"gzip;q=0, *", false},
           {"br, *;q=0.1", true},
           {"identity", false},
           {"gzipped", false},
           {",,;,", false},
       }) {
    EXPECT_EQ(AcceptsGzip(c.header), c.accepts) << c.header;
  }
}

}  // namespace
}  // namespace fettle
