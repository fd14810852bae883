// Goal: what is counted as a set has a manifest and all its objects; everything else is said.
#include "receivers/backups/catalogue.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/temp_dir.h"

namespace fettle::receivers::backups {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

Manifest Sample(const std::string& run_id, std::int64_t at_seconds = 100) {
  Manifest manifest{.job = "leads",
                    .run_id = run_id,
                    .trigger = "schedule",
                    .host = "h",
                    .source = "postgres",
                    .started = TimeFromMillis(at_seconds * 1000),
                    .ended = TimeFromMillis(at_seconds * 1000 + 1500),
                    .level = 3,
                    .key_id = "00ff",
                    .facts = {{"server_version", "150018"}}};
  manifest.objects = {{.name = "leads.pgc.zst",
                       .size_bytes = 4,
                       .raw_bytes = 9,
                       .sha256_hex = std::string(64, 'a'),
                       .format = Format::kPostgresCustom,
                       .subject = "leads"}};
  return manifest;
}

TEST(ManifestTest, ReadsWhatItWrites) {
  const Result<Manifest> read = ReadManifest(Write(Sample("run-1")));
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(Write(*read), Write(Sample("run-1")));
  EXPECT_EQ(read->objects.at(0).format, Format::kPostgresCustom);
  EXPECT_EQ(read->key_id, "00ff");
  EXPECT_EQ(read->SizeBytes(), 4);
}

TEST(ManifestTest, RefusesWhatCouldNotBeRestored) {
  const std::string good = Write(Sample("run-1"));
  const auto with = [&](const std::string& from, const std::string& to) {
    std::string text = good;
    text.replace(text.find(from), from.size(), to);
    return ReadManifest(text);
  };
  EXPECT_THAT(with("\"schema\":1", "\"schema\":2").error().message, HasSubstr("schema"));
  EXPECT_FALSE(with("leads.pgc.zst", "../../etc/passwd"));
  EXPECT_FALSE(with("leads.pgc.zst", ""));
  EXPECT_FALSE(with("\"size_bytes\":4", "\"size_bytes\":-4"));
  EXPECT_FALSE(with("postgres_custom", "postgres_future"));
  EXPECT_FALSE(with("\"started\":\"1970", "\"started\":\"2970"));
  EXPECT_FALSE(with("\"objects\":[", "\"other\":["));
  EXPECT_FALSE(ReadManifest(good.substr(0, good.size() / 2)));
}

class CatalogueTest : public testing::Test {
 protected:
  void Put(const Manifest& manifest, const std::string& object = "1234") {
    dir_.Write(SetPrefix(manifest.run_id) + "manifest.json", Write(manifest));
    dir_.Write(SetPrefix(manifest.run_id) + "leads.pgc.zst", object);
  }
  Catalogue Look(const Catalogue& known = {}) {
    auto catalogue = ReadCatalogue(*place_, known);
    EXPECT_TRUE(catalogue) << catalogue.error().message;
    return *std::move(catalogue);
  }
  TempDir dir_;
  std::unique_ptr<Destination> place_ = MakeDirectoryDestination({dir_.path()});
};

TEST_F(CatalogueTest, AnEmptyPlaceIsEmpty) { EXPECT_TRUE(Look().sets.empty()); }

TEST_F(CatalogueTest, OrdersByTimeAndNotByName) {
  Put(Sample("b", 100));
  Put(Sample("a", 200));
  const Catalogue catalogue = Look();
  ASSERT_EQ(catalogue.sets.size(), 2U);
  EXPECT_EQ(catalogue.Newest()->manifest.run_id, "a");
  EXPECT_TRUE(catalogue.Find("b")->Whole());
  EXPECT_EQ(catalogue.Find("c"), nullptr);
}

TEST_F(CatalogueTest, SaysWhatIsGoneHeldOrphanedAndUnreadable) {
  Put(Sample("gone"));
  std::filesystem::remove(dir_ / "sets/gone/leads.pgc.zst");
  Put(Sample("short"), "123");
  Put(Sample("held"));
  dir_.Write("sets/held/hold.json", "{}");
  dir_.Write("sets/orphan/leads.pgc.zst", "12345");
  Put(Sample("other"));
  dir_.Write("sets/broken/manifest.json", "{");
  std::filesystem::rename(dir_ / "sets/other", dir_ / "sets/renamed");
  dir_.Write("sets/../strange file", "x");
  const Catalogue catalogue = Look();
  EXPECT_THAT(catalogue.Find("gone")->missing, ElementsAre("leads.pgc.zst"));
  EXPECT_THAT(catalogue.Find("short")->missing, ElementsAre("leads.pgc.zst"));
  EXPECT_TRUE(catalogue.Find("held")->held);
  EXPECT_TRUE(catalogue.Find("held")->Whole());
  EXPECT_EQ(catalogue.orphans.at("orphan").bytes, 5);
  EXPECT_THAT(catalogue.unreadable.at("renamed"), HasSubstr("is that of other"));
  EXPECT_TRUE(catalogue.unreadable.contains("broken"));
  EXPECT_EQ(catalogue.sets.size(), 3U);
}

TEST_F(CatalogueTest, WhatIsKnownIsNotReadAgainButLookedAt) {
  Put(Sample("run-1"));
  const Catalogue before = Look();
  dir_.Write("sets/run-1/manifest.json", "no longer one");
  EXPECT_TRUE(Look(before).Find("run-1")->Whole());
  std::filesystem::remove(dir_ / "sets/run-1/leads.pgc.zst");
  EXPECT_FALSE(Look(before).Find("run-1")->Whole());
  std::filesystem::remove(dir_ / "sets/run-1/manifest.json");
  EXPECT_TRUE(Look(before).sets.empty());
}

}  // namespace
}  // namespace fettle::receivers::backups
