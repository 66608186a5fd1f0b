// SPDX-License-Identifier: MIT
// Lineage: see the header.
#include "reaper/lineage.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/log.h"

enum { LINE_BYTES = 64 };

// Beside the pid file, and named like it. Caller frees.
static char *file_path(const Reaper *self, const char *suffix)
{
    char *name = mem_strdup(self->config->node_name);
    for (char *c = name; *c != '\0'; c++) {
        *c = *c == '/' ? '_' : *c;
    }
    char *path = mem_printf("%s/%s.timeline%s", self->config->state_dir, name, suffix);
    free(name);
    return path;
}

static bool write_line(const char *path, Timeline timeline)
{
    int file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
    if (file < 0) {
        return false;
    }
    bool is_written =
        dprintf(file, "%" PRIu64 " %" PRIu32 "\n", timeline.system_id, timeline.number) > 0;
    return close(file) == 0 && is_written;
}

// What this process has seen itself, not what stands in the slots: a worker gone mad must not keep its node away for good. Without the
// file the next start trusts the first primary it meets: no reason to stop.
static void save(Reaper *self, Timeline timeline)
{
    if (timeline.number == 0 || (timeline.number == self->kept_timeline.number &&
                                 timeline.system_id == self->kept_timeline.system_id)) {
        return;
    }
    self->kept_timeline = timeline;
    char *path = file_path(self, "");
    char *new_path = file_path(self, ".new");
    if (!write_line(new_path, timeline) || rename(new_path, path) != 0) {
        log_warn("timeline.not_kept", "file=\"%s\" error=\"%s\"", path, strerror(errno));
        (void)unlink(new_path);
    }
    free(path);
    free(new_path);
}

static void publish(Reaper *self, Timeline before, Timeline now)
{
    if (now.number == before.number && now.system_id == before.system_id) {
        return;
    }
    timeline_store(&self->header->timeline, now);
    if (!timeline_is_same_system(before, now)) {
        log_warn("database.other_cluster", "timeline=%" PRIu32 " before=%" PRIu32, now.number,
                 before.number);
    } else if (before.number != 0 && now.number != before.number) {
        log_info("database.new_timeline", "timeline=%" PRIu32 " before=%" PRIu32, now.number,
                 before.number);
    }
}

void lineage_begin(Reaper *self)
{
    if (timeline_load(&self->header->timeline).number != 0) {
        return; // a reaper before this one has seen it
    }
    char *path = file_path(self, "");
    char line[LINE_BYTES] = "";
    FILE *file = fopen(path, "re");
    if (file != NULL && fgets(line, sizeof line, file) != NULL) {
        char *rest = NULL;
        Timeline kept = {.system_id = strtoull(line, &rest, 10)};
        kept.number = (uint32_t)strtoul(rest, NULL, 10);
        self->kept_timeline = kept;
        timeline_store(&self->header->timeline, kept);
    }
    if (file != NULL) {
        (void)fclose(file);
    }
    free(path);
}

Timeline lineage_known(Reaper *self)
{
    const Timeline before = timeline_load(&self->header->timeline);
    Timeline known = before;
    for (int i = 1; i < scoreboard_api_slot(self->board); i++) {
        known = timeline_raise(known, timeline_load(&scoreboard_slot(self->board, i)->timeline));
    }
    publish(self, before, known);
    return known;
}

void lineage_met(Reaper *self)
{
    const Timeline before = timeline_load(&self->header->timeline);
    publish(self, before, timeline_follow(before, db_timeline(self->db)));
    save(self, db_timeline(self->db));
}

bool lineage_is_left_behind(Reaper *self)
{
    return timeline_is_old(lineage_known(self), db_timeline(self->db));
}
