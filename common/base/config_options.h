// SPDX-License-Identifier: MIT
// Config options: the one table of every option and section of the configuration.
//
// The reader, the defaults, the sample file, the help and the print of effective values follow it.
// To add an option: a field in config.h, a row in config_options.c, `config_print_sample` into
// conf/ganger.yaml.
#ifndef COMMON_BASE_CONFIG_OPTIONS_H
#define COMMON_BASE_CONFIG_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum OptionType { // what the field of the row's offset is
    OPTION_TEXT,          // char *
    OPTION_BOOL,          // bool
    OPTION_INT,           // int64_t
    OPTION_DURATION,      // int64_t, milliseconds
    OPTION_SIZE,          // int64_t, bytes
    OPTION_WORD,          // int: index into `words`
    OPTION_LIST,          // StringList; min and max bound the number of items
    OPTION_ARGV,          // StringList; passed on as it stands: no ${VAR}
    OPTION_HEADERS,       // StringList of "Name: value", from a map of names and values
    OPTION_JSON           // char *: any YAML value as JSON text, as it stands: no ${VAR}
} OptionType;

typedef enum OptionApply { APPLY_RELOAD, APPLY_RESTART } OptionApply;

typedef enum OptionCheck { // of an OPTION_TEXT and of the items of an OPTION_LIST
    CHECK_NONE,
    CHECK_NAME,     // no control characters
    CHECK_FUNCTION, // schema.function
    CHECK_PATH, // as CHECK_NAME, and absolute: whoever means the same must not need the same working directory
    CHECK_CRON,         // what can be said of a cron expression without the database
    CHECK_LISTEN,       // listen_address.h
    CHECK_HOST,         // a host name or address as a Host header has it, without a port
    CHECK_URL,          // http_target.h
    CHECK_ALLOWED_HOST, // the same: an entry of a list of allowed hosts
    CHECK_HEADER,       // the same: "Name: value"
    CHECK_ADDRESS       // address_range.h
} OptionCheck;

typedef enum OptionZero { // how 0 is written, where 0 is not a quantity
    ZERO_IS_NUMBER,
    ZERO_IS_NONE, // `none` or 0
    ZERO_IS_AUTO  // `auto` only
} OptionZero;

typedef enum OptionShown { // to people, by `ganger config`
    SHOWN_WHOLE,
    SHOWN_WITHOUT_PASSWORD, // a connection string of libpq
    SHOWN_HOST_ONLY,        // a URL whose path may be what lets in: the hooks of chat services
    SHOWN_NOT
} OptionShown;

typedef enum SectionId {
    SECTION_TOP,
    SECTION_DATABASE,
    SECTION_NODE,
    SECTION_SUPERVISOR,
    SECTION_RETENTION,
    SECTION_LOG,
    SECTION_HTTP,
    SECTION_POOL,
    SECTION_HANDLER,
    SECTION_WEBHOOK,
    SECTION_LIMITS,
    SECTION_SCHEDULE,
    SECTION_SCHEDULE_OPTIONS,
    SECTION_QUEUE,
    SECTION_COUNT
} SectionId;

typedef enum SectionOwner { // the struct that the offsets of a section's options refer to
    OWNER_CONFIG,
    OWNER_POOL,
    OWNER_HANDLER,
    OWNER_SCHEDULE,
    OWNER_QUEUE
} SectionOwner;

typedef struct ConfigSection {
    const char *name;   // the key in its parent; "" for SECTION_TOP
    SectionId parent;   // SECTION_TOP is its own parent
    SectionOwner owner; // of its options
    bool is_named;      // a map of user-chosen names, each a set of these options
    int64_t name_max;   // bytes of such a name
    const char *help;
} ConfigSection;

typedef struct ConfigOption {
    SectionId section;
    OptionType type;
    OptionApply apply;
    OptionCheck check;
    const char *name;
    size_t offset;             // into the owner's struct
    const char *default_value; // as written in YAML; NULL = empty
    int64_t min;               // of the number; of the length for a text; of the count for a list
    int64_t max;
    const char *help;         // one line
    const char *const *words; // OPTION_WORD: NULL-terminated
    const char *default_note; // what an empty default stands for
    const char *example;      // for the sample, when there is no default to show
    OptionZero zero;
    bool takes_one; // OPTION_LIST: a text alone is a list of one
    OptionShown shown;
} ConfigOption;

// All rows; those of one owner stand together, those of one section too.
const ConfigOption *config_options(size_t *count);
const ConfigSection *config_section(SectionId id);
// The rows of one owner: a `places` array has an entry for each, in this order.
const ConfigOption *config_owner_options(SectionOwner owner, size_t *count);
// Where an option's entry is in its owner's `places`.
size_t config_option_index(const ConfigOption *option);
// NULL when the section has no such option.
const ConfigOption *config_find_option(SectionId section, const char *name);
// SECTION_TOP when the section has no such subsection.
SectionId config_find_subsection(SectionId parent, const char *name);
// Options and subsections of a section, for suggestions; returns how many, at most `max`.
size_t config_section_names(SectionId section, const char **names, size_t max);

#endif
