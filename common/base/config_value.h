// SPDX-License-Identifier: MIT
// Config value: one option's value, from text to its field and back.
//
// `owner` is the struct the option belongs to: a Config, PoolConfig, HandlerConfig, ScheduleConfig or QueueConfig.
#ifndef COMMON_BASE_CONFIG_VALUE_H
#define COMMON_BASE_CONFIG_VALUE_H

#include <stdbool.h>

#include "common/base/config.h"
#include "common/base/config_options.h"
#include "common/base/memory.h"

// Sets the field from a text as it stands in YAML; on false `why` says what is wrong with it and
// the field is as before. Not for lists; of an OPTION_JSON the text is JSON already.
bool config_value_set(const ConfigOption *option, const char *text, void *owner, StrBuf *why);
// Appends one item to a list; false as above.
bool config_value_append(const ConfigOption *option, const char *text, void *owner, StrBuf *why);
// True when the list has as many items as the option allows; if not, `why` says so.
bool config_value_check_count(const ConfigOption *option, size_t count, StrBuf *why);
// Empties a text or list field (freeing it).
void config_value_clear(const ConfigOption *option, void *owner);
// Gives a text field of `to` the text of `from`.
void config_value_copy_text(const ConfigOption *option, const void *from, void *to);
// Sets the field to the option's default.
void config_value_set_default(const ConfigOption *option, void *owner);

// The value as it is written in YAML (texts without quotes, a list as [a, "b c"]); false when it is
// empty: no text, no item.
bool config_value_format(const ConfigOption *option, const void *owner, StrBuf *out);
bool config_value_equal(const ConfigOption *option, const void *owner, const void *other);
// "duration 50ms..1h": what the option takes.
void config_value_describe(const ConfigOption *option, StrBuf *out);
bool config_value_is_list(const ConfigOption *option);
const StringList *config_value_list(const ConfigOption *option, const void *owner);
// Of an OPTION_INT, OPTION_DURATION or OPTION_SIZE.
int64_t config_value_number(const ConfigOption *option, const void *owner);

// A name or text of its length and content; `why` as above.
bool config_text_check(const char *text, int64_t min, int64_t max, OptionCheck check, StrBuf *why);

// Sets every option of the owner to its default and creates *places, all "not in the file";
// config_owner_release frees all of that again.
void config_owner_init(SectionOwner owner, void *object, ConfigPlace **places);
void config_owner_release(SectionOwner owner, void *object, ConfigPlace **places);

// Appends `text` with every ${VAR} replaced from the environment ($${ stands for ${); false when a
// variable is unset, malformed, or the result is too long.
bool config_expand(const char *text, StrBuf *out, StrBuf *why);

#endif
