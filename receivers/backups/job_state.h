// What is known of a job across restarts, and how it is written down and shown. Values.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/clock.h"
#include "common/json.h"
#include "common/result.h"
#include "common/sample.h"
#include "receivers/backups/run.h"

namespace fettle::receivers::backups {

enum class JobPhase { kIdle, kRunning, kRetryWait, kFailed };
std::string_view ToString(JobPhase phase);

struct JobState {
  Time created;  // when fettle first knew the job: "never ran" is measured from here
  Time last_start;
  Time last_end;
  Time last_success;  // when the newest good run ended
  std::string last_success_run;
  Millis last_duration{0};
  std::int64_t last_size_bytes = 0;
  std::int64_t last_source_bytes = 0;
  int last_level = 0;
  bool failed = false;                     // the newest run did not end well
  std::string sentence;                    // of the newest run
  std::map<std::string, double> runs;      // by result; skipped_overlap too
  std::map<std::string, double> failures;  // by reason
};

std::string Write(const JobState& state);
Result<JobState> ReadJobState(std::string_view body);
std::string Write(const RunReport& report, std::string_view job, std::string_view trigger,
                  std::string_view why, bool ended);

// A job as others see it.
struct JobView {
  std::string name;
  std::string kind;
  std::vector<std::string> places;
  JobPhase phase = JobPhase::kIdle;
  JobState state;
  std::optional<Time> next_run;
  std::optional<Millis> expected_interval;
  std::string run_id;  // of the run under way
  std::shared_ptr<const Progress> progress;
};

std::vector<MetricFamily> ShowJobs(const std::vector<JobView>& jobs);
// The members of an object that is open.
void WriteJob(JsonWriter& json, const JobView& job);
std::string JobsJson(const std::vector<JobView>& jobs);

}  // namespace fettle::receivers::backups
