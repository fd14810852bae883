#include "common/hands.h"

#include <pthread.h>

#include <utility>

namespace fettle {

HandPool::HandPool(Options options) : options_(std::move(options)) {
  for (std::size_t i = 0; i < options_.threads; ++i) {
    threads_.emplace_back([this](const std::stop_token& stop) { Labour(stop); });
    // The kernel keeps 15 characters.
    pthread_setname_np(threads_.back().native_handle(), options_.name.substr(0, 15).c_str());
  }
}

HandPool::~HandPool() { Close(); }

void HandPool::Close() {
  // Dropped outside the lock: whoever is told of it may ask the pool something.
  std::deque<Work> dropped;
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    dropped.swap(queue_);
  }
  for (std::jthread& thread : threads_) thread.request_stop();
  wake_.notify_all();
  threads_.clear();
}

bool HandPool::Do(Work work) {
  {
    const std::lock_guard lock(mutex_);
    if (closed_ || queue_.size() >= options_.queue_max) return false;
    queue_.push_back(std::move(work));
  }
  wake_.notify_one();
  return true;
}

std::size_t HandPool::Busy() const {
  const std::lock_guard lock(mutex_);
  return running_ + queue_.size();
}

void HandPool::Labour(const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  while (wake_.wait(lock, stop, [this] { return !queue_.empty(); }) && !stop.stop_requested()) {
    Work work = std::move(queue_.front());
    queue_.pop_front();
    ++running_;
    lock.unlock();
    work();
    work = nullptr;
    lock.lock();
    --running_;
  }
}

}  // namespace fettle
