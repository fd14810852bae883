// Goal: what was sealed comes back to the byte, and nothing that was changed does.
#include "common/seal.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/digest.h"
#include "tests/support/temp_dir.h"

namespace fettle {
namespace {

using testing::HasSubstr;

SealKey Key(char fill = 'a') { return *SealKey::Parse(std::string(64, fill)); }

std::string Seal(const SealKey& key, const std::string& text, std::size_t piece = 100'000) {
  Sealer sealer(key);
  std::string sealed;
  const auto sink = [&](std::string_view out) -> Status {
    sealed += out;
    return {};
  };
  for (std::size_t at = 0; at < text.size(); at += piece) {
    EXPECT_TRUE(sealer.Write(std::string_view(text).substr(at, piece), sink));
  }
  EXPECT_TRUE(sealer.Finish(sink));
  return sealed;
}

Result<std::string> Open(const SealKey& key, const std::string& sealed,
                         std::size_t piece = 100'000) {
  Opener opener(key);
  std::string text;
  const auto sink = [&](std::string_view out) -> Status {
    text += out;
    return {};
  };
  for (std::size_t at = 0; at < sealed.size(); at += piece) {
    if (Status s = opener.Write(std::string_view(sealed).substr(at, piece), sink); !s) {
      return tl::unexpected(s.error());
    }
  }
  if (Status s = opener.Finish(sink); !s) return tl::unexpected(s.error());
  return text;
}

std::string Text(std::size_t size) {
  std::string text;
  for (std::size_t i = 0; i < size; ++i) text += static_cast<char>((i * 2654435761U) >> 13);
  return text;
}

TEST(SealTest, ComesBackWhateverThePiecesAre) {
  constexpr std::size_t kChunk = Sealer::kChunkBytes;
  for (const std::size_t size : {std::size_t{0}, std::size_t{1}, kChunk - 1, kChunk, kChunk + 1,
                                 3 * kChunk, 3 * kChunk + 7}) {
    for (const std::size_t piece : {std::size_t{997}, kChunk, std::size_t{1'000'000}}) {
      const std::string text = Text(size);
      const std::string sealed = Seal(Key(), text, piece);
      EXPECT_EQ(*Open(Key(), sealed, piece), text) << size << " by " << piece;
      const std::size_t chunks = std::max<std::size_t>(1, (size + kChunk - 1) / kChunk);
      EXPECT_EQ(sealed.size(), 24 + size + 16 * chunks);
    }
  }
}

TEST(SealTest, TheSameTextIsNeverSealedTheSame) {
  EXPECT_NE(Seal(Key(), "text"), Seal(Key(), "text"));
}

TEST(SealTest, EveryChangeShows) {
  const std::string text = Text(2 * Sealer::kChunkBytes + 100);
  const std::string sealed = Seal(Key(), text);
  for (const std::size_t at :
       {std::size_t{0}, std::size_t{9}, std::size_t{30}, sealed.size() / 2, sealed.size() - 1}) {
    std::string flipped = sealed;
    flipped[at] = static_cast<char>(flipped[at] ^ 1);
    EXPECT_EQ(Open(Key(), flipped).error().cause, Cause::kInvalid) << at;
  }
  // Cut where a chunk ends, cut in the middle, two chunks exchanged, something behind the end.
  constexpr std::size_t kStep = Sealer::kChunkBytes + 16;
  EXPECT_FALSE(Open(Key(), sealed.substr(0, 24 + kStep)));
  EXPECT_FALSE(Open(Key(), sealed.substr(0, 24 + 2 * kStep)));
  EXPECT_FALSE(Open(Key(), sealed.substr(0, 1000)));
  EXPECT_FALSE(Open(Key(), sealed.substr(0, 10)));
  EXPECT_FALSE(Open(Key(), ""));
  EXPECT_FALSE(Open(Key(), sealed.substr(0, 24) + sealed.substr(24 + kStep, kStep) +
                               sealed.substr(24, kStep) + sealed.substr(24 + 2 * kStep)));
  EXPECT_FALSE(Open(Key(), sealed + "x"));
}

TEST(SealTest, AnotherKeyOpensNothing) {
  EXPECT_THAT(Open(Key('b'), Seal(Key(), "text")).error().message, HasSubstr("another key"));
  EXPECT_NE(Key('a').Id(), Key('b').Id());
  EXPECT_EQ(Key('a').Id(), Key('a').Id());
}

TEST(SealTest, OpensWhatOpensslWouldHaveSealed) {
  // Made with Python's cryptography: HKDF-SHA256 and AESGCM by the header's description, key 00…1f,
  // salt 10…1f, text "hello".
  std::string key;
  for (int i = 0; i < 32; ++i) key += static_cast<char>(i);
  const std::string sealed = FromHex(
      "464554544c45310a101112131415161718191a1b1c1d1e1f"
      "ddba490976dffd8824fba4ebbea2b42b8ece1c6ce9");
  EXPECT_EQ(*Open(*SealKey::Parse(Hex(key)), sealed), "hello");
}

TEST(SealTest, AKeyIsHexOrBase64AndNothingElse) {
  TempDir dir;
  EXPECT_TRUE(SealKey::Parse(std::string(64, '0')));
  EXPECT_TRUE(SealKey::Parse("MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="));
  for (const std::string& bad : {std::string(), std::string("secret"), std::string(63, '0'),
                                 std::string(66, '0'), std::string(64, 'z')}) {
    EXPECT_THAT(SealKey::Parse(bad).error().message, HasSubstr("32 bytes")) << bad;
  }
  EXPECT_TRUE(SealKey::Read(Secret::FromFile(dir.Write("key", std::string(64, '7') + "\n"))));
  EXPECT_FALSE(SealKey::Read(Secret::FromFile(dir / "none")));
}

}  // namespace
}  // namespace fettle
