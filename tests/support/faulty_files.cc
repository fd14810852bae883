#include "tests/support/faulty_files.h"

#include <algorithm>
#include <cstring>

namespace fettle {

using rules::LogFiles;

class MountedFile final : public LogFiles::File {
 public:
  MountedFile(FaultyFiles& disk, std::string name) : disk_(disk), name_(std::move(name)) {}
  Status Append(std::string_view bytes) override {
    const std::lock_guard lock(disk_.mutex_);
    if (Status changed = disk_.Change(bytes.size()); !changed) {
      // A part of it is there all the same, as on a real disk.
      if (auto* content = Find()) content->written += bytes.substr(0, bytes.size() / 2);
      return changed;
    }
    if (auto* content = Find()) content->written += bytes;
    return {};
  }
  Status Sync() override {
    const std::lock_guard lock(disk_.mutex_);
    if (Status changed = disk_.Change(); !changed) return changed;
    if (auto* content = Find()) content->synced = content->written;
    return {};
  }
  Status Truncate(std::uint64_t size) override {
    const std::lock_guard lock(disk_.mutex_);
    if (Status changed = disk_.Change(); !changed) return changed;
    if (auto* content = Find()) content->written.resize(size);
    return {};
  }

 private:
  FaultyFiles::Content* Find() {
    const auto found = disk_.files_.find(name_);
    return found == disk_.files_.end() ? nullptr : &found->second;  // removed while open
  }
  FaultyFiles& disk_;
  const std::string name_;
};

class MountedSource final : public LogFiles::Source {
 public:
  explicit MountedSource(std::string content) : content_(std::move(content)) {}
  Result<std::size_t> Read(char* to, std::size_t room) override {
    // In odd pieces, so that frames lie across them.
    const std::size_t count = std::min({room, content_.size() - at_, std::size_t{1009}});
    std::memcpy(to, content_.data() + at_, count);
    at_ += count;
    return count;
  }

 private:
  const std::string content_;
  std::size_t at_ = 0;
};

class MountedFiles final : public LogFiles {
 public:
  explicit MountedFiles(FaultyFiles& disk) : disk_(disk) {}
  Result<std::unique_ptr<File>> Create(const std::string& name) override {
    const std::lock_guard lock(disk_.mutex_);
    if (Status changed = disk_.Change(); !changed) return tl::unexpected(changed.error());
    disk_.files_[name] = {"", ""};
    return std::make_unique<MountedFile>(disk_, name);
  }
  Result<std::unique_ptr<Source>> Open(const std::string& name) override {
    const std::lock_guard lock(disk_.mutex_);
    const auto found = disk_.files_.find(name);
    if (found == disk_.files_.end()) return Fail(Cause::kNotFound, "no file {}", name);
    return std::make_unique<MountedSource>(found->second.written);
  }
  Result<std::vector<Entry>> List() override {
    const std::lock_guard lock(disk_.mutex_);
    std::vector<Entry> entries;
    for (const auto& [name, content] : disk_.files_) {
      entries.push_back({name, content.written.size()});
    }
    return entries;
  }
  Status Remove(const std::string& name) override {
    const std::lock_guard lock(disk_.mutex_);
    if (Status changed = disk_.Change(); !changed) return changed;
    const auto found = disk_.files_.find(name);
    if (found == disk_.files_.end()) return {};
    if (disk_.room_) *disk_.room_ += found->second.written.size();
    disk_.files_.erase(found);
    return {};
  }
  Status Rename(const std::string& from, const std::string& to) override {
    const std::lock_guard lock(disk_.mutex_);
    if (Status changed = disk_.Change(); !changed) return changed;
    auto node = disk_.files_.extract(from);
    if (node.empty()) return Fail(Cause::kNotFound, "no file {}", from);
    node.key() = to;
    disk_.files_.erase(to);
    disk_.files_.insert(std::move(node));
    return {};
  }
  Status Truncate(const std::string& name, std::uint64_t size) override {
    const std::lock_guard lock(disk_.mutex_);
    if (Status changed = disk_.Change(); !changed) return changed;
    disk_.files_.at(name).written.resize(size);
    return {};
  }

 private:
  FaultyFiles& disk_;
};

std::unique_ptr<LogFiles> FaultyFiles::Mount() { return std::make_unique<MountedFiles>(*this); }

Status FaultyFiles::Change(std::uint64_t grows_by) {
  ++changes_;
  if (fail_at_ == changes_) return Fail("the disk fails");
  if (!room_) return {};
  if (grows_by > *room_) return Fail(Cause::kLimit, "no space left on device");
  *room_ -= grows_by;
  return {};
}

int FaultyFiles::Changes() const {
  const std::lock_guard lock(mutex_);
  return changes_;
}

void FaultyFiles::FailNth(int nth) {
  const std::lock_guard lock(mutex_);
  fail_at_ = changes_ + nth;
}

void FaultyFiles::LeaveRoomFor(std::uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  room_ = bytes;
}

void FaultyFiles::Heal() {
  const std::lock_guard lock(mutex_);
  fail_at_.reset();
  room_.reset();
}

void FaultyFiles::CutPower() {
  const std::lock_guard lock(mutex_);
  for (auto& [name, content] : files_) content.written = content.synced.value_or("");
}

std::map<std::string, std::string> FaultyFiles::Contents() const {
  const std::lock_guard lock(mutex_);
  std::map<std::string, std::string> out;
  for (const auto& [name, content] : files_) out[name] = content.written;
  return out;
}

std::uint64_t FaultyFiles::Bytes() const {
  std::uint64_t sum = 0;
  for (const auto& [name, content] : Contents()) sum += content.size();
  return sum;
}

}  // namespace fettle
