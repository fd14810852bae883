// Which program stands for a peer: what FETTLE_PROMETHEUS, FETTLE_PROMTOOL, FETTLE_ALERTMANAGER or
// FETTLE_AMTOOL names, else what tests/support/peers has unpacked, else Debian 12's older one.
#pragma once

#include <string>

namespace fettle {

std::string PrometheusProgram();
std::string PromtoolProgram();
std::string AlertmanagerProgram();
std::string AmtoolProgram();

// True for the versions that the tests were written against: Prometheus 3.5 and Alertmanager 0.33,
// and Debian 12's 2.42 and 0.25 where no newer one is to be had. `version` is "3.5.3+ds1".
bool IsKnownPrometheus(const std::string& version);
bool IsKnownAlertmanager(const std::string& version);

}  // namespace fettle
