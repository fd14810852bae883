#include "rules/samples/sample_log.h"

#include <algorithm>
#include <utility>

namespace fettle::rules {

SampleLog::SampleLog(LogFiles& files, Log log, std::uint32_t segment)
    : files_(files), log_(std::move(log)), segment_(segment) {}

bool SampleLog::Begin() {
  if (degraded()) return false;
  if (segment_bytes_ > kSegmentBytesMax) Rotate();
  frame_.clear();
  writer_.Begin();
  return true;
}

std::uint32_t SampleLog::NameOf(SymbolTable& symbols, SymbolId symbol) {
  SymbolTable::LogName& name = symbols.log_name(symbol);
  if (name.segment != segment_) {
    name = {segment_, symbols_named_++};
    writer_.Symbol(symbols.text(symbol));
  }
  return name.number;
}

void SampleLog::Announce(SymbolTable& symbols, Series& series) {
  names_.clear();
  for (const SymbolPair& pair : series.labels()) {
    names_.push_back(NameOf(symbols, pair.name));
    names_.push_back(NameOf(symbols, pair.value));
  }
  series.log_name = {segment_, series_named_++};
  writer_.Series(names_);
}

void SampleLog::Point(SymbolTable& symbols, Series& series, const FloatPoint& point,
                      const WriteBatch::More& more) {
  if (series.log_name.segment != segment_) Announce(symbols, series);
  const std::uint32_t number = series.log_name.number;
  if (more.histogram == nullptr && more.start == 0) {
    writer_.Float(number, point.time, point.value);
  } else {
    writer_.Rich(number, point.time, more.start, point.value, more.histogram.get());
  }
}

std::uint64_t SampleLog::End() {
  if (writer_.empty()) {
    const std::lock_guard lock(pending_mutex_);
    return issued_;
  }
  writer_.End();
  segment_bytes_ += frame_.size();
  const std::lock_guard lock(pending_mutex_);
  if (pending_.empty() || pending_.back().segment != segment_) pending_.push_back({segment_, {}});
  pending_.back().bytes += frame_;
  pending_bytes_ += frame_.size();
  if (frame_.capacity() > kBufferKeptBytes) frame_ = {};
  return ++issued_;
}

std::uint32_t SampleLog::Rotate() {
  ++segment_;
  segment_bytes_ = 0;
  symbols_named_ = 0;
  series_named_ = 0;
  return segment_;
}

std::uint32_t SampleLog::Resume() {
  {
    const std::lock_guard lock(pending_mutex_);
    pending_.clear();
    pending_bytes_ = 0;
  }
  degraded_ = false;
  return Rotate();
}

void SampleLog::CommitAll() {
  std::uint64_t ticket = 0;
  {
    const std::lock_guard lock(pending_mutex_);
    ticket = issued_;
  }
  Commit(ticket);
}

void SampleLog::Commit(std::uint64_t ticket) {
  if (committed_.load(std::memory_order_acquire) >= ticket) return;
  const std::lock_guard writing(write_mutex_);
  // Whoever wrote before has probably taken ours along.
  if (committed_.load(std::memory_order_relaxed) >= ticket) return;
  std::vector<Part> parts;
  std::uint64_t upto = 0;
  bool too_much = false;
  {
    const std::lock_guard lock(pending_mutex_);
    parts = std::exchange(pending_, {});
    too_much = std::exchange(pending_bytes_, 0) > kPendingBytesMax;
    upto = issued_;
  }
  for (const Part& part : parts) {
    if (degraded() || part.segment <= abandoned_) continue;
    Status written = Write(part);
    if (written && too_much) written = Fail("the disk is slower than what comes in");
    if (!written) GiveUp(written.error(), part.segment);
  }
  committed_.store(upto, std::memory_order_release);
}

Status SampleLog::Write(const Part& part) {
  if (file_ == nullptr || file_segment_ != part.segment) {
    if (file_ != nullptr && dirty_) {
      if (Status synced = file_->Sync(); !synced) return synced;
    }
    file_.reset();
    auto created = files_.Create(LogName(LogKind::kSegment, part.segment));
    if (!created) return tl::unexpected(created.error());
    file_ = *std::move(created);
    file_segment_ = part.segment;
    file_bytes_ = 0;
    const std::string head = LogHead(LogKind::kSegment, part.segment);
    if (Status wrote = file_->Append(head); !wrote) return wrote;
    file_bytes_ = head.size();
  }
  Status wrote = file_->Append(part.bytes);
  if (!wrote) {
    (void)file_->Truncate(file_bytes_);  // if that fails, too, the start cuts it
    return wrote;
  }
  file_bytes_ += part.bytes.size();
  written_bytes_ += part.bytes.size();
  dirty_ = true;
  return {};
}

void SampleLog::GiveUp(const Error& why, std::uint32_t segment) {
  abandoned_ = std::max(abandoned_, segment);
  ++failures_;
  if (degraded_.exchange(true)) return;
  file_.reset();
  dirty_ = false;
  log_.Error("the log of samples fails; they are kept in memory alone until it works again",
             {{"err", why.message}});
}

void SampleLog::Sync() {
  std::shared_ptr<LogFiles::File> file;
  {
    const std::lock_guard writing(write_mutex_);
    if (!std::exchange(dirty_, false)) return;
    file = file_;
  }
  if (file == nullptr) return;
  // Beside what is written meanwhile.
  if (Status synced = file->Sync(); !synced) {
    const std::lock_guard writing(write_mutex_);
    GiveUp(synced.error(), file_segment_);
  }
}

bool SampleLog::Wait(Millis timeout) {
  std::unique_lock lock(pending_mutex_);
  pending_changed_.wait_for(lock, timeout, [this] { return woken_; });
  woken_ = false;
  return !pending_.empty();
}

void SampleLog::Wake() {
  {
    const std::lock_guard lock(pending_mutex_);
    woken_ = true;
  }
  pending_changed_.notify_one();
}

}  // namespace fettle::rules
