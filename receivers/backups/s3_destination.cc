#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <utility>

#include "receivers/backups/destination.h"

namespace fettle::receivers::backups {
namespace {

constexpr std::size_t kPartBytesMin = 8 * 1024 * 1024;

// Big enough that twice the estimate fits into S3's 10,000 parts.
std::size_t PartBytes(std::int64_t size_estimate_bytes) {
  const auto twice = static_cast<std::size_t>(std::max<std::int64_t>(size_estimate_bytes, 0)) * 2;
  return std::max(kPartBytesMin, twice / S3::kPartsMax + 1);
}

// One part is filled while the others are on their way; all of them together stay below memory_max.
class MultipartUpload final : public Upload {
 public:
  struct Where {
    S3& s3;
    std::string bucket;
    std::string key;
    std::string upload_id;
  };
  MultipartUpload(Where where, std::size_t part_bytes, std::size_t parts_at_once)
      : where_(std::move(where)), part_bytes_(part_bytes) {
    for (std::size_t i = 0; i + 1 < parts_at_once; ++i) {
      senders_.emplace_back([this](const std::stop_token& stop) { Send(stop); });
    }
  }

  ~MultipartUpload() override {
    EndSenders();
    if (!completed_) {
      // Nobody is there to be told; the sweep of a later start finds what this leaves.
      (void)where_.s3.AbortMultipartUpload(where_.bucket, where_.key, where_.upload_id);
    }
  }

  Status Write(std::string_view piece) override {
    while (!piece.empty()) {
      if (filling_.capacity() < part_bytes_) filling_.reserve(part_bytes_);
      const std::size_t taken = std::min(piece.size(), part_bytes_ - filling_.size());
      filling_.append(piece.substr(0, taken));
      piece.remove_prefix(taken);
      if (filling_.size() < part_bytes_) continue;
      if (Status handed = HandOver(); !handed) return handed;
    }
    return {};
  }

  Status Complete() override {
    // S3 wants one part at least, even of nothing.
    if (!filling_.empty() || next_number_ == 1) {
      if (Status handed = HandOver(); !handed) return handed;
    }
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [this] { return on_the_way_ == 0; });
      if (!failure_) return failure_;
    }
    EndSenders();
    std::sort(parts_.begin(), parts_.end(),
              [](const S3Part& a, const S3Part& b) { return a.number < b.number; });
    const Result<std::string> etag =
        where_.s3.CompleteMultipartUpload(where_.bucket, where_.key, where_.upload_id, parts_);
    if (!etag) return tl::unexpected(etag.error());
    completed_ = true;
    return {};
  }

 private:
  struct Part {
    int number = 0;
    std::string body;
  };

  Status HandOver() {
    if (next_number_ > S3::kPartsMax) {
      return Fail(Cause::kLimit, "the backup needs more than {} parts of {} MiB", S3::kPartsMax,
                  part_bytes_ >> 20);
    }
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return on_the_way_ < senders_.size() || !failure_; });
    if (!failure_) return failure_;
    waiting_.push_back({next_number_++, std::exchange(filling_, {})});
    ++on_the_way_;
    changed_.notify_all();
    return {};
  }

  void Send(const std::stop_token& stop) {
    for (;;) {
      Part part;
      {
        std::unique_lock lock(mutex_);
        if (!changed_.wait(lock, stop, [this] { return !waiting_.empty(); })) return;
        part = std::move(waiting_.back());
        waiting_.pop_back();
      }
      Result<S3Part> sent = where_.s3.UploadPart(where_.bucket, where_.key, where_.upload_id,
                                                 part.number, std::move(part.body));
      const std::lock_guard lock(mutex_);
      --on_the_way_;
      if (sent) {
        parts_.push_back(*std::move(sent));
      } else if (failure_) {
        failure_ = tl::unexpected(sent.error());
      }
      changed_.notify_all();
    }
  }

  void EndSenders() {
    for (std::jthread& sender : senders_) sender.request_stop();
    changed_.notify_all();
    senders_.clear();
  }

  const Where where_;
  const std::size_t part_bytes_;
  std::string filling_;
  int next_number_ = 1;
  bool completed_ = false;

  std::mutex mutex_;  // guards everything below but the threads
  std::condition_variable_any changed_;
  std::vector<Part> waiting_;
  std::size_t on_the_way_ = 0;
  std::vector<S3Part> parts_;
  Status failure_;
  std::vector<std::jthread> senders_;
};

class S3Destination final : public Destination {
 public:
  S3Destination(S3Target target, std::unique_ptr<S3> s3, std::unique_ptr<S3> pruner)
      : target_(std::move(target)),
        place_(PlaceOf(target_)),
        s3_(std::move(s3)),
        pruner_(std::move(pruner)) {}

  const std::string& Place() const override { return place_; }

  Result<std::unique_ptr<Upload>> Begin(const std::string& key,
                                        std::int64_t size_estimate_bytes) override {
    const std::size_t part = PartBytes(size_estimate_bytes);
    const std::size_t at_once = target_.memory_max / part;
    if (at_once < 2) {
      return Fail(Cause::kInvalid,
                  "memory_max of {} MiB does not hold two parts of {} MiB, which a backup of about "
                  "{} MiB needs",
                  target_.memory_max >> 20, part >> 20, size_estimate_bytes >> 20);
    }
    Result<std::string> id = s3_->CreateMultipartUpload(target_.bucket, Full(key), {});
    if (!id) return tl::unexpected(id.error());
    constexpr std::size_t kSendersMax = 4;
    return std::make_unique<MultipartUpload>(
        MultipartUpload::Where{*s3_, target_.bucket, Full(key), *std::move(id)}, part,
        std::min(at_once, kSendersMax + 1));
  }

  Status PutNew(const std::string& key, const std::string& body) override {
    const Result<std::string> etag =
        s3_->Put(target_.bucket, Full(key), body,
                 {.content_type = "application/json", .if_none_match = true});
    if (!etag) return tl::unexpected(etag.error());
    return {};
  }

  Status Read(const std::string& key,
              const std::function<bool(std::string_view)>& on_piece) override {
    return s3_->Get(target_.bucket, Full(key), on_piece);
  }

  Result<std::int64_t> Size(const std::string& key) override {
    const Result<S3Head> head = s3_->Head(target_.bucket, Full(key));
    if (!head) return tl::unexpected(head.error());
    return head->size_bytes;
  }

  Result<std::vector<std::string>> List(const std::string& prefix) override {
    const auto all = Inventory(prefix);
    if (!all) return tl::unexpected(all.error());
    std::vector<std::string> keys;
    for (const auto& [key, size] : *all) keys.push_back(key);
    return keys;
  }

  Result<std::map<std::string, std::int64_t>> Inventory(const std::string& prefix) override {
    std::map<std::string, std::int64_t> keys;
    const std::size_t cut = Full("").size();
    const Status listed =
        s3_->List(target_.bucket, Full(prefix), [&](const std::vector<S3Object>& page) {
          for (const S3Object& object : page) keys[object.key.substr(cut)] = object.size_bytes;
          return true;
        });
    if (!listed) return tl::unexpected(listed.error());
    return keys;
  }

  Status Sweep(const std::string& prefix) override {
    const Result<std::vector<S3::Upload>> uploads =
        s3_->ListMultipartUploads(target_.bucket, Full(prefix));
    if (!uploads) return tl::unexpected(uploads.error());
    for (const S3::Upload& upload : *uploads) {
      if (Status aborted = s3_->AbortMultipartUpload(target_.bucket, upload.key, upload.upload_id);
          !aborted && aborted.error().cause != Cause::kNotFound) {
        return aborted;
      }
    }
    return {};
  }

  Status Remove(const std::string& key) override {
    S3& remover = pruner_ ? *pruner_ : *s3_;
    const Status deleted = remover.Delete(target_.bucket, Full(key));
    if (!deleted && deleted.error().cause == Cause::kNotFound) return {};
    return deleted;
  }

  std::optional<Millis> ClockSkew() const override { return s3_->ClockSkew(); }

  bool Throttled() const override { return s3_->LastFailureWasThrottle(); }

 private:
  std::string Full(const std::string& key) const {
    return target_.prefix.empty() ? key : target_.prefix + "/" + key;
  }

  const S3Target target_;
  const std::string place_;
  const std::unique_ptr<S3> s3_;
  const std::unique_ptr<S3> pruner_;
};

}  // namespace

std::unique_ptr<Destination> MakeS3Destination(S3Target target, std::unique_ptr<S3> s3,
                                               std::unique_ptr<S3> pruner) {
  return std::make_unique<S3Destination>(std::move(target), std::move(s3), std::move(pruner));
}

}  // namespace fettle::receivers::backups
