// SPDX-License-Identifier: MIT
// Where our own files are: beside the running program in a build tree, in the installed places else.
#ifndef COMMON_BASE_PATHS_H
#define COMMON_BASE_PATHS_H

// Absolute path of one of our programs ("ganger-worker"); caller frees. Looks beside this program, then
// in ../libexec/ganger; the first that exists, or NULL.
char *path_program(const char *name);
// The folder handlers are looked for in: $GANGER_HANDLERS_DIR, else <build>/handlers beside a build
// tree's bin/, else <prefix>/lib/ganger/handlers. Caller frees; never NULL.
char *path_handlers_dir(void);
// The folder of the dashboard's pages: $GANGER_DASHBOARD, else <build>/dashboard of a build tree, else
// <prefix>/share/ganger/dashboard. It need not be there. Caller frees; never NULL.
char *path_dashboard_dir(void);
// The folder of the description of the HTTP API, openapi.yaml: <build>/api of a build tree, else <prefix>/share/ganger. Caller
// frees; never NULL.
char *path_api_dir(void);

#endif
