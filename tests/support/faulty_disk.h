// A disk under SQLite that fails, stalls or loses power as a test says.
//
// Nothing is really synced, which makes it quick: a test program does not survive a real power cut.
// While it lives it is SQLite's default file system (for connections opened then): all calls go to
// the real one, through here. One at a time in a process.
//
//   FaultyDisk disk;
//   disk.FailNth(7, SQLITE_IOERR_WRITE);   // the 7th write, sync or truncation from now on
//   disk.RememberSynced();
//   disk.CutPowerAtNth(12);                // from the 12th on nothing works any more …
//   store.reset();  disk.Reboot();         // … and files hold again what had been synced
#pragma once

#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

struct sqlite3_vfs;

namespace fettle {

class FaultyDisk {
 public:
  FaultyDisk();
  ~FaultyDisk();
  FaultyDisk(const FaultyDisk&) = delete;
  FaultyDisk& operator=(const FaultyDisk&) = delete;

  // Calls that change a file: writes, syncs, truncations. Counted from the beginning.
  int Calls() const;
  void FailNth(int nth, int sqlite_code);  // from now: 1 is the next
  void FailAll(int sqlite_code);           // until Heal; reads go on
  // Files may grow by so many bytes more in sum; then SQLITE_FULL, until Heal.
  void LeaveRoomFor(long long bytes);
  void Heal();
  // Syncs wait until Resume.
  void Stall();
  void Resume();
  // From now on, what each file holds is kept aside when it is synced.
  void RememberSynced();
  void CutPowerAtNth(int nth);
  bool PowerIsCut() const;
  // Every file seen gets back what was last synced (or goes, if it never was), and all works again.
  // No connection may be open.
  void Reboot();

  // For the calls that SQLite makes; not for tests.
  int BeforeChange(bool sync, long long grows_by);
  void Opened(const std::string& path);
  void Synced(const std::string& path);
  void Deleted(const std::string& path);
  int PowerCode() const;

 private:
  std::unique_ptr<sqlite3_vfs> vfs_;
  mutable std::mutex mutex_;  // guards everything below
  std::condition_variable resumed_;
  int calls_ = 0;
  std::map<int, int> failing_;
  std::optional<int> fail_all_;
  std::optional<long long> room_;
  bool stalled_ = false;
  std::optional<int> cut_at_;
  bool cut_ = false;
  bool remembers_ = false;
  std::map<std::string, std::optional<std::string>> durable_;
};

}  // namespace fettle
