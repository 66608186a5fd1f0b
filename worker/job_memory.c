// SPDX-License-Identifier: MIT
// JobMemory: see the header.
#include "worker/job_memory.h"

#include <stdlib.h>

#include "common/base/memory.h"

static JobStep *find(const JobMemory *memory, const char *name)
{
    for (size_t i = 0; i < memory->count; i++) {
        if (str_equal(memory->steps[i].name, name)) {
            return &memory->steps[i];
        }
    }
    return NULL;
}

const char *job_memory_find(JobMemory *memory, const char *name)
{
    JobStep *step = find(memory, name);
    if (step == NULL) {
        return NULL;
    }
    step->is_given = true;
    return step->json;
}

const char *job_memory_keep(JobMemory *memory, char *text)
{
    memory->kept = mem_realloc(memory->kept, (memory->kept_count + 1) * sizeof *memory->kept);
    memory->kept[memory->kept_count++] = text;
    return text;
}

void job_memory_add(JobMemory *memory, const char *name, char *json)
{
    memory->steps = mem_realloc(memory->steps, (memory->count + 1) * sizeof *memory->steps);
    JobStep *step = &memory->steps[memory->count++];
    *step = (JobStep){.name = mem_strdup(name)};
    step->json = json;
}

void job_memory_put(JobMemory *memory, const char *name, char *json)
{
    JobStep *step = find(memory, name);
    if (step == NULL) {
        job_memory_add(memory, name, json);
        return;
    }
    // Only what the handler may hold is kept: a step may be put a million times, as a cursor.
    if (step->is_given) {
        (void)job_memory_keep(memory, step->json);
    } else {
        free(step->json);
    }
    step->json = json;
    step->is_given = false;
}

char *job_memory_json(const JobMemory *memory)
{
    StrBuf out = {0};
    strbuf_append_char(&out, '{');
    for (size_t i = 0; i < memory->count; i++) {
        strbuf_append(&out, i > 0 ? ", " : "");
        strbuf_append_json(&out, memory->steps[i].name);
        strbuf_append(&out, ": ");
        strbuf_append(&out, memory->steps[i].json);
    }
    strbuf_append_char(&out, '}');
    return strbuf_take(&out);
}

void job_memory_free(JobMemory *memory)
{
    for (size_t i = 0; i < memory->count; i++) {
        free(memory->steps[i].name);
        free(memory->steps[i].json);
    }
    for (size_t i = 0; i < memory->kept_count; i++) {
        free(memory->kept[i]);
    }
    free(memory->steps);
    free(memory->kept);
    free(memory->waited);
    *memory = (JobMemory){0};
}
