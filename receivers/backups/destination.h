// Where a backup's objects are kept: a directory or a bucket, with the same promises.
//
// An object is invisible until Complete(): a killed producer leaves nothing behind that looks
// whole. Objects are never replaced. Everything blocks, so it belongs to hands; one thread per
// Upload.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.h"
#include "common/s3.h"
#include "receivers/backups/config.h"

namespace fettle::receivers::backups {

// Destroyed without Complete(), it is aborted.
class Upload {
 public:
  virtual ~Upload() = default;
  virtual Status Write(std::string_view piece) = 0;
  // After this the object is there and durable, with exactly the bytes written.
  virtual Status Complete() = 0;
};

class Destination {
 public:
  virtual ~Destination() = default;
  // "s3://bucket/prefix" or the path, for people.
  virtual const std::string& Place() const = 0;
  // `size_estimate_bytes` of what will be written chooses the part size; 0 is unknown.
  virtual Result<std::unique_ptr<Upload>> Begin(const std::string& key,
                                                std::int64_t size_estimate_bytes) = 0;
  // A small object; kConflict if it is there already.
  virtual Status PutNew(const std::string& key, const std::string& body) = 0;
  virtual Status Read(const std::string& key,
                      const std::function<bool(std::string_view)>& on_piece) = 0;
  // Size in bytes; kNotFound.
  virtual Result<std::int64_t> Size(const std::string& key) = 0;
  // Keys below a prefix that ends in "/", in order.
  virtual Result<std::vector<std::string>> List(const std::string& prefix) = 0;
  // The same with sizes in bytes.
  virtual Result<std::map<std::string, std::int64_t>> Inventory(const std::string& prefix);
  // Takes away what a killed run left half-written below the prefix; finished objects stay.
  virtual Status Sweep(const std::string& prefix) = 0;
  // Takes a finished object away; one that is not there is success. kDenied: it is locked, or the
  // credentials may not.
  virtual Status Remove(const std::string& key) = 0;
  // The place's clock less ours, where it tells its time.
  virtual std::optional<Millis> ClockSkew() const { return std::nullopt; }
  // True if the last failure was one of too many requests at once.
  virtual bool Throttled() const = 0;
};

std::unique_ptr<Destination> MakeDirectoryDestination(DirectoryTarget target);
// `s3` is the destination's own; parts are sent by threads of the upload. What is removed is
// removed by `pruner`, if there is one: then the writer's keys need not be able to.
std::unique_ptr<Destination> MakeS3Destination(S3Target target, std::unique_ptr<S3> s3,
                                               std::unique_ptr<S3> pruner = nullptr);

}  // namespace fettle::receivers::backups
