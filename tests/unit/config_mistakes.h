// SPDX-License-Identifier: MIT
// Files with mistakes, and the exact words they must be answered with.
#ifndef TESTS_UNIT_CONFIG_MISTAKES_H
#define TESTS_UNIT_CONFIG_MISTAKES_H

#include <stddef.h>

typedef struct BadFile {
    const char *name;
    const char *text;
    size_t length; // some hold NUL bytes
    const char *expected;
} BadFile;

#define BAD(name, text, expected)                                                                  \
    {                                                                                              \
        name, text, sizeof(text) - 1, expected                                                     \
    }
#define X16  "xxxxxxxxxxxxxxxx"
#define X64  X16 X16 X16 X16
#define X256 X16 X16 X16 X16 X16 X16 X16 X16 X16 X16 X16 X16 X16 X16 X16 X16

// GANGER_TEST_WORD is `many` in the environment, GANGER_NOT_SET is not set.
static const BadFile bad_files[] = {
    BAD("a tab indents",
        "database:\n"
        "\011url: x\n",
        "f.yaml:2:1: error: a tab: only spaces may indent\n"),
    BAD("a tab after spaces",
        "node:\n"
        "  \011name: x\n",
        "f.yaml:2:3: error: a tab: only spaces may indent\n"),
    BAD("a tab in front of a later key",
        "node:\n"
        "  name: x\n"
        "\011lease: 70s\n",
        "f.yaml:3:1: error: a tab: only spaces may indent (in what began on line 2)\n"),
    BAD("a tab before a list item",
        "pools:\n"
        "  default:\n"
        "    queues:\n"
        "\011- a\n",
        "f.yaml:4:1: error: a tab: only spaces may indent\n"),
    BAD("a tab in a flow",
        "pools: {\n"
        "\011\011default: {}\n"
        "  @}\n",
        "f.yaml:3:3: error: a value cannot begin with '@': put it in quotes\n"),
    BAD("a list is not closed",
        "pools:\n"
        "  default:\n"
        "    queues: [a, b\n",
        "f.yaml:4:1: error: expected ',' or ']' (in what began on line 3)\n"),
    BAD("a quote is not closed",
        "database:\n"
        "  url: \"abc\n",
        "f.yaml:3:1: error: the file ends inside a quoted text (in what began on line 2)\n"),
    BAD("a colon too many", "node: name: x\n",
        "f.yaml:1:11: error: a ':' does not belong here: put the text in quotes, or look at the "
        "indentation\n"),
    BAD("no colon",
        "database:\n"
        "  url\n"
        "  poll_interval: 1s\n",
        "f.yaml:3:16: error: a ':' does not belong here: put the text in quotes, or look at the "
        "indentation\n"),
    BAD("bad indentation",
        "database:\n"
        "    url: x\n"
        "  poll_interval: 1s\n",
        "f.yaml:3:3: error: expected a key: look at the indentation, and at the quotes and "
        "brackets before (in what began on line 1)\n"),
    BAD("a value begins with @",
        "node:\n"
        "  name: @x\n",
        "f.yaml:2:9: error: a value cannot begin with '@': put it in quotes\n"),
    BAD("a value begins with a backquote",
        "node:\n"
        "  name: `x`\n",
        "f.yaml:2:9: error: a value cannot begin with '`': put it in quotes\n"),
    BAD("unknown escape",
        "node:\n"
        "  name: \"\\q\"\n",
        "f.yaml:2:10: error: unknown escape: use '...' for a text with backslashes\n"),
    BAD("two documents",
        "node: {name: a}\n"
        "---\n"
        "node: {name: b}\n",
        "f.yaml:2:1: error: a second document begins here; a configuration is one document\n"),
    BAD("a second document and a mistake",
        "node: {nme: a}\n"
        "---\n"
        "node: {name: b}\n",
        "f.yaml:1:8: error: node: unknown key 'nme'; did you mean 'name'?\n"
        "f.yaml:2:1: error: a second document begins here; a configuration is one document\n"),
    BAD("text after the end",
        "node: {name: a}\n"
        "...\n"
        "node: {name: b}\n",
        "f.yaml:3:1: error: expected the end of the file\n"),
    BAD("undefined alias",
        "node:\n"
        "  name: *x\n",
        "f.yaml:2:9: error: an alias of nothing: no anchor of this name stands before it\n"),
    BAD("alias cycle in a list",
        "pools:\n"
        "  default:\n"
        "    queues: &q [a, *q]\n",
        "f.yaml:3:20: error: the alias '*q' refers to what it is part of\n"),
    BAD("alias cycle of sections",
        "pools: &p\n"
        "  default: *p\n",
        "f.yaml:2:12: error: the alias '*p' refers to what it is part of\n"),
    BAD("anchor twice",
        "node: {name: &a x}\n"
        "supervisor: {user: &a y}\n",
        "f.yaml:2:20: error: an anchor of this name stands before it (in what began on line 1)\n"),
    BAD("merge key",
        "pools:\n"
        "  a: &a {processes: 3}\n"
        "  b:\n"
        "    <<: *a\n",
        "f.yaml:4:5: error: merge keys ('<<') are not supported\n"),
    BAD("tag of a scalar",
        "pools:\n"
        "  default:\n"
        "    processes: !!int 3\n",
        "f.yaml:3:16: error: tags are not supported: 'tag:yaml.org,2002:int'\n"),
    BAD("tag of a section", "node: !x {name: a}\n",
        "f.yaml:1:7: error: tags are not supported: '!x'\n"),
    BAD("tag of a list",
        "pools:\n"
        "  default:\n"
        "    queues: !!set [a]\n",
        "f.yaml:3:13: error: tags are not supported: 'tag:yaml.org,2002:set'\n"),
    BAD("control character",
        "node:\n"
        "  name: a\001b\n",
        "f.yaml:2:10: error: a control character: this is not a text file\n"),
    BAD("latin-1",
        "node:\n"
        "  name: caf\351\n",
        "f.yaml:2:12: error: the file is not valid UTF-8\n"),
    BAD("NUL byte",
        "node:\n"
        "  name: a\000b\n",
        "f.yaml:2:10: error: a NUL byte: this is not a text file\n"),
    BAD("escaped NUL",
        "node:\n"
        "  name: \"a\\0b\"\n",
        "f.yaml:2:9: error: node.name: the text contains a NUL character\n"),
    BAD("escaped NUL in a key",
        "node:\n"
        "  \"na\\0me\": a\n",
        "f.yaml:2:3: error: node: key: the text contains a NUL character\n"),
    BAD("UTF-16", "\377\376n\000o\000", "f.yaml:1:4: error: a NUL byte: this is not a text file\n"),
    BAD("not a section at the top",
        "- a\n"
        "- b\n",
        "f.yaml:1:1: error: expected a section (lines of 'key: value')\n"),
    BAD("a text at the top", "hello\n",
        "f.yaml:1:1: error: expected a section (lines of 'key: value')\n"),
    BAD("section is a text", "node: worker-1\n",
        "f.yaml:1:1: error: node: expected a section (lines of 'key: value')\n"),
    BAD("section is a list", "database: [a]\n",
        "f.yaml:1:1: error: database: expected a section (lines of 'key: value')\n"),
    BAD("pool is a number",
        "pools:\n"
        "  default: 3\n",
        "f.yaml:2:3: error: pools.default: expected a section (lines of 'key: value')\n"),
    BAD("pools is a list", "pools: [default]\n",
        "f.yaml:1:1: error: pools: expected a section (lines of 'key: value')\n"),
    BAD("handler is a text",
        "handlers:\n"
        "  noop: noop.so\n",
        "f.yaml:2:3: error: handlers.noop: expected a section (lines of 'key: value')\n"),
    BAD("text is a list",
        "node:\n"
        "  name: [a, b]\n",
        "f.yaml:2:9: error: node.name: expected one value, got a list\n"),
    BAD("text is a section",
        "node:\n"
        "  name: {a: b}\n",
        "f.yaml:2:9: error: node.name: expected one value, got a section\n"),
    BAD("list is a text",
        "pools:\n"
        "  default:\n"
        "    queues: default\n",
        "f.yaml:3:13: error: pools.default.queues: expected a list, such as [a, b]\n"),
    BAD("list is nothing",
        "pools:\n"
        "  default:\n"
        "    queues:\n",
        "f.yaml:3:5: error: pools.default.queues: expected a list, such as [a, b]\n"),
    BAD("list holds a list",
        "pools:\n"
        "  default:\n"
        "    queues: [[a]]\n",
        "f.yaml:3:14: error: pools.default.queues: expected one value, got a list\n"),
    BAD("list holds nothing",
        "pools:\n"
        "  default:\n"
        "    queues: [a, ]\n"
        "    job_types: [~]\n",
        "f.yaml:4:17: error: pools.default.job_types: a value is missing (put the word in quotes "
        "if it is meant)\n"),
    BAD("key is a list",
        "? [a, b]\n"
        ": c\n",
        "f.yaml:1:3: error: key: expected one value, got a list\n"),
    BAD("value is missing",
        "node:\n"
        "  name:\n"
        "  lease: null\n",
        "f.yaml:2:3: error: node.name: a value is missing\n"
        "f.yaml:3:3: error: node.lease: a value is missing (put the word in quotes if it is "
        "meant)\n"),
    BAD("no pool", "pools: {}\n", "f.yaml:1:1: error: pools: at least one pool is needed\n"),
    BAD("unknown section",
        "databse:\n"
        "  url: x\n",
        "f.yaml:1:1: error: unknown key 'databse'; did you mean 'database'?\n"),
    BAD("unknown section without a near one",
        "cluster:\n"
        "  url: x\n",
        "f.yaml:1:1: error: unknown key 'cluster'\n"),
    BAD("unknown key",
        "node:\n"
        "  haertbeat: 5s\n",
        "f.yaml:2:3: error: node: unknown key 'haertbeat'; did you mean 'heartbeat'?\n"),
    BAD("unknown key without a near one",
        "node:\n"
        "  colour: red\n",
        "f.yaml:2:3: error: node: unknown key 'colour'\n"),
    BAD("unknown key in a pool",
        "pools:\n"
        "  default:\n"
        "    proceses: 3\n",
        "f.yaml:3:5: error: pools.default: unknown key 'proceses'; did you mean 'processes'?\n"),
    BAD("unknown key in rlimits",
        "handlers:\n"
        "  a:\n"
        "    plugin: a.so\n"
        "    rlimits: {file: 3}\n",
        "f.yaml:4:15: error: handlers.a.rlimits: unknown key 'file'; did you mean 'files'?\n"),
    BAD("key of another section",
        "database:\n"
        "  heartbeat: 3s\n",
        "f.yaml:2:3: error: database: unknown key 'heartbeat'; it belongs in node\n"),
    BAD("section inside a section",
        "node:\n"
        "  name: a\n"
        "  log:\n"
        "    level: info\n",
        "f.yaml:3:3: error: node: unknown key 'log'; it belongs at the top\n"),
    BAD("top option in a section",
        "node:\n"
        "  no_handler_after: 3m\n",
        "f.yaml:2:3: error: node: unknown key 'no_handler_after'; it belongs at the top\n"),
    BAD("option at the top", "processes: 3\n",
        "f.yaml:1:1: error: unknown key 'processes'; it belongs in pools\n"),
    BAD("key twice",
        "node:\n"
        "  name: a\n"
        "  lease: 70s\n"
        "  name: b\n",
        "f.yaml:4:3: error: node: key 'name' is given twice; it stands on line 2 already\n"),
    BAD("section twice",
        "node:\n"
        "  name: a\n"
        "log:\n"
        "  level: info\n"
        "node:\n"
        "  lease: 70s\n",
        "f.yaml:5:1: error: key 'node' is given twice; it stands on line 1 already\n"),
    BAD("pool twice",
        "pools:\n"
        "  a: {}\n"
        "  b: {}\n"
        "  a: {}\n",
        "f.yaml:4:3: error: pools: key 'a' is given twice; it stands on line 2 already\n"),
    BAD("a key of many lines",
        "node:\n"
        "  \"a\\nb\": c\n",
        "f.yaml:2:3: error: node: unknown key 'a\\x0ab'\n"),
    BAD("a schedule without a type",
        "schedules:\n"
        "  nightly: {cron: \"0 3 * * *\"}\n",
        "f.yaml:2:3: error: schedules.nightly: job_type is missing\n"),
    BAD("a schedule of nothing",
        "schedules:\n"
        "  nightly:\n",
        "f.yaml:2:3: error: schedules.nightly: cron is missing\n"
        "f.yaml:2:3: error: schedules.nightly: job_type is missing\n"),
    BAD("a schedule with a misspelt key",
        "schedules:\n"
        "  nightly: {crom: \"0 3 * * *\", job_type: a, options: {tag: [x], prio: 1}}\n",
        "f.yaml:2:13: error: schedules.nightly: unknown key 'crom'; did you mean 'cron'?\n"
        "f.yaml:2:55: error: schedules.nightly.options: unknown key 'tag'; did you mean 'tags'?\n"
        "f.yaml:2:65: error: schedules.nightly.options: unknown key 'prio'\n"),
    BAD("a schedule that is no section", "schedules: {a: 5}\n",
        "f.yaml:1:13: error: schedules.a: expected a section (lines of 'key: value')\n"),
    BAD("too few fields", "schedules: {a: {cron: \"* * *\", job_type: x}}\n",
        "f.yaml:1:23: error: schedules.a.cron: expected five fields (minute hour day month "
        "weekday), or six with the second in front, got 3\n"),
    BAD("an hour too late", "schedules: {a: {cron: \"0 0 25 * * *\", job_type: x}}\n",
        "f.yaml:1:23: error: schedules.a.cron: hour: '25' is outside 0..23\n"),
    BAD("a range too wide", "schedules: {a: {cron: \"*/90 0 1-32 * *\", job_type: x}}\n",
        "f.yaml:1:23: error: schedules.a.cron: day: '1-32' is outside 1..31\n"),
    BAD("a month before the first", "schedules: {a: {cron: \"* * * 3,0 *\", job_type: x}}\n",
        "f.yaml:1:23: error: schedules.a.cron: month: '3,0' is outside 1..12\n"),
    BAD("a minute beyond all numbers",
        "schedules: {a: {cron: \"99999999999999999999 * * * *\", job_type: x}}\n",
        "f.yaml:1:23: error: schedules.a.cron: minute: '99999999999999999999' is outside 0..59\n"),
    BAD("a character of no field", "schedules: {a: {cron: \"* * * * !\", job_type: x}}\n",
        "f.yaml:1:23: error: schedules.a.cron: weekday: '!' has a character that does not belong "
        "there\n"),
    BAD("a misspelt alias", "schedules: {a: {cron: \"@dayly\", job_type: x}}\n",
        "f.yaml:1:23: error: schedules.a.cron: there is no '@dayly'; did you mean '@daily'?\n"),
    BAD("a misspelt word", "schedules: {a: {cron: \"@daily\", job_type: x, overlap: skpi}}\n",
        "f.yaml:1:55: error: schedules.a.overlap: expected skip, allow, queue_one or "
        "cancel_running, got 'skpi'; did you mean 'skip'?\n"),
    BAD("a key twice in a payload",
        "schedules: {a: {cron: \"@daily\", job_type: x, payload: {b: [{c: 1, c: 2}]}}}\n",
        "f.yaml:1:67: error: schedules.a.payload: key 'c' is given twice; it stands on line 1 "
        "already\n"),
    BAD("a NUL in a payload",
        "schedules: {a: {cron: \"@daily\", job_type: x, payload: [\"a\\0b\"]}}\n",
        "f.yaml:1:56: error: schedules.a.payload: the text contains a NUL character\n"),
    BAD("a queue with a misspelt key", "queues: {mail: {concurency: 3}}\n",
        "f.yaml:1:17: error: queues.mail: unknown key 'concurency'; did you mean 'concurrency'?\n"),
    BAD("no concurrency at all", "queues: {mail: {concurrency: -1}}\n",
        "f.yaml:1:30: error: queues.mail.concurrency: -1 is outside 0..1000000000\n"),
    BAD("a period of nothing", "queues: {mail: {rate_period: 1m}}\n",
        "f.yaml:1:30: error: queues.mail.rate_period: goes with rate only\n"),
    BAD("a period of something wrong", "queues: {mail: {rate: x, rate_period: 1m}}\n",
        "f.yaml:1:23: error: queues.mail.rate: expected a number, got 'x'\n"),
    BAD("http is a text", "http: yes please\n",
        "f.yaml:1:1: error: http: expected a section (lines of 'key: value')\n"),
    BAD("http with a misspelt key", "http: {lisen: \"127.0.0.1:8080\"}\n",
        "f.yaml:1:8: error: http: unknown key 'lisen'; did you mean 'listen'?\n"),
    BAD("http without a port", "http: {listen: 127.0.0.1}\n",
        "f.yaml:1:16: error: http.listen: the port is missing; expected 127.0.0.1:8080, [::1]:8080 "
        "or "
        "unix:/run/ganger/api.sock\n"),
    BAD("http, one of two is wrong",
        "http:\n"
        "  listen:\n"
        "    - 127.0.0.1:8080\n"
        "    - ::1:8080\n",
        "f.yaml:4:7: error: http.listen: an IPv6 address stands in brackets, such as [::1]:8080\n"),
    BAD("http nowhere", "http: {listen: []}\n",
        "f.yaml:1:16: error: http.listen: the list is empty\n"),
    BAD("http without a value", "http:\n  listen:\n  auth: none\n",
        "f.yaml:2:3: error: http.listen: expected a list, such as [a, b]\n"),
    BAD("http twice at one place", "http: {listen: [\"[::1]:80\", \"[0::1]:80\"]}\n",
        "f.yaml:1:16: error: http.listen: [0::1]:80 stands there twice\n"),
    BAD("http, auth", "http: {auth: basic}\n",
        "f.yaml:1:14: error: http.auth: expected tokens or none, got 'basic'\n"),
    BAD("http, a host with a port", "http: {hosts: [\"a.example.com:443\"]}\n",
        "f.yaml:1:16: error: http.hosts: expected a host name without a port, such as "
        "jobs.example.com, got "
        "'a.example.com:443'\n"),
    BAD("http, a small body", "http: {max_body: 1000B}\n",
        "f.yaml:1:18: error: http.max_body: 1000B is outside 1KiB..64MiB\n"),
    BAD("http, no connections", "http: {connections: 0}\n",
        "f.yaml:1:21: error: http.connections: 0 is outside 1..100\n"),
    BAD("http for everybody", "http: {listen: \"0.0.0.0:8080\", auth: none, behind_proxy: true}\n",
        "f.yaml:1:16: error: http.listen: 0.0.0.0:8080 is reached by other machines, and http.auth "
        "is none: whoever reaches "
        "it may do everything; set http.auth to tokens, or listen on 127.0.0.1, [::1] or unix: "
        "only\n"),
    BAD("http in the clear", "http: {listen: \"[::]:8080\"}\n",
        "f.yaml:1:16: error: http.listen: [::]:8080 is reached by other machines, and tokens would "
        "go there unencrypted; put a "
        "proxy that speaks TLS before it and set http.behind_proxy, or listen on 127.0.0.1, [::1] "
        "or unix: only\n"),
    BAD("number is a word",
        "pools:\n"
        "  default:\n"
        "    processes: many\n",
        "f.yaml:3:16: error: pools.default.processes: expected a number, got 'many'\n"),
    BAD("number below",
        "pools:\n"
        "  default:\n"
        "    processes: 0\n",
        "f.yaml:3:16: error: pools.default.processes: 0 is outside 1..256\n"),
    BAD("number above",
        "pools:\n"
        "  default:\n"
        "    processes: 257\n",
        "f.yaml:3:16: error: pools.default.processes: 257 is outside 1..256\n"),
    BAD("number is negative",
        "pools:\n"
        "  default:\n"
        "    processes: -1\n",
        "f.yaml:3:16: error: pools.default.processes: -1 is outside 1..256\n"),
    BAD("number is huge",
        "pools:\n"
        "  default:\n"
        "    processes: 99999999999999999999999\n",
        "f.yaml:3:16: error: pools.default.processes: 99999999999999999999999 is outside 1..256\n"),
    BAD("number is hexadecimal",
        "pools:\n"
        "  default:\n"
        "    processes: 0x10\n",
        "f.yaml:3:16: error: pools.default.processes: expected a number, got '0x10'\n"),
    BAD("number has a fraction",
        "pools:\n"
        "  default:\n"
        "    processes: 2.0\n",
        "f.yaml:3:16: error: pools.default.processes: expected a number, got '2.0'\n"),
    BAD("number with a unit",
        "pools:\n"
        "  default:\n"
        "    processes: 4s\n",
        "f.yaml:3:16: error: pools.default.processes: expected a number, got '4s'\n"),
    BAD("prefetch is 0",
        "pools:\n"
        "  default:\n"
        "    prefetch: 0\n",
        "f.yaml:3:15: error: pools.default.prefetch: 0 is outside 1..1024 (or auto)\n"),
    BAD("prefetch is a word",
        "pools:\n"
        "  default:\n"
        "    prefetch: all\n",
        "f.yaml:3:15: error: pools.default.prefetch: expected a number, or auto, got 'all'\n"),
    BAD("max_jobs is a word",
        "pools:\n"
        "  default:\n"
        "    max_jobs: unlimited\n",
        "f.yaml:3:15: error: pools.default.max_jobs: expected a number, or none, got "
        "'unlimited'\n"),
    BAD("too many processes in all",
        "pools:\n"
        "  a: {processes: 256}\n"
        "  b: {processes: 256}\n"
        "  c: {processes: 1}\n",
        "f.yaml:3:3: error: pools.b: with this pool there are 512 processes; at most 510 are "
        "allowed in all pools together\n"),
    BAD("duration without a unit",
        "node:\n"
        "  lease: 70\n",
        "f.yaml:2:10: error: node.lease: a unit is missing in 70; write \"70s\"\n"),
    BAD("duration without a unit in quotes",
        "supervisor:\n"
        "  kill_grace: \"30\"\n",
        "f.yaml:2:15: error: supervisor.kill_grace: a unit is missing in 30; write \"30s\"\n"),
    BAD("duration is a word",
        "node:\n"
        "  lease: long\n",
        "f.yaml:2:10: error: node.lease: expected a duration such as 30s or 1h30m, got 'long'\n"),
    BAD("duration with an unknown unit",
        "node:\n"
        "  lease: 5 minutes\n",
        "f.yaml:2:10: error: node.lease: expected a duration such as 30s or 1h30m, got '5 "
        "minutes'\n"),
    BAD("duration above",
        "node:\n"
        "  heartbeat: 2h\n",
        "f.yaml:2:14: error: node.heartbeat: 2h is outside 50ms..1h\n"),
    BAD("duration below",
        "database:\n"
        "  poll_interval: 1ms\n",
        "f.yaml:2:18: error: database.poll_interval: 1ms is outside 50ms..1h\n"),
    BAD("max_age is a word",
        "pools:\n"
        "  default:\n"
        "    max_age: never\n",
        "f.yaml:3:14: error: pools.default.max_age: expected a duration such as 30s or 1h30m, or "
        "none, got 'never'\n"),
    BAD("size without a unit",
        "pools:\n"
        "  default:\n"
        "    max_rss: 512\n",
        "f.yaml:3:14: error: pools.default.max_rss: a unit is missing in 512; write \"512MiB\"\n"),
    BAD("size in bytes without a unit",
        "pools:\n"
        "  default:\n"
        "    max_rss: 536870912\n",
        "f.yaml:3:14: error: pools.default.max_rss: a unit is missing in 536870912; write "
        "\"536870912B\"\n"),
    BAD("size is a word",
        "pools:\n"
        "  default:\n"
        "    max_rss: big\n",
        "f.yaml:3:14: error: pools.default.max_rss: expected a size such as 512MiB, or none, got "
        "'big'\n"),
    BAD("size below",
        "pools:\n"
        "  default:\n"
        "    max_rss: 1kB\n",
        "f.yaml:3:14: error: pools.default.max_rss: 1kB is outside 1MiB..1024GiB (or none)\n"),
    BAD("rlimits",
        "handlers:\n"
        "  a:\n"
        "    plugin: a.so\n"
        "    rlimits:\n"
        "      cpu: 30\n"
        "      memory: 1B\n"
        "      files: 2\n"
        "      file_size: x\n",
        "f.yaml:5:12: error: handlers.a.rlimits.cpu: a unit is missing in 30; write \"30s\"\n"
        "f.yaml:6:15: error: handlers.a.rlimits.memory: 1B is outside 1MiB..1024GiB (or none)\n"
        "f.yaml:7:14: error: handlers.a.rlimits.files: 2 is outside 8..1048576 (or none)\n"
        "f.yaml:8:18: error: handlers.a.rlimits.file_size: expected a size such as 512MiB, or "
        "none, got 'x'\n"),
    BAD("boolean is yes",
        "database:\n"
        "  auto_migrate: yes\n",
        "f.yaml:2:17: error: database.auto_migrate: expected true or false, got 'yes'\n"),
    BAD("boolean in capitals",
        "database:\n"
        "  auto_migrate: True\n",
        "f.yaml:2:17: error: database.auto_migrate: expected true or false, got 'True'\n"),
    BAD("word is unknown",
        "log:\n"
        "  format: xml\n",
        "f.yaml:2:11: error: log.format: expected auto, text, logfmt or json, got 'xml'\n"),
    BAD("word is nearly known",
        "log:\n"
        "  level: debgu\n",
        "f.yaml:2:10: error: log.level: expected debug, info, warn or error, got 'debgu'; did you "
        "mean 'debug'?\n"),
    BAD("empty text",
        "database:\n"
        "  url: \"\"\n",
        "f.yaml:2:8: error: database.url: the text is empty\n"),
    BAD("long name",
        "node:\n"
        "  name: " X256 "\n",
        "f.yaml:2:9: error: node.name: the text has 256 bytes; at most 200 are allowed\n"),
    BAD("a folder that depends on where gangerd is started",
        "supervisor:\n"
        "  state_dir: run/ganger\n",
        "f.yaml:2:14: error: supervisor.state_dir: expected an absolute path, such as "
        "/run/ganger, got 'run/ganger'\n"),
    BAD("name with a newline",
        "node:\n"
        "  name: \"a\\nb\"\n",
        "f.yaml:2:9: error: node.name: 'a\\x0ab' contains a control character\n"),
    BAD("pool names alike in what a slot shows of them",
        "pools:\n"
        "  " X64 ": {}\n"
        "  " X64 "y: {}\n",
        "f.yaml:2:3: error: pools: name: the text has 64 bytes; at most 63 are allowed\n"
        "f.yaml:3:3: error: pools: name: the text has 65 bytes; at most 63 are allowed\n"),
    BAD("long job type",
        "handlers:\n"
        "  " X256 ": {sql: a.b}\n",
        "f.yaml:2:3: error: handlers: name: the text has 256 bytes; at most 255 are allowed\n"),
    BAD("empty pool name",
        "pools:\n"
        "  \"\": {}\n",
        "f.yaml:2:3: error: pools: name: the text is empty\n"),
    BAD("empty queue",
        "pools:\n"
        "  default:\n"
        "    queues: [\"\"]\n",
        "f.yaml:3:14: error: pools.default.queues: the text is empty\n"),
    BAD("no queue",
        "pools:\n"
        "  default:\n"
        "    queues: []\n",
        "f.yaml:3:13: error: pools.default.queues: the list is empty\n"),
    BAD("queue twice",
        "pools:\n"
        "  default:\n"
        "    queues: [a, b, a]\n",
        "f.yaml:3:20: error: pools.default.queues: 'a' is given twice\n"),
    BAD("long queue",
        "pools:\n"
        "  default:\n"
        "    queues: [" X256 "]\n",
        "f.yaml:3:14: error: pools.default.queues: the text has 256 bytes; at most 255 are "
        "allowed\n"),
    BAD("variable is not set",
        "database:\n"
        "  url: postgresql://${GANGER_NOT_SET}/x\n",
        "f.yaml:2:8: error: database.url: the environment variable GANGER_NOT_SET is not set\n"),
    BAD("variable in a list",
        "pools:\n"
        "  default:\n"
        "    queues: [\"${GANGER_NOT_SET}\"]\n",
        "f.yaml:3:14: error: pools.default.queues: the environment variable GANGER_NOT_SET is not "
        "set\n"),
    BAD("variable without a name",
        "database:\n"
        "  url: \"a${}\"\n",
        "f.yaml:2:8: error: database.url: expected ${NAME}; write $${ for a plain ${\n"),
    BAD("variable without an end",
        "database:\n"
        "  url: \"a${HOME\"\n",
        "f.yaml:2:8: error: database.url: expected ${NAME}; write $${ for a plain ${\n"),
    BAD("variable with a bad value",
        "pools:\n"
        "  default:\n"
        "    processes: \"${GANGER_TEST_WORD}\"\n",
        "f.yaml:3:16: error: pools.default.processes: expected a number, got 'many'\n"),
    BAD("unknown kind",
        "handlers:\n"
        "  a:\n"
        "    python: a.py\n",
        "f.yaml:3:5: error: handlers.a: unknown handler kind 'python'; a handler is one of plugin, "
        "exec, sql or http\n"),
    BAD("misspelt kind",
        "handlers:\n"
        "  a:\n"
        "    plugn: a.so\n",
        "f.yaml:3:5: error: handlers.a: unknown key 'plugn'; did you mean 'plugin'?\n"),
    BAD("no kind",
        "handlers:\n"
        "  a:\n"
        "    timeout: 3s\n",
        "f.yaml:2:3: error: handlers.a: no kind; a handler is one of plugin, exec, sql or http\n"),
    BAD("no kind at all",
        "handlers:\n"
        "  a:\n",
        "f.yaml:2:3: error: handlers.a: no kind; a handler is one of plugin, exec, sql or http\n"),
    BAD("two kinds",
        "handlers:\n"
        "  a:\n"
        "    plugin: a.so\n"
        "    exec: [a]\n",
        "f.yaml:2:3: error: handlers.a: plugin and exec at once; a handler is one of plugin, exec, "
        "sql or http\n"),
    BAD("three kinds",
        "handlers:\n"
        "  a: {plugin: a.so, exec: [a], sql: app.a}\n",
        "f.yaml:2:3: error: handlers.a: plugin and exec and sql at once; a handler is one of "
        "plugin, exec, sql or http\n"),
    BAD("http handler without a place to go",
        "handlers:\n"
        "  a:\n"
        "    http: {}\n",
        "f.yaml:3:5: error: handlers.a.http: url is missing; where each job names its own, allow "
        "must say which hosts may be named\n"),
    BAD("http handler and another",
        "handlers:\n"
        "  a:\n"
        "    sql: app.a\n"
        "    http: {url: \"https://example.com\"}\n",
        "f.yaml:2:3: error: handlers.a: sql and http at once; a handler is one of plugin, exec, "
        "sql or http\n"),
    BAD("options of http a level too high",
        "handlers:\n"
        "  a:\n"
        "    url: https://example.com\n",
        "f.yaml:3:5: error: handlers.a: unknown handler kind 'url'; a handler is one of plugin, "
        "exec, sql or http\n"),
    BAD("allow a level too high",
        "handlers:\n"
        "  a:\n"
        "    http: {url: \"https://example.com\"}\n"
        "    allow_http: true\n",
        "f.yaml:4:5: error: handlers.a: unknown key 'allow_http'; it belongs in http\n"),
    BAD("URLs",
        "handlers:\n"
        "  a: {http: {url: example.com}}\n"
        "  b: {http: {url: \"http://example.com\"}}\n"
        "  c: {http: {url: \"https://me:pw@example.com\"}}\n"
        "  d: {http: {url: \"https://example.com:8443\", allow: [example.com]}}\n"
        "  e: {http: {url: \"https://0x7f000001/\"}}\n",
        "f.yaml:2:19: error: handlers.a.http.url: is no URL that can be sent to: it does not begin "
        "with https:// or http://\n"
        "f.yaml:3:19: error: handlers.b.http.url: http:// is not encrypted; say https://, or "
        "allow_http: true\n"
        "f.yaml:4:19: error: handlers.c.http.url: is no URL that can be sent to: it has a user "
        "name or password; put them into a header\n"
        "f.yaml:5:19: error: handlers.d.http.url: its host example.com:8443 is not in allow\n"
        "f.yaml:6:19: error: handlers.e.http.url: is no URL that can be sent to: the host is "
        "neither a name nor an address in plain decimal form\n"),
    BAD("URLs of addresses that nothing is sent to",
        "handlers:\n"
        "  a: {http: {url: \"https://10.0.0.1/\"}}\n"
        "  b: {http: {url: \"https://[::1]:8443/x\", allow_private: [10.0.0.0/8, \"::2\"]}}\n"
        "  c: {http: {url: \"https://10.0.0.1/\", allow_private: 10.0.0.0/8}}\n"
        "  d: {http: {url: \"https://1.1.1.1/\"}}\n"
        "  e: {http: {url: \"https://billing.internal/\"}}\n",
        "f.yaml:2:19: error: handlers.a.http.url: nothing is sent to 10.0.0.1, a private address, "
        "unless allow_private covers it: allow_private: \"10.0.0.1\"\n"
        "f.yaml:3:19: error: handlers.b.http.url: nothing is sent to ::1, a loopback address, "
        "unless allow_private covers it: allow_private: \"::1\"\n"),
    BAD("hosts and addresses",
        "handlers:\n"
        "  a:\n"
        "    http:\n"
        "      allow: [\"https://example.com\", \"*.1.2.3.4\", \"a b\"]\n"
        "      allow_private: [10.0.0.1/8, local]\n",
        "f.yaml:4:15: error: handlers.a.http.allow: expected a host such as example.com, "
        "*.example.com or example.com:8443, got 'https://example.com': the port is no number from "
        "1 to 65535\n"
        "f.yaml:4:38: error: handlers.a.http.allow: expected a host such as example.com, "
        "*.example.com or example.com:8443, got '*.1.2.3.4': an address has no names below it\n"
        "f.yaml:4:51: error: handlers.a.http.allow: expected a host such as example.com, "
        "*.example.com or example.com:8443, got 'a b': the host is no name of letters, digits, '-' "
        "and '.' (write others as xn--...)\n"
        "f.yaml:5:23: error: handlers.a.http.allow_private: 10.0.0.1/8 is no range: it begins at "
        "10.0.0.0/8\n"
        "f.yaml:5:35: error: handlers.a.http.allow_private: expected addresses such as 10.0.0.0/8 "
        "or fd00::/8, got local\n"),
    BAD("headers and secrets",
        "handlers:\n"
        "  a:\n"
        "    http:\n"
        "      url: https://example.com\n"
        "      secret: short\n"
        "      secret_file: /etc/secret\n"
        "      method: GET\n"
        "      headers: {X Y: a, Content-Length: 3, X-Ganger-Job-Id: 1, A: \"x\\ny\", B: [1]}\n",
        "f.yaml:5:15: error: handlers.a.http.secret: the text has 5 bytes; at least 16 are "
        "needed\n"
        "f.yaml:6:20: error: handlers.a.http: secret and secret_file at once\n"
        "f.yaml:7:15: error: handlers.a.http.method: expected POST, PUT or PATCH, got 'GET'\n"
        "f.yaml:8:17: error: handlers.a.http.headers: the name of a header has letters, digits and "
        "'-' only\n"
        "f.yaml:8:25: error: handlers.a.http.headers: the header Content-Length is made by "
        "ganger\n"
        "f.yaml:8:44: error: handlers.a.http.headers: the header X-Ganger-Job-Id is made by "
        "ganger\n"
        "f.yaml:8:64: error: handlers.a.http.headers: the value of header A contains a control "
        "character\n"
        "f.yaml:8:75: error: handlers.a.http.headers: expected one value, got a list\n"),
    BAD("limits of another server",
        "handlers:\n"
        "  a:\n"
        "    http: {url: \"https://example.com\"}\n"
        "    rlimits: {cpu: 1s}\n"
        "    sandbox: true\n",
        "f.yaml:4:20: error: handlers.a.rlimits.cpu: does not go with http; another server does "
        "the work\n"
        "f.yaml:5:14: error: handlers.a.sandbox: goes with exec only\n"),
    BAD("headers are a list",
        "handlers:\n"
        "  a: {http: {url: \"https://example.com\", headers: [a]}}\n",
        "f.yaml:2:51: error: handlers.a.http.headers: expected names and values, such as "
        "{X-Source: shop}\n"),
    BAD("empty argv",
        "handlers:\n"
        "  a:\n"
        "    exec: []\n",
        "f.yaml:3:11: error: handlers.a.exec: the list is empty\n"),
    BAD("empty program",
        "handlers:\n"
        "  a:\n"
        "    exec: [\"\", b]\n",
        "f.yaml:3:12: error: handlers.a.exec: the program is empty\n"),
    BAD("argv is a text",
        "handlers:\n"
        "  a:\n"
        "    exec: convert - png\n",
        "f.yaml:3:11: error: handlers.a.exec: expected a list, such as [a, b]\n"),
    BAD("argv holds a section",
        "handlers:\n"
        "  a:\n"
        "    exec: [a, {b: c}]\n",
        "f.yaml:3:15: error: handlers.a.exec: expected one value, got a section\n"),
    BAD("argv with nothing",
        "handlers:\n"
        "  a:\n"
        "    exec: [a, null]\n",
        "f.yaml:3:15: error: handlers.a.exec: a value is missing (put the word in quotes if it is "
        "meant)\n"),
    BAD("apply without exec",
        "handlers:\n"
        "  a: {plugin: a.so, apply: b.c}\n"
        "  b: {exec: [a], apply: nowhere}\n",
        "f.yaml:2:28: error: handlers.a.apply: goes with exec only\n"
        "f.yaml:3:25: error: handlers.b.apply: expected a function with its schema, such as "
        "app.rollup, got 'nowhere'\n"),
    BAD("sandbox without exec",
        "handlers:\n"
        "  a: {plugin: a.so, sandbox: false}\n"
        "  b: {sql: a.b, rlimits: {processes: 9}}\n"
        "  c: {exec: [a], sandbox: maybe}\n",
        "f.yaml:2:30: error: handlers.a.sandbox: goes with exec only\n"
        "f.yaml:3:38: error: handlers.b.rlimits.processes: goes with exec only\n"
        "f.yaml:4:27: error: handlers.c.sandbox: expected true or false, got 'maybe'\n"),
    BAD("symbol without plugin",
        "handlers:\n"
        "  a:\n"
        "    exec: [a]\n"
        "    symbol: b\n",
        "f.yaml:4:13: error: handlers.a.symbol: goes with plugin only\n"),
    BAD("function without schema",
        "handlers:\n"
        "  a:\n"
        "    sql: rollup\n",
        "f.yaml:3:10: error: handlers.a.sql: expected a function with its schema, such as "
        "app.rollup, got 'rollup'\n"),
    BAD("function with brackets",
        "handlers:\n"
        "  a:\n"
        "    sql: app.rollup()\n",
        "f.yaml:3:10: error: handlers.a.sql: expected a function with its schema, such as "
        "app.rollup, got 'app.rollup()'\n"),
    BAD("function with a statement",
        "handlers:\n"
        "  a:\n"
        "    sql: app.f(); drop table x\n",
        "f.yaml:3:10: error: handlers.a.sql: expected a function with its schema, such as "
        "app.rollup, got 'app.f(); drop table x'\n"),
    BAD("timeout without a unit",
        "handlers:\n"
        "  a:\n"
        "    plugin: a.so\n"
        "    timeout: 30\n",
        "f.yaml:4:14: error: handlers.a.timeout: a unit is missing in 30; write \"30s\"\n"),
    BAD("job type without a handler",
        "pools:\n"
        "  default:\n"
        "    job_types: [send_emial]\n"
        "handlers:\n"
        "  send_email: {plugin: a.so}\n",
        "f.yaml:3:16: error: pools.default.job_types: no handler for 'send_emial'; did you mean "
        "'send_email'?\n"),
    BAD("built-in that is not named",
        "pools:\n"
        "  default:\n"
        "    job_types: [noop]\n"
        "handlers:\n"
        "  a: {plugin: a.so}\n",
        "f.yaml:3:16: error: pools.default.job_types: no handler for 'noop'\n"),
    BAD("fence below two heartbeats",
        "node:\n"
        "  heartbeat: 10s\n"
        "  self_fence: 19s\n",
        "f.yaml:3:15: error: node.self_fence (19s, line 3) must be at least twice node.heartbeat "
        "(10s, line 2): one lost heartbeat must not stop the jobs\n"),
    BAD("heartbeat against the default fence",
        "node:\n"
        "  heartbeat: 26s\n",
        "f.yaml:2:14: error: node.self_fence (50s, the default) must be at least twice "
        "node.heartbeat (26s, line 2): one lost heartbeat must not stop the jobs\n"),
    BAD("lease too near the fence",
        "node:\n"
        "  self_fence: 60s\n"
        "  lease: 64999ms\n",
        "f.yaml:3:10: error: node.lease (64999ms, line 3) must be at least 5s longer than "
        "node.self_fence (1m, line 2): the node needs that time to kill its jobs before others may "
        "claim them\n"),
    BAD("lease against the default fence", "node: {lease: 54s}\n",
        "f.yaml:1:15: error: node.lease (54s, line 1) must be at least 5s longer than "
        "node.self_fence (50s, the default): the node needs that time to kill its jobs before "
        "others may claim them\n"),
    BAD("both sums",
        "node:\n"
        "  heartbeat: 40s\n"
        "  self_fence: 58s\n",
        "f.yaml:3:15: error: node.self_fence (58s, line 3) must be at least twice node.heartbeat "
        "(40s, line 2): one lost heartbeat must not stop the jobs\n"
        "f.yaml:3:15: error: node.lease (1m, the default) must be at least 5s longer than "
        "node.self_fence (58s, line 3): the node needs that time to kill its jobs before others "
        "may claim them\n"),
    BAD("all at once",
        "log:\n"
        "  level: loud\n"
        "node:\n"
        "  lease: 70\n"
        "  colour: red\n"
        "  heartbeat: x\n"
        "database:\n"
        "  pol_interval: 1s\n"
        "handlers:\n"
        "  a: {}\n"
        "pools:\n"
        "  p: {processes: 1000, queues: x}\n",
        "f.yaml:2:10: error: log.level: expected debug, info, warn or error, got 'loud'\n"
        "f.yaml:4:10: error: node.lease: a unit is missing in 70; write \"70s\"\n"
        "f.yaml:5:3: error: node: unknown key 'colour'\n"
        "f.yaml:6:14: error: node.heartbeat: expected a duration such as 30s or 1h30m, got 'x'\n"
        "f.yaml:8:3: error: database: unknown key 'pol_interval'; did you mean 'poll_interval'?\n"
        "f.yaml:10:3: error: handlers.a: no kind; a handler is one of plugin, exec, sql or http\n"
        "f.yaml:12:18: error: pools.p.processes: 1000 is outside 1..256\n"
        "f.yaml:12:32: error: pools.p.queues: expected a list, such as [a, b]\n"),
};

#endif
