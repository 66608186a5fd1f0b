// SPDX-License-Identifier: MIT
// Job: one claimed job, copied out of the claim's result.
#include "worker/job.h"

#include <stdlib.h>
#include <string.h>

void job_deinit(Job *job)
{
    free(job->job_type);
    free(job->payload);
    free(job->queue);
    free(job->tags);
    free(job->owner);
    free(job->metadata);
    free(job->group_key);
    memset(job, 0, sizeof *job);
}
