#include <algorithm>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <system_error>
#include <utility>

#include "common/s3.h"
#include "exporter/collectors/wal_archive.h"

namespace fettle::exporter {
namespace {

namespace fs = std::filesystem;

constexpr S3::Options kArchiveOptions{
    .tries_max = 4, .budget = Millis(60'000), .timeout = Millis(15'000)};
// backup.info of a pgBackRest with many backups is the largest that is read.
constexpr std::size_t kReadBytesMax = 16 * 1024 * 1024;

class DirectoryWal final : public WalFiles {
 public:
  explicit DirectoryWal(std::string directory) : directory_(std::move(directory)) {}

  Status List(const std::string& prefix,
              const std::function<Status(std::string_view, double)>& visit) override {
    std::error_code error;
    const fs::path top = fs::path(directory_) / prefix;
    if (!fs::is_directory(directory_, error)) {
      return Fail(Cause::kNotFound, "looking into {}: {}", directory_,
                  error ? error.message() : "it is no directory");
    }
    if (!fs::exists(top, error)) return {};
    std::size_t files = 0;
    fs::recursive_directory_iterator at(top, error);
    for (; !error && at != fs::recursive_directory_iterator(); at.increment(error)) {
      std::error_code gone;
      if (!at->is_regular_file(gone)) continue;
      const auto written = fs::last_write_time(at->path(), gone);
      // One that has gone since is not there.
      if (gone) continue;
      if (++files > kFilesMax) return Fail(Cause::kLimit, "more than {} files", kFilesMax);
      const auto since = fs::file_time_type::clock::to_sys(written).time_since_epoch();
      const std::string key = fs::relative(at->path(), directory_).string();
      if (Status seen = visit(key, ToSeconds(since)); !seen) return seen;
    }
    if (error) return Fail(Cause::kDenied, "looking into {}: {}", top.string(), error.message());
    return {};
  }

  Result<std::string> Read(const std::string& key) override {
    std::ifstream in(fs::path(directory_) / key, std::ios::binary);
    if (!in.is_open()) return Fail(Cause::kNotFound, "{} is not in {}", key, directory_);
    std::string text(kReadBytesMax, '\0');
    in.read(text.data(), static_cast<std::streamsize>(text.size()));
    if (!in.eof()) return Fail(Cause::kFailed, "reading {} in {}", key, directory_);
    text.resize(static_cast<std::size_t>(in.gcount()));
    return text;
  }

 private:
  const std::string directory_;
};

class BucketWal final : public WalFiles {
 public:
  BucketWal(const WatchDeps& deps, WatchObjects objects)
      : objects_(std::move(objects)),
        s3_({.transport = deps.transport,
             .clock = deps.clock,
             .random = deps.random,
             .metrics = deps.metrics,
             .log = deps.log},
            objects_.connection_name, objects_.connection, kArchiveOptions) {}

  Status List(const std::string& prefix,
              const std::function<Status(std::string_view, double)>& visit) override {
    Status seen;
    std::size_t files = 0;
    const std::string top = Full(prefix);
    const std::size_t cut = Full("").size();
    const Status listed = s3_.List(objects_.bucket, top, [&](const std::vector<S3Object>& page) {
      files += page.size();
      if (files > kFilesMax) seen = Fail(Cause::kLimit, "more than {} objects", kFilesMax);
      for (const S3Object& object : page) {
        if (!seen) return false;
        seen = visit(std::string_view(object.key).substr(cut), ToSeconds(object.last_modified));
      }
      return seen.has_value();
    });
    return listed ? seen : listed;
  }

  Result<std::string> Read(const std::string& key) override {
    std::string text;
    const Status read = s3_.Get(objects_.bucket, Full(key), [&](std::string_view piece) {
      text += piece;
      return text.size() <= kReadBytesMax;
    });
    if (!read) return tl::unexpected(read.error());
    if (text.size() > kReadBytesMax) return Fail(Cause::kLimit, "{} is too long", key);
    return text;
  }

 private:
  std::string Full(const std::string& key) const {
    const std::string& prefix = objects_.prefix;
    return prefix.empty() || prefix.ends_with('/') ? prefix + key : prefix + "/" + key;
  }

  const WatchObjects objects_;
  S3 s3_;
};

std::string_view FileOf(std::string_view key) { return key.substr(key.rfind('/') + 1); }

Result<std::string> Described(WalFiles& files, const std::string& key) {
  Result<std::string> text = files.Read(key);
  if (!text) return While("reading " + key, text.error());
  return text;
}

// Of one directory of segments, however it is divided.
Status AddSegments(WalFiles& files, const std::string& prefix, std::uint64_t segment_bytes,
                   bool with_bases, WalInventory& inventory) {
  return files.List(prefix, [&](std::string_view key, double stored) -> Status {
    const std::optional<WalName> name = ParseWalName(FileOf(key));
    if (!name || (name->kind == WalKind::kBackup && !with_bases)) return {};
    inventory.Add(*name, segment_bytes, std::string(key), stored);
    for (const auto& [timeline, runs] : inventory.timelines) {
      if (runs.runs().size() > WalInventory::kRunsMax) {
        return Fail(Cause::kLimit, "more than {} gaps: this is no archive", WalInventory::kRunsMax);
      }
    }
    return {};
  });
}

// archive/STANZA/15-1/…: the newest database of the stanza.
Result<WalInventory> ReadPgbackrest(WalFiles& files, const std::string& stanza,
                                    std::uint64_t segment_bytes) {
  WalInventory inventory;
  const std::string top = "archive/" + stanza + "/";
  int newest_id = -1;
  const Status listed = files.List(top, [&](std::string_view key, double stored) -> Status {
    const std::string_view rest = key.substr(top.size());
    const std::string_view id = rest.substr(0, rest.find('/'));
    const std::size_t dash = id.find('-');
    if (id.size() == rest.size() || dash == std::string_view::npos) return {};
    int number = -1;
    std::from_chars(id.data() + dash + 1, id.data() + id.size(), number);
    if (number < 0 || number < newest_id) return {};
    if (number > newest_id) {
      newest_id = number;
      inventory = {};
    }
    const std::optional<WalName> name = ParseWalName(FileOf(key));
    if (name && name->kind != WalKind::kBackup) {
      inventory.Add(*name, segment_bytes, std::string(key), stored);
    }
    return {};
  });
  if (!listed) return tl::unexpected(listed.error());
  const std::string described = "backup/" + stanza + "/backup.info";
  const Result<std::string> text = Described(files, described);
  // No backup was made yet.
  if (!text && text.error().cause == Cause::kNotFound) return inventory;
  if (!text) return tl::unexpected(text.error());
  Result<std::vector<WalBase>> bases = ParsePgbackrestInfo(*text);
  if (!bases) return While("reading " + described, bases.error());
  inventory.bases = *std::move(bases);
  return inventory;
}

Result<WalInventory> ReadBarman(WalFiles& files, std::uint64_t segment_bytes) {
  WalInventory inventory;
  Status read = AddSegments(files, "wals/", segment_bytes, false, inventory);
  std::vector<std::string> described;
  if (read) {
    read = files.List("base/", [&](std::string_view key, double) -> Status {
      // base/ID/backup.info, and not one deeper down in the data.
      const bool info =
          FileOf(key) == "backup.info" && std::count(key.begin(), key.end(), '/') == 2;
      if (info) described.emplace_back(key);
      return {};
    });
  }
  if (!read) return tl::unexpected(read.error());
  for (const std::string& key : described) {
    const Result<std::string> text = Described(files, key);
    if (!text) return tl::unexpected(text.error());
    const Result<std::optional<WalBase>> base = ParseBarmanInfo(*text);
    if (!base) return While("reading " + key, base.error());
    if (*base) inventory.bases.push_back(**base);
  }
  return inventory;
}

Result<WalInventory> ReadWalg(WalFiles& files, std::uint64_t segment_bytes) {
  WalInventory inventory;
  Status read = AddSegments(files, "wal_005/", segment_bytes, false, inventory);
  if (read) {
    read = files.List("basebackups_005/", [&](std::string_view key, double stored) -> Status {
      const auto name = ParseWalgSentinel(FileOf(key));
      if (name) inventory.Add(*name, segment_bytes, std::string(key), stored);
      return {};
    });
  }
  if (!read) return tl::unexpected(read.error());
  return inventory;
}

}  // namespace

std::unique_ptr<WalFiles> WalFilesIn(std::string directory) {
  return std::make_unique<DirectoryWal>(std::move(directory));
}
std::unique_ptr<WalFiles> WalFilesIn(const WatchDeps& deps, WatchObjects objects) {
  return std::make_unique<BucketWal>(deps, std::move(objects));
}

Result<WalInventory> ReadWalArchive(WalFiles& files, WalLayout layout, const std::string& stanza,
                                    std::uint64_t segment_bytes) {
  switch (layout) {
    case WalLayout::kPgbackrest:
      return ReadPgbackrest(files, stanza, segment_bytes);
    case WalLayout::kBarman:
      return ReadBarman(files, segment_bytes);
    case WalLayout::kWalg:
      return ReadWalg(files, segment_bytes);
    case WalLayout::kPlain:
      break;
  }
  WalInventory inventory;
  if (Status read = AddSegments(files, "", segment_bytes, true, inventory); !read) {
    return tl::unexpected(read.error());
  }
  return inventory;
}

}  // namespace fettle::exporter
