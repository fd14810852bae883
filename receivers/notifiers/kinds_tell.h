// How each kind of receiver is told; TellOf() lists them. For notifiers/ alone.
#pragma once

#include "receivers/notifiers/talk.h"

namespace fettle::receivers {

Outcome TellPagerduty(Talk& talk);
Outcome TellOpsgenie(Talk& talk);
Outcome TellVictorops(Talk& talk);
Outcome TellPushover(Talk& talk);
Outcome TellIncidentio(Talk& talk);
Outcome TellSns(Talk& talk);
Outcome TellJira(Talk& talk);

Outcome TellTelegram(Talk& talk);
Outcome TellDiscord(Talk& talk);
Outcome TellMsteams(Talk& talk);
Outcome TellMsteamsV2(Talk& talk);
Outcome TellWebex(Talk& talk);
Outcome TellWechat(Talk& talk);
Outcome TellRocketchat(Talk& talk);
Outcome TellMattermost(Talk& talk);

}  // namespace fettle::receivers
