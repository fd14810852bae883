// /api/v1/alertmanagers, as Prometheus answers it. Safe from any thread.
#pragma once

#include "common/http.h"
#include "rules/notifier.h"

namespace fettle::rules {

HttpResponse ServeAlertmanagers(const Notifier& notifier);

}  // namespace fettle::rules
