// SPDX-License-Identifier: MIT
// Metrics of the scoreboard: what the processes of this node have counted (common/base/counters.h), and what they do now.
#ifndef API_METRICS_BOARD_H
#define API_METRICS_BOARD_H

#include "api/metrics_text.h"
#include "common/base/config.h"
#include "common/base/scoreboard.h"

void metrics_board_write(MetricsText *text, Scoreboard *board, const Config *config);

#endif
