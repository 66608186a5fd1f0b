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
int command_jobs_events(struct Cli *cli);
int command_jobs_wait(struct Cli *cli);
int command_nodes(struct Cli *cli);
int command_workers(struct Cli *cli);
int command_queues(struct Cli *cli);
int command_stats(struct Cli *cli);
int command_maintain(struct Cli *cli);
int command_bench(struct Cli *cli);
int command_config(struct Cli *cli);
int command_completion(struct Cli *cli);
int command_help(struct Cli *cli);

#endif
