// `/api/fettle/v1/backups`: what is known of the jobs, and running one now.
#pragma once

#include "common/brain.h"
#include "common/http.h"
#include "receivers/backups/backups.h"

namespace fettle::receivers::backups {

// GET. Any thread.
HttpResponse ServeBackups(const Backups& backups, const HttpRequest& request);
// POST /api/fettle/v1/backups/NAME/run: 202 with the job's state once it has been asked for; 404.
HttpResponse ServeBackupRun(Backups& backups, Brain& brain, const HttpRequest& request);

}  // namespace fettle::receivers::backups
