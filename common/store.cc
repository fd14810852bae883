#include "common/store.h"

#include <future>
#include <memory>
#include <utility>

#include "common/labels.h"

namespace fettle {
namespace {

Status CheckName(std::string_view what, std::string_view name) {
  if (name.size() > Store::kNameBytesMax) {
    return Fail(Cause::kLimit, "a record's {} has {} bytes, at most {} are kept", what, name.size(),
                Store::kNameBytesMax);
  }
  if (!IsUtf8(name) || name.find('\0') != std::string_view::npos) {
    return Fail(Cause::kInvalid, "a record's {} is not text", what);
  }
  return {};
}

Status CheckIdentity(std::string_view kind, std::string_view id) {
  if (kind.empty() || id.empty()) {
    return Fail(Cause::kInvalid, "a record needs a kind and an id, not \"{}\" and \"{}\"", kind,
                id);
  }
  if (Status status = CheckName("kind", kind); !status) return status;
  return CheckName("id", id);
}

Status CheckBody(std::string_view what, std::string_view body) {
  if (body.size() <= Store::kBodyBytesMax) return {};
  return Fail(Cause::kLimit, "{} has {} bytes, at most {} are kept", what, body.size(),
              Store::kBodyBytesMax);
}

}  // namespace

Status CheckBatch(const Batch& batch) {
  for (const Write& write : batch.writes) {
    const Record& record = write.record;
    if (Status status = CheckIdentity(record.kind, record.id); !status) return status;
    if (Status status = CheckName("key", record.key); !status) return status;
    if (Status status = CheckBody(fmt::format("record {}/{}", record.kind, record.id), record.body);
        !status) {
      return status;
    }
  }
  for (const Erase& erase : batch.erasures) {
    if (Status status = CheckIdentity(erase.kind, erase.id); !status) return status;
  }
  for (const std::string& body : batch.audit) {
    if (Status status = CheckBody("an audit entry", body); !status) return status;
  }
  return {};
}

Status CheckVersion(std::string_view kind, std::string_view id, std::int64_t expected,
                    std::int64_t stored) {
  if (expected == Write::kAnyVersion || expected == stored) return {};
  if (stored == 0) {
    return Fail(Cause::kConflict, "record {}/{} does not exist, version {} was expected", kind, id,
                expected);
  }
  if (expected == 0) {
    return Fail(Cause::kConflict, "record {}/{} exists already, in version {}", kind, id, stored);
  }
  return Fail(Cause::kConflict, "record {}/{} is in version {}, version {} was expected", kind, id,
              stored, expected);
}

Status CommitAndWait(Store& store, Batch batch) {
  auto promise = std::make_shared<std::promise<Status>>();
  std::future<Status> outcome = promise->get_future();
  store.Commit(std::move(batch), [promise = std::move(promise)](Status status) {
    promise->set_value(std::move(status));
  });
  try {
    return outcome.get();
  } catch (const std::future_error&) {  // the store dropped `then`: it went away first
    return Fail(Cause::kUnavailable, "the store was closed before it answered");
  }
}

}  // namespace fettle
