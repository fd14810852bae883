// What the HTTP API says of backups and lets a person ask for.
#pragma once

#include "common/brain.h"
#include "common/http.h"
#include "receivers/backups/backups.h"

namespace fettle::receivers::backups {

// GET /api/fettle/v1/backups: all jobs; GET /api/fettle/v1/backups/NAME: one, with what is stored,
// what retention would do with it, and its drills.
HttpResponse ServeBackups(const Backups& backups, const HttpRequest& request);

// POST /api/fettle/v1/backups/NAME/VERB: run, look, verify, hold, release, prune or drill. Answers
// as soon as it has begun or waits its turn (202).
//   ?set=RUN (verify, hold, release, drill), ?level=1..3 (verify), ?plan=HASH (prune: approves it)
HttpResponse ServeBackupAction(Backups& backups, Brain& brain, const HttpRequest& request);

}  // namespace fettle::receivers::backups
