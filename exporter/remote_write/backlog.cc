#include "exporter/remote_write/backlog.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <system_error>
#include <utility>
#include <vector>

#include "common/directory.h"

namespace fettle::exporter {
namespace {

constexpr std::size_t kHeadBytes = 12;
constexpr std::string_view kPrefix = "backlog-";
constexpr mode_t kMode = 0600;

std::string Why() { return std::generic_category().message(errno); }

std::uint32_t CrcOf(std::string_view bytes) {
  return static_cast<std::uint32_t>(
      crc32(0, reinterpret_cast<const Bytef*>(bytes.data()), static_cast<uInt>(bytes.size())));
}

void PutNumber(std::uint32_t value, std::string& out) {
  for (int shift = 0; shift < 32; shift += 8) out += static_cast<char>((value >> shift) & 0xff);
}

std::uint32_t NumberAt(const char* at) {
  std::uint32_t value = 0;
  for (int i = 3; i >= 0; --i) value = value << 8 | static_cast<unsigned char>(at[i]);
  return value;
}

bool WriteAll(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = write(fd, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  return true;
}

// False at the end of the file, or where fewer bytes are.
bool ReadAll(int fd, std::uint64_t offset, char* to, std::size_t size) {
  while (size > 0) {
    const ssize_t got = pread(fd, to, size, static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    to += got;
    offset += static_cast<std::uint64_t>(got);
    size -= static_cast<std::size_t>(got);
  }
  return true;
}

struct Head {
  std::uint32_t length = 0;
  std::uint32_t crc = 0;
  std::uint32_t count = 0;
};

std::optional<Head> ReadHead(int fd, std::uint64_t offset) {
  std::array<char, kHeadBytes> bytes{};
  if (!ReadAll(fd, offset, bytes.data(), bytes.size())) return std::nullopt;
  const Head head{NumberAt(bytes.data()), NumberAt(bytes.data() + 4), NumberAt(bytes.data() + 8)};
  if (head.length > Backlog::kFrameBytesMax) return std::nullopt;
  return head;
}

std::vector<std::uint32_t> SegmentsIn(const std::string& directory) {
  std::vector<std::uint32_t> numbers;
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(directory, ignored)) {
    const std::string name = entry.path().filename().string();
    if (!name.starts_with(kPrefix)) continue;
    std::uint32_t number = 0;
    const char* end = name.data() + name.size();
    const auto [at, error] = std::from_chars(name.data() + kPrefix.size(), end, number);
    if (error == std::errc() && at == end) numbers.push_back(number);
  }
  std::sort(numbers.begin(), numbers.end());
  return numbers;
}

}  // namespace

std::string Backlog::PathOf(std::uint32_t segment) const {
  return fmt::format("{}/{}{:08}", directory_, kPrefix, segment);
}

Result<std::unique_ptr<Backlog>> Backlog::Open(std::string directory, std::size_t bytes_max) {
  if (Status made = CreatePrivateDirectory(directory); !made) return tl::unexpected(made.error());
  std::unique_ptr<Backlog> backlog(new Backlog(std::move(directory), bytes_max));
  if (Status recovered = backlog->Recover(); !recovered) return tl::unexpected(recovered.error());
  return backlog;
}

// Counts a segment's whole frames, and those of them before `sent_bytes`.
Status Backlog::ScanSegment(Segment& segment, std::uint64_t sent_bytes) const {
  const std::string path = PathOf(segment.number);
  const UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  struct stat status {};
  if (!fd || fstat(fd.get(), &status) != 0) return Fail("open {}: {}", path, Why());
  const auto size = static_cast<std::uint64_t>(status.st_size);
  while (const std::optional<Head> head = ReadHead(fd.get(), segment.bytes)) {
    const std::uint64_t end = segment.bytes + kHeadBytes + head->length;
    if (end > size) break;
    segment.bytes = end;
    segment.count += head->count;
    if (end <= sent_bytes) segment.committed += head->count;
  }
  return {};
}

Status Backlog::Recover() {
  std::ifstream cursor(directory_ + "/cursor");
  cursor >> committed_.segment >> committed_.offset;
  if (!cursor) committed_ = {};
  std::uint32_t last = committed_.segment;
  for (const std::uint32_t number : SegmentsIn(directory_)) {
    last = std::max(last, number);
    if (number < committed_.segment) {
      unlink(PathOf(number).c_str());
      continue;
    }
    Segment segment{.number = number};
    const bool first = number == committed_.segment;
    if (Status scanned = ScanSegment(segment, first ? committed_.offset : 0); !scanned) {
      return scanned;
    }
    segments_.push_back(segment);
  }
  // What comes goes to a new segment: the last one may end in the middle of a frame.
  segments_.push_back({.number = last + 1});
  if (committed_.segment != segments_.front().number) {
    committed_ = {segments_.front().number, 0};
  }
  read_ = committed_;
  return {};
}

std::size_t Backlog::BytesLocked() const {
  std::size_t sum = 0;
  for (const Segment& segment : segments_) sum += segment.bytes;
  const bool in_first = committed_.segment == segments_.front().number;
  return sum - (in_first ? std::min<std::size_t>(committed_.offset, sum) : 0);
}

std::size_t Backlog::bytes() const {
  const std::lock_guard lock(mutex_);
  return BytesLocked();
}

std::size_t Backlog::count() const {
  const std::lock_guard lock(mutex_);
  std::size_t sum = 0;
  for (const Segment& segment : segments_) sum += segment.count - segment.committed;
  return sum;
}

Result<std::size_t> Backlog::Append(std::string_view bytes, std::uint32_t count) {
  const std::lock_guard lock(mutex_);
  if (segments_.back().bytes >= kSegmentBytesMax) {
    writer_ = UniqueFd();
    segments_.push_back({.number = segments_.back().number + 1});
  }
  Segment& segment = segments_.back();
  const std::string path = PathOf(segment.number);
  if (!writer_) {
    writer_ = UniqueFd(open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, kMode));
    if (!writer_) return Fail("open {}: {}", path, Why());
  }
  std::string frame;
  frame.reserve(kHeadBytes + bytes.size());
  PutNumber(static_cast<std::uint32_t>(bytes.size()), frame);
  PutNumber(CrcOf(bytes), frame);
  PutNumber(count, frame);
  frame += bytes;
  if (!WriteAll(writer_.get(), frame)) {
    const std::string why = Why();
    // A part of a frame would hide what comes behind it.
    if (ftruncate(writer_.get(), static_cast<off_t>(segment.bytes)) != 0) writer_ = UniqueFd();
    return Fail("write {}: {}", path, why);
  }
  segment.bytes += frame.size();
  segment.count += count;
  return DropOldest();
}

// Whole segments, never the one that is written.
std::size_t Backlog::DropOldest() {
  std::size_t dropped = 0;
  while (segments_.size() > 1 && BytesLocked() > bytes_max_) {
    const Segment gone = segments_.front();
    dropped += gone.count - gone.committed;
    segments_.pop_front();
    unlink(PathOf(gone.number).c_str());
    committed_ = {segments_.front().number, 0};
    read_ = std::max(read_, committed_);
  }
  return dropped;
}

Result<std::optional<Backlog::Frame>> Backlog::Read() {
  const std::lock_guard lock(mutex_);
  while (true) {
    const auto segment = std::find_if(segments_.begin(), segments_.end(), [this](const Segment& s) {
      return s.number == read_.segment;
    });
    if (segment == segments_.end()) return std::optional<Frame>();
    if (read_.offset < segment->bytes) {
      const std::string path = PathOf(read_.segment);
      const UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
      if (!fd) return Fail("open {}: {}", path, Why());
      const std::optional<Head> head = ReadHead(fd.get(), read_.offset);
      Frame frame;
      if (head) frame.bytes.resize(head->length);
      if (head && ReadAll(fd.get(), read_.offset + kHeadBytes, frame.bytes.data(), head->length) &&
          CrcOf(frame.bytes) == head->crc) {
        read_.offset += kHeadBytes + head->length;
        frame.count = head->count;
        frame.end = read_;
        handed_out_.emplace_back(frame.end, frame.count);
        return std::optional(std::move(frame));
      }
      read_.offset = segment->bytes;  // damaged: the rest of it is lost
    }
    if (std::next(segment) == segments_.end()) return std::optional<Frame>();
    read_ = {std::next(segment)->number, 0};
  }
}

Status Backlog::Commit(const Place& place) {
  const std::lock_guard lock(mutex_);
  if (place <= committed_) return {};
  committed_ = place;
  while (segments_.size() > 1 && segments_.front().number < place.segment) {
    unlink(PathOf(segments_.front().number).c_str());
    segments_.pop_front();
  }
  for (; !handed_out_.empty() && handed_out_.front().first <= place; handed_out_.pop_front()) {
    const auto& [end, count] = handed_out_.front();
    if (end.segment == segments_.front().number) segments_.front().committed += count;
  }
  // A new file in place of the old one: never half a number.
  const std::string path = directory_ + "/cursor";
  const std::string next = path + ".new";
  const UniqueFd fd(open(next.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, kMode));
  const std::string text = fmt::format("{} {}\n", place.segment, place.offset);
  if (!fd || !WriteAll(fd.get(), text) || rename(next.c_str(), path.c_str()) != 0) {
    return Fail("write {}: {}", path, Why());
  }
  return {};
}

}  // namespace fettle::exporter
