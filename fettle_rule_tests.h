// The sections of rule tests that need receivers: notification_test and remediation_test, judged by
// a rehearsal of the configuration that the test file names (`fettle_config`).
#pragma once

#include "rules/test_run.h"

namespace fettle {

rules::MakeTestWatcher WatchByRehearsal();

}  // namespace fettle
