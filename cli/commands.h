// SPDX-License-Identifier: MIT
// Commands: the functions behind the command table; each returns the exit code.
#ifndef CLI_COMMANDS_H
#define CLI_COMMANDS_H

struct Cli;

int command_dev(struct Cli *cli);
int command_migrate_up(struct Cli *cli);
int command_migrate_status(struct Cli *cli);
int command_migrate_sql(struct Cli *cli);
int command_enqueue(struct Cli *cli);
int command_jobs_list(struct Cli *cli);
int command_jobs_show(struct Cli *cli);
int command_jobs_cancel(struct Cli *cli);
int command_jobs_retry(struct Cli *cli);
int command_jobs_edit(struct Cli *cli);
int command_jobs_redrive(struct Cli *cli);
int command_jobs_explain(struct Cli *cli);
int command_jobs_events(struct Cli *cli);
int command_jobs_wait(struct Cli *cli);
int command_jobs_tail(struct Cli *cli);
int command_queues_list(struct Cli *cli);
int command_queues_set(struct Cli *cli);
int command_types_list(struct Cli *cli);
int command_types_set(struct Cli *cli);
int command_groups_list(struct Cli *cli);
int command_groups_set(struct Cli *cli);
int command_pause_queue(struct Cli *cli);
int command_pause_type(struct Cli *cli);
int command_resume_queue(struct Cli *cli);
int command_resume_type(struct Cli *cli);
int command_schedules_list(struct Cli *cli);
int command_schedules_show(struct Cli *cli);
int command_schedules_create(struct Cli *cli);
int command_schedules_edit(struct Cli *cli);
int command_schedules_pause(struct Cli *cli);
int command_schedules_resume(struct Cli *cli);
int command_schedules_delete(struct Cli *cli);
int command_schedules_run(struct Cli *cli);
int command_schedules_next(struct Cli *cli);
int command_batches_list(struct Cli *cli);
int command_batches_show(struct Cli *cli);
int command_batches_create(struct Cli *cli);
int command_batches_start(struct Cli *cli);
int command_batches_pause(struct Cli *cli);
int command_batches_resume(struct Cli *cli);
int command_batches_cancel(struct Cli *cli);
int command_batches_clear(struct Cli *cli);
int command_batches_stats(struct Cli *cli);
int command_tokens_list(struct Cli *cli);
int command_tokens_show(struct Cli *cli);
int command_tokens_create(struct Cli *cli);
int command_tokens_complete(struct Cli *cli);
int command_api_tokens_list(struct Cli *cli);
int command_api_tokens_create(struct Cli *cli);
int command_api_tokens_revoke(struct Cli *cli);
int command_nodes(struct Cli *cli);
int command_workers(struct Cli *cli);
int command_workers_kill(struct Cli *cli);
int command_top(struct Cli *cli);
int command_failures(struct Cli *cli);
int command_stats(struct Cli *cli);
int command_maintain(struct Cli *cli);
int command_doctor(struct Cli *cli);
int command_bench(struct Cli *cli);
int command_config(struct Cli *cli);
int command_completion(struct Cli *cli);
int command_help(struct Cli *cli);

#endif
