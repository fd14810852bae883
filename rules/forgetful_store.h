// A store that takes everything and remembers nothing, for rules that are only tried out. Safe from
// any thread.
#pragma once

#include <vector>

#include "common/store.h"

namespace fettle::rules {

class ForgetfulStore final : public Store {
 public:
  void Commit(Batch, Then then) override { then({}); }
  Result<std::vector<Record>> Read(const RecordQuery&) override { return std::vector<Record>{}; }
  Result<std::vector<AuditEntry>> ReadAudit(std::int64_t, std::size_t) override {
    return std::vector<AuditEntry>{};
  }
  Status VerifyAudit() override { return {}; }
  Status TrimAudit(Time) override { return {}; }
  Status Health() const override { return {}; }
};

}  // namespace fettle::rules
