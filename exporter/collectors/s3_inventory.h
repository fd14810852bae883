// The inventory of one bucket: how many objects, how large, how new, by prefix group and storage
// class. Built page by page, in constant memory, over as many turns as it takes; only a whole one
// is ever shown. Values, on one thread.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/clock.h"
#include "common/s3.h"

namespace fettle::exporter {

// A group's name and the prefix its keys begin with.
struct S3Group {
  std::string name;
  std::string prefix;
};

class S3Inventory {
 public:
  static constexpr const char* kAll = "all";      // the group's name when none are configured
  static constexpr const char* kOther = "other";  // of keys that are in no configured group
  struct Totals {
    std::int64_t objects = 0;
    std::int64_t bytes = 0;
  };
  explicit S3Inventory(std::vector<S3Group> groups);

  // Pages come in key order.
  void Add(const std::vector<S3Object>& page);
  // Where the next page begins after: the last key seen, "" before the first.
  const std::string& last_key() const { return last_key_; }
  std::int64_t pages() const { return pages_; }

  // By group and storage class. Every configured group is there, also an empty one.
  const std::map<std::pair<std::string, std::string>, Totals>& totals() const { return totals_; }
  // By group; a group without objects is absent.
  const std::map<std::string, Time>& newest() const { return newest_; }
  std::map<std::string, std::int64_t> BytesByClass() const;

 private:
  const std::string& GroupOf(std::string_view key) const;

  std::vector<S3Group> groups_;  // longest prefix first
  std::string rest_;             // name of what is in no group
  std::map<std::pair<std::string, std::string>, Totals> totals_;
  std::map<std::string, Time> newest_;
  std::string last_key_;
  std::int64_t pages_ = 0;
};

}  // namespace fettle::exporter
