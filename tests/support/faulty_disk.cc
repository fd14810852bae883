#include "tests/support/faulty_disk.h"

#include <sqlite3.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <new>
#include <utility>

#include "common/check.h"

namespace fettle {
namespace {

std::string ReadAll(const std::string& path) {
  std::error_code error;
  std::string content(std::filesystem::file_size(path, error), '\0');
  std::ifstream(path, std::ios::binary)
      .read(content.data(), static_cast<std::streamsize>(content.size()));
  return content;
}

// What SQLite holds of an open file; the real file's structure lies right behind it in memory.
struct File {
  sqlite3_file base;
  FaultyDisk* disk;
  std::string* path;
  sqlite3_file* real;
};

File* Of(sqlite3_file* file) { return reinterpret_cast<File*>(file); }
sqlite3_file* Real(sqlite3_file* file) { return Of(file)->real; }

int Close(sqlite3_file* file) {
  const int code = Real(file)->pMethods->xClose(Real(file));
  delete Of(file)->path;
  return code;
}
int Read(sqlite3_file* file, void* buffer, int size, sqlite3_int64 at) {
  if (const int code = Of(file)->disk->PowerCode(); code != SQLITE_OK) return code;
  return Real(file)->pMethods->xRead(Real(file), buffer, size, at);
}
int Write(sqlite3_file* file, const void* data, int size, sqlite3_int64 at) {
  sqlite3_int64 before = 0;
  Real(file)->pMethods->xFileSize(Real(file), &before);
  const long long grows_by = std::max<sqlite3_int64>(0, at + size - before);
  if (const int code = Of(file)->disk->BeforeChange(false, grows_by); code != SQLITE_OK) {
    return code;
  }
  return Real(file)->pMethods->xWrite(Real(file), data, size, at);
}
int Truncate(sqlite3_file* file, sqlite3_int64 size) {
  if (const int code = Of(file)->disk->BeforeChange(false, 0); code != SQLITE_OK) return code;
  return Real(file)->pMethods->xTruncate(Real(file), size);
}
int Sync(sqlite3_file* file, int) {
  if (const int code = Of(file)->disk->BeforeChange(true, 0); code != SQLITE_OK) return code;
  if (Of(file)->path != nullptr) Of(file)->disk->Synced(*Of(file)->path);
  return SQLITE_OK;
}
int FileSize(sqlite3_file* file, sqlite3_int64* size) {
  return Real(file)->pMethods->xFileSize(Real(file), size);
}
int Lock(sqlite3_file* file, int level) { return Real(file)->pMethods->xLock(Real(file), level); }
int Unlock(sqlite3_file* file, int level) {
  return Real(file)->pMethods->xUnlock(Real(file), level);
}
int CheckReservedLock(sqlite3_file* file, int* result) {
  return Real(file)->pMethods->xCheckReservedLock(Real(file), result);
}
int FileControl(sqlite3_file* file, int op, void* argument) {
  return Real(file)->pMethods->xFileControl(Real(file), op, argument);
}
int SectorSize(sqlite3_file* file) { return Real(file)->pMethods->xSectorSize(Real(file)); }
int DeviceCharacteristics(sqlite3_file* file) {
  return Real(file)->pMethods->xDeviceCharacteristics(Real(file));
}
int ShmMap(sqlite3_file* file, int page, int size, int extend, void volatile** map) {
  return Real(file)->pMethods->xShmMap(Real(file), page, size, extend, map);
}
int ShmLock(sqlite3_file* file, int offset, int count, int flags) {
  return Real(file)->pMethods->xShmLock(Real(file), offset, count, flags);
}
void ShmBarrier(sqlite3_file* file) { Real(file)->pMethods->xShmBarrier(Real(file)); }
int ShmUnmap(sqlite3_file* file, int remove) {
  return Real(file)->pMethods->xShmUnmap(Real(file), remove);
}

// Version 2: without memory-mapped reads, so that every byte goes through here.
const sqlite3_io_methods kMethods = {2,
                                     Close,
                                     Read,
                                     Write,
                                     Truncate,
                                     Sync,
                                     FileSize,
                                     Lock,
                                     Unlock,
                                     CheckReservedLock,
                                     FileControl,
                                     SectorSize,
                                     DeviceCharacteristics,
                                     ShmMap,
                                     ShmLock,
                                     ShmBarrier,
                                     ShmUnmap,
                                     nullptr,
                                     nullptr};

sqlite3_vfs* g_real = nullptr;  // SQLite's own, while a FaultyDisk stands before it

int Open(sqlite3_vfs* vfs, const char* name, sqlite3_file* file, int flags, int* out_flags) {
  auto* disk = static_cast<FaultyDisk*>(vfs->pAppData);
  File* mine = Of(file);
  mine->base.pMethods = nullptr;
  mine->disk = disk;
  mine->path = nullptr;
  mine->real = reinterpret_cast<sqlite3_file*>(mine + 1);
  if (const int code = disk->PowerCode(); code != SQLITE_OK) return code;
  if (name != nullptr) disk->Opened(name);
  const int code = g_real->xOpen(g_real, name, mine->real, flags, out_flags);
  if (code != SQLITE_OK) return code;
  mine->path = name == nullptr ? nullptr : new std::string(name);
  mine->base.pMethods = &kMethods;
  return SQLITE_OK;
}

int Delete(sqlite3_vfs* vfs, const char* name, int sync) {
  auto* disk = static_cast<FaultyDisk*>(vfs->pAppData);
  if (const int code = disk->PowerCode(); code != SQLITE_OK) return code;
  const int code = g_real->xDelete(g_real, name, sync);
  if (code == SQLITE_OK) disk->Deleted(name);
  return code;
}

}  // namespace

FaultyDisk::FaultyDisk() {
  FETTLE_CHECK(g_real == nullptr);
  FETTLE_CHECK(sqlite3_initialize() == SQLITE_OK);
  g_real = sqlite3_vfs_find(nullptr);
  vfs_ = std::make_unique<sqlite3_vfs>(*g_real);
  vfs_->szOsFile = static_cast<int>(sizeof(File)) + g_real->szOsFile;
  vfs_->pNext = nullptr;
  vfs_->zName = "faulty";
  vfs_->pAppData = this;
  vfs_->xOpen = Open;
  vfs_->xDelete = Delete;
  // The rest works on names alone, through the real one's own data.
  vfs_->xAccess = [](sqlite3_vfs*, const char* name, int flags, int* result) {
    return g_real->xAccess(g_real, name, flags, result);
  };
  vfs_->xFullPathname = [](sqlite3_vfs*, const char* name, int size, char* out) {
    return g_real->xFullPathname(g_real, name, size, out);
  };
  FETTLE_CHECK(sqlite3_vfs_register(vfs_.get(), 1) == SQLITE_OK);
}

FaultyDisk::~FaultyDisk() {
  Resume();
  sqlite3_vfs_unregister(vfs_.get());
  sqlite3_vfs_register(g_real, 1);
  g_real = nullptr;
}

int FaultyDisk::Calls() const {
  const std::lock_guard lock(mutex_);
  return calls_;
}

void FaultyDisk::FailNth(int nth, int sqlite_code) {
  const std::lock_guard lock(mutex_);
  failing_[calls_ + nth] = sqlite_code;
}

void FaultyDisk::FailAll(int sqlite_code) {
  const std::lock_guard lock(mutex_);
  fail_all_ = sqlite_code;
}

void FaultyDisk::LeaveRoomFor(long long bytes) {
  const std::lock_guard lock(mutex_);
  room_ = bytes;
}

void FaultyDisk::Heal() {
  const std::lock_guard lock(mutex_);
  failing_.clear();
  fail_all_.reset();
  room_.reset();
}

void FaultyDisk::Stall() {
  const std::lock_guard lock(mutex_);
  stalled_ = true;
}

void FaultyDisk::Resume() {
  const std::lock_guard lock(mutex_);
  stalled_ = false;
  resumed_.notify_all();
}

void FaultyDisk::RememberSynced() {
  const std::lock_guard lock(mutex_);
  remembers_ = true;
  durable_.clear();
}

void FaultyDisk::CutPowerAtNth(int nth) {
  const std::lock_guard lock(mutex_);
  cut_at_ = calls_ + nth;
}

bool FaultyDisk::PowerIsCut() const {
  const std::lock_guard lock(mutex_);
  return cut_;
}

void FaultyDisk::Reboot() {
  const std::lock_guard lock(mutex_);
  for (const auto& [path, content] : durable_) {
    if (content) {
      std::ofstream(path, std::ios::binary | std::ios::trunc) << *content;
    } else {
      std::filesystem::remove(path);
    }
    std::filesystem::remove(path + "-shm");
  }
  durable_.clear();
  cut_ = false;
  cut_at_.reset();
}

int FaultyDisk::BeforeChange(bool sync, long long grows_by) {
  std::unique_lock lock(mutex_);
  if (cut_) return SQLITE_IOERR;
  const int call = ++calls_;
  if (sync) resumed_.wait(lock, [this] { return !stalled_; });
  if (cut_at_ && call >= *cut_at_) {
    cut_ = true;
    return SQLITE_IOERR;
  }
  if (fail_all_) return *fail_all_;
  const auto failing = failing_.find(call);
  if (failing != failing_.end()) return failing->second;
  if (room_) {
    if (grows_by > *room_) return SQLITE_FULL;
    *room_ -= grows_by;
  }
  return SQLITE_OK;
}

void FaultyDisk::Opened(const std::string& path) {
  const std::lock_guard lock(mutex_);
  if (!remembers_ || durable_.contains(path)) return;
  durable_[path] = std::filesystem::exists(path) ? std::optional(ReadAll(path)) : std::nullopt;
}

void FaultyDisk::Synced(const std::string& path) {
  const std::lock_guard lock(mutex_);
  if (remembers_) durable_[path] = ReadAll(path);
}

void FaultyDisk::Deleted(const std::string& path) {
  const std::lock_guard lock(mutex_);
  if (remembers_) durable_[path] = std::nullopt;
}

int FaultyDisk::PowerCode() const {
  const std::lock_guard lock(mutex_);
  return cut_ ? SQLITE_IOERR : SQLITE_OK;
}

}  // namespace fettle
