#include "common/postgres_store.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

namespace fettle {
namespace {

std::size_t BytesOf(const Batch& batch) {
  std::size_t bytes = 0;
  for (const Write& write : batch.writes) bytes += write.record.body.size();
  for (const std::string& body : batch.audit) bytes += body.size();
  return bytes;
}

}  // namespace

struct PostgresStore::Counters {
  explicit Counters(Metrics& metrics)
      : ok(Commits(metrics, "ok")),
        conflict(Commits(metrics, "conflict")),
        failed(Commits(metrics, "failed")),
        refused(Commits(metrics, "refused")),
        granted(Taken(metrics, "granted")),
        busy(Taken(metrics, "busy")),
        unknown(Taken(metrics, "unknown")),
        healthy(metrics.Gauge("fettle_shared_store_healthy",
                              "Whether commits to the shared store succeed (1) or fail (0).")),
        replicas(metrics.Gauge("fettle_replicas",
                               "Replicas that live, this one included, as the shared store says.")),
        members(metrics.Gauge("alertmanager_cluster_members",
                              "Number indicating current number of members in cluster.")) {}

  static prometheus::Counter& Commits(Metrics& metrics, const char* result) {
    return metrics.Counter("fettle_shared_store_commits_total",
                           "Batches handed to the shared store, by what became of them.",
                           {{"result", result}});
  }
  static prometheus::Counter& Taken(Metrics& metrics, const char* result) {
    return metrics.Counter("fettle_claims_total",
                           "Claims that were asked for, prolongations included, by the answer.",
                           {{"result", result}});
  }

  prometheus::Counter& ok;
  prometheus::Counter& conflict;
  prometheus::Counter& failed;
  prometheus::Counter& refused;
  prometheus::Counter& granted;
  prometheus::Counter& busy;
  prometheus::Counter& unknown;
  prometheus::Gauge& healthy;
  prometheus::Gauge& replicas;
  prometheus::Gauge& members;
};

PostgresStore::PostgresStore(Deps deps, Options options)
    : deps_(std::move(deps)),
      options_(std::move(options)),
      holder_(options_.id + "/" + deps_.random.Uuid()),
      counters_(std::make_unique<Counters>(deps_.metrics)),
      wake_fd_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  counters_->healthy.Set(1);
}

Result<PostgresSession> PostgresStore::Connect() {
  return PostgresSession::Open(options_.dsn,
                               {.id = options_.id,
                                .name = options_.name.empty() ? options_.id : options_.name,
                                .address = options_.address,
                                .incarnation = options_.id + "/" + deps_.random.Uuid(),
                                .holder = holder_},
                               kConnectTimeout);
}

Result<std::unique_ptr<PostgresStore>> PostgresStore::Open(Deps deps, Options options) {
  std::unique_ptr<PostgresStore> store(new PostgresStore(std::move(deps), std::move(options)));
  constexpr std::string_view kIntention = "opening the shared store";
  if (store->wake_fd_ < 0) return Fail("{}: no file descriptor is left", kIntention);
  Result<PostgresSession> session = store->Connect();
  if (!session) return While(kIntention, session.error());
  store->session_.emplace(*std::move(session));
  store->seen_ = store->session_->seen();
  Status begun = store->session_->Listen();
  if (begun) begun = store->BeatIfDue();
  if (!begun) return While(kIntention, begun.error());
  store->thread_ =
      std::jthread([raw = store.get()](const std::stop_token& stop) { raw->Work(stop); });
  return store;
}

PostgresStore::~PostgresStore() {
  thread_.request_stop();
  if (wake_fd_ >= 0) (void)eventfd_write(wake_fd_, 1);
  if (thread_.joinable()) thread_.join();
  if (wake_fd_ >= 0) close(wake_fd_);
}

// ---- what is asked for

bool PostgresStore::Enqueue(Waiting waiting) {
  {
    const std::lock_guard lock(mutex_);
    const bool fits =
        queue_.size() < kWaitingMax &&
        (waiting.bytes <= kSmallBytes || queue_bytes_ + waiting.bytes <= kWaitingBytesMax);
    if (!fits) return false;
    queue_bytes_ += waiting.bytes;
    queue_.push_back(std::move(waiting));
    wake_.notify_one();
  }
  (void)eventfd_write(wake_fd_, 1);
  return true;
}

void PostgresStore::Commit(Batch batch, Store::Then then) {
  if (Status status = CheckBatch(batch); !status) {
    counters_->refused.Increment();
    return then(std::move(status));
  }
  const std::size_t bytes = BytesOf(batch);
  if (Enqueue({.batch = std::move(batch), .then = then, .resource = {}, .bytes = bytes})) return;
  counters_->refused.Increment();
  then(Fail(Cause::kUnavailable, "too much waits to be written to the shared store"));
}

void PostgresStore::Take(std::string resource, Millis lease, Claims::Then then) {
  if (Enqueue({.batch = std::nullopt,
               .then = nullptr,
               .resource = std::move(resource),
               .lease = std::max(lease, kLeaseMin),
               .granted = then})) {
    return;
  }
  counters_->unknown.Increment();
  then(Fail(Cause::kUnavailable, "too many claims wait for the shared store"));
}

void PostgresStore::Follow(Hear hear) {
  {
    const std::lock_guard lock(hear_mutex_);
    hear_ = std::move(hear);
  }
  (void)eventfd_write(wake_fd_, 1);
}

std::vector<Replica> PostgresStore::Live() const {
  const std::lock_guard lock(mutex_);
  return live_;
}

Status PostgresStore::Health() const {
  const std::lock_guard lock(mutex_);
  return health_;
}

// ---- the thread

void PostgresStore::Work(const std::stop_token& stop) {
  for (;;) {
    if (!Reach(stop)) {
      if (stop.stop_requested()) return;
      continue;
    }
    std::vector<Waiting> group = NextGroup();
    if (!group.empty()) {
      CommitGroup(std::move(group));
      continue;
    }
    if (stop.stop_requested()) return session_->Leave();
    if (Status heard = Listen(stop); !heard) Lose(heard.error());
  }
}

bool PostgresStore::Reach(const std::stop_token& stop) {
  if (session_) return true;
  Result<PostgresSession> session = Connect();
  if (session) {
    session_.emplace(*std::move(session));
    session_->set_seen(seen_);
    next_beat_ = {};
    Status back = session_->Listen();
    if (back) back = BeatIfDue();
    if (back) back = HearNews();
    if (back) {
      SetHealth({});
      return true;
    }
    session = tl::unexpected<Error>(back.error());
  }
  Lose(session.error());
  std::unique_lock lock(mutex_);
  wake_.wait_for(lock, stop, kConnectAgain, [] { return false; });
  return false;
}

// Whatever waits hears so at once: waiting on would only make it late.
void PostgresStore::Lose(const Error& why) {
  session_.reset();
  SetHealth(While("the shared store", why));
  std::deque<Waiting> lost;
  {
    const std::lock_guard lock(mutex_);
    lost.swap(queue_);
    queue_bytes_ = 0;
  }
  for (Waiting& waiting : lost) {
    Answer(waiting, {Fail(Cause::kUnavailable, "the shared store: {}", why.message), 0}, {});
  }
}

std::vector<PostgresStore::Waiting> PostgresStore::NextGroup() {
  const std::lock_guard lock(mutex_);
  std::vector<Waiting> group;
  while (!queue_.empty() && group.size() < kGroupMax) {
    queue_bytes_ -= queue_.front().bytes;
    group.push_back(std::move(queue_.front()));
    queue_.pop_front();
  }
  return group;
}

Result<std::vector<PostgresSession::Outcome>> PostgresStore::TryCommit(
    const std::vector<Waiting>& group) {
  std::vector<PostgresSession::Item> items;
  for (const Waiting& waiting : group) {
    items.push_back({waiting.batch ? &*waiting.batch : nullptr, waiting.resource, waiting.lease});
  }
  Result<std::vector<PostgresSession::Outcome>> outcomes =
      session_->Commit(items, deps_.clock.Now().wall);
  if (!outcomes) return outcomes;
  // What others committed before is told first.
  if (Status heard = HearNews(); !heard) return tl::unexpected<Error>(heard.error());
  return outcomes;
}

void PostgresStore::CommitGroup(std::vector<Waiting> group) {
  const BootTime asked = deps_.clock.Now().boot;
  Result<std::vector<PostgresSession::Outcome>> outcomes = TryCommit(group);
  if (outcomes) {
    SetHealth({});
    for (std::size_t i = 0; i < group.size(); ++i) {
      Answer(group[i], std::move((*outcomes)[i]), asked);
    }
    return;
  }
  const Error why = outcomes.error();
  if (group.size() > 1 && !why.retryable()) {
    // One of them is what the server cannot take.
    for (Waiting& waiting : group) {
      std::vector<Waiting> alone;
      alone.push_back(std::move(waiting));
      if (session_) {
        CommitGroup(std::move(alone));
      } else {
        Answer(alone.front(), {Fail(why.cause, "the shared store: {}", why.message), 0}, asked);
      }
    }
    return;
  }
  for (Waiting& waiting : group) {
    Answer(waiting, {Fail(why.cause, "writing to the shared store: {}", why.message), 0}, asked);
  }
  if (why.retryable()) return Lose(why);
  SetHealth(While("writing to the shared store", why));
}

void PostgresStore::Answer(Waiting& waiting, PostgresSession::Outcome outcome, BootTime asked) {
  const bool conflict = !outcome.status && outcome.status.error().cause == Cause::kConflict;
  if (waiting.batch) {
    (outcome.status ? counters_->ok
     : conflict     ? counters_->conflict
                    : counters_->failed)
        .Increment();
    return waiting.then(std::move(outcome.status));
  }
  (outcome.status ? counters_->granted
   : conflict     ? counters_->busy
                  : counters_->unknown)
      .Increment();
  if (!outcome.status) return waiting.granted(tl::unexpected<Error>(outcome.status.error()));
  waiting.granted(
      Claim{{waiting.resource, outcome.epoch}, asked + waiting.lease - Claims::kMargin});
}

Status PostgresStore::Listen(const std::stop_token& stop) {
  if (Status beat = BeatIfDue(); !beat) return beat;
  if (Status heard = HearNews(); !heard) return heard;
  {
    const std::lock_guard lock(mutex_);
    if (!queue_.empty() || stop.stop_requested()) return {};
  }
  const auto left = std::chrono::ceil<Millis>(next_beat_ - deps_.clock.Now().boot);
  const Result<bool> notice = session_->Wait(wake_fd_, std::clamp(left, Millis(0), kBeatEvery));
  eventfd_t ignored = 0;
  (void)eventfd_read(wake_fd_, &ignored);
  if (!notice) return tl::unexpected<Error>(notice.error());
  return {};
}

Status PostgresStore::HearNews() {
  const std::lock_guard lock(hear_mutex_);
  if (!hear_) return {};
  Result<std::vector<Record>> news = session_->News();
  if (!news) return tl::unexpected<Error>(news.error());
  seen_ = session_->seen();
  if (!news->empty()) hear_(*std::move(news));
  return {};
}

Status PostgresStore::BeatIfDue() {
  const BootTime now = deps_.clock.Now().boot;
  if (now < next_beat_) return {};
  Result<std::vector<Replica>> live = session_->Beat();
  if (!live) return tl::unexpected<Error>(live.error());
  next_beat_ = now + kBeatEvery;
  counters_->replicas.Set(static_cast<double>(live->size()));
  counters_->members.Set(static_cast<double>(live->size()));
  const std::lock_guard lock(mutex_);
  live_ = *std::move(live);
  return {};
}

void PostgresStore::SetHealth(Status health) {
  bool was_healthy = false;
  {
    const std::lock_guard lock(mutex_);
    was_healthy = health_.has_value();
    health_ = health;
  }
  if (was_healthy == health.has_value()) return;
  counters_->healthy.Set(health ? 1 : 0);
  if (health) {
    deps_.log.Info("the shared store answers again");
  } else {
    deps_.log.Error("the shared store fails", {{"err", health.error().message}});
  }
}

// ---- reads

template <typename T>
Result<T> PostgresStore::Reading(const std::function<Result<T>(PostgresSession&)>& work) {
  const std::lock_guard lock(read_mutex_);
  if (!reader_) {
    Result<PostgresSession> session = Connect();
    if (!session) return While("reading the shared store", session.error());
    reader_.emplace(*std::move(session));
  }
  Result<T> done = work(*reader_);
  // The next one begins with a connection that is whole.
  if (!done && done.error().retryable()) reader_.reset();
  return done;
}

Result<std::vector<Record>> PostgresStore::Read(const RecordQuery& query) {
  return Reading<std::vector<Record>>(
      [&](PostgresSession& session) { return session.Read(query); });
}

Result<std::vector<AuditEntry>> PostgresStore::ReadAudit(std::int64_t from_seq, std::size_t limit) {
  return Reading<std::vector<AuditEntry>>(
      [&](PostgresSession& session) { return session.ReadAudit(from_seq, limit); });
}

Status PostgresStore::VerifyAudit() {
  return Reading<void>([](PostgresSession& session) { return session.VerifyAudit(); });
}

Status PostgresStore::TrimAudit(Time before) {
  for (;;) {
    const Result<std::size_t> gone = Reading<std::size_t>(
        [&](PostgresSession& session) { return session.TrimAudit(before, kTrimRows); });
    if (!gone) return While("trimming the audit", gone.error());
    if (*gone < kTrimRows) return {};
  }
}

}  // namespace fettle
