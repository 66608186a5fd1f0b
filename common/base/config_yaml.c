// SPDX-License-Identifier: MIT
// Config YAML: a pass over the events refuses what the document API would choke on, then loads.
#include "common/base/config_yaml.h"

#include <string.h>

#include "common/base/utf8.h"

// libyaml searches its anchors one by one: with very many of them loading takes minutes.
enum { ANCHORS_MAX = 100, ANCHOR_BYTES = 64 };

typedef struct Survey {
    ConfigErrors *errors;
    char open[CONFIG_YAML_MAX_DEPTH][ANCHOR_BYTES]; // anchors of the collections we are inside of
    size_t depth;
    size_t alias_count;
    size_t anchor_count;
    size_t document_count;
} Survey;

static bool check_bytes(const char *text, size_t length, ConfigErrors *errors);
static bool open_parser(yaml_parser_t *parser, const char *text, size_t length,
                        ConfigErrors *errors);
static bool survey_events(yaml_parser_t *parser, ConfigErrors *errors);
static void explain(const yaml_parser_t *parser, const char *text, size_t length,
                    ConfigErrors *errors);

ConfigPlace config_yaml_place(yaml_mark_t mark)
{
    // Below CONFIG_YAML_MAX_BYTES both fit.
    return (ConfigPlace){.line = (int)mark.line + 1, .column = (int)mark.column + 1};
}

bool config_yaml_read(const char *text, size_t length, yaml_document_t *document,
                      ConfigErrors *errors)
{
    if (!check_bytes(text, length, errors)) {
        return false;
    }
    if (length >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) { // byte order mark
        text += 3;
        length -= 3;
    }
    yaml_parser_t parser;
    if (!open_parser(&parser, text, length, errors)) {
        return false;
    }
    bool is_fine = survey_events(&parser, errors);
    if (!is_fine && parser.error != YAML_NO_ERROR) {
        explain(&parser, text, length, errors);
    }
    yaml_parser_delete(&parser);
    if (!is_fine) {
        return false;
    }
    if (!open_parser(&parser, text, length, errors)) {
        return false;
    }
    is_fine = yaml_parser_load(&parser, document) != 0;
    if (!is_fine) {
        explain(&parser, text, length, errors);
    }
    yaml_parser_delete(&parser);
    return is_fine;
}

// libyaml has no allocator of ours, and says so when it gets nothing.
static void tell_no_memory(ConfigErrors *errors)
{
    errors->is_out_of_memory = true;
    config_error(errors, (ConfigPlace){0}, "out of memory");
}

static bool open_parser(yaml_parser_t *parser, const char *text, size_t length,
                        ConfigErrors *errors)
{
    if (yaml_parser_initialize(parser) == 0) {
        tell_no_memory(errors);
        return false;
    }
    yaml_parser_set_encoding(parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(parser, (const unsigned char *)text, length);
    return true;
}

static ConfigPlace place_of_byte(const char *text, size_t offset)
{
    ConfigPlace place = {.line = 1, .column = 1};
    for (size_t i = 0; i < offset; i++) {
        if (text[i] == '\n') {
            place.line++;
            place.column = 1;
        } else if (((unsigned char)text[i] & 0xc0) != 0x80) {
            place.column++;
        }
    }
    return place;
}

static bool check_bytes(const char *text, size_t length, ConfigErrors *errors)
{
    if (length > CONFIG_YAML_MAX_BYTES) {
        config_error(errors, (ConfigPlace){0}, "the file is larger than 1 MiB");
        return false;
    }
    const char *nul = length > 0 ? memchr(text, '\0', length) : NULL;
    if (nul != NULL) {
        config_error(errors, place_of_byte(text, (size_t)(nul - text)),
                     "a NUL byte: this is not a text file");
        return false;
    }
    return true;
}

// Anchors and tags of an event that begins a node.
static bool survey_node(Survey *survey, const yaml_char_t *anchor, const yaml_char_t *tag,
                        ConfigPlace place)
{
    if (tag != NULL) {
        StrBuf quoted = {0};
        config_quote(&quoted, (const char *)tag);
        config_error(survey->errors, place, "tags are not supported: %s", quoted.text);
        strbuf_free(&quoted);
    }
    if (anchor != NULL && ++survey->anchor_count > ANCHORS_MAX) {
        config_error(survey->errors, place, "more than %d anchors", (int)ANCHORS_MAX);
        return false;
    }
    return true;
}

static bool survey_begin(Survey *survey, const yaml_char_t *anchor, ConfigPlace place)
{
    if (survey->depth == CONFIG_YAML_MAX_DEPTH) {
        config_error(survey->errors, place, "nested deeper than %d levels",
                     (int)CONFIG_YAML_MAX_DEPTH);
        return false;
    }
    char *open = survey->open[survey->depth++];
    if (!str_copy(open, ANCHOR_BYTES, anchor != NULL ? (const char *)anchor : "")) {
        config_error(survey->errors, place, "an anchor has at most %d characters",
                     (int)ANCHOR_BYTES - 1);
        return false;
    }
    return true;
}

static bool survey_alias(Survey *survey, const char *anchor, ConfigPlace place)
{
    if (++survey->alias_count > CONFIG_YAML_MAX_ALIASES) {
        config_error(survey->errors, place, "more than %d aliases", (int)CONFIG_YAML_MAX_ALIASES);
        return false;
    }
    for (size_t i = 0; i < survey->depth; i++) {
        if (str_equal(survey->open[i], anchor)) {
            config_error(survey->errors, place, "the alias '*%.63s' refers to what it is part of",
                         anchor);
            return false;
        }
    }
    return true;
}

static bool survey_event(Survey *survey, const yaml_event_t *event)
{
    ConfigPlace place = config_yaml_place(event->start_mark);
    switch (event->type) {
    case YAML_DOCUMENT_START_EVENT:
        survey->document_count++;
        if (survey->document_count > 1) {
            config_error(survey->errors, place,
                         "a second document begins here; a configuration is one document");
        }
        return true;
    case YAML_ALIAS_EVENT:
        return survey_alias(survey, (const char *)event->data.alias.anchor, place);
    case YAML_SCALAR_EVENT:
        return survey_node(survey, event->data.scalar.anchor, event->data.scalar.tag, place);
    case YAML_SEQUENCE_START_EVENT:
        return survey_node(survey, event->data.sequence_start.anchor,
                           event->data.sequence_start.tag, place) &&
               survey_begin(survey, event->data.sequence_start.anchor, place);
    case YAML_MAPPING_START_EVENT:
        return survey_node(survey, event->data.mapping_start.anchor, event->data.mapping_start.tag,
                           place) &&
               survey_begin(survey, event->data.mapping_start.anchor, place);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        survey->depth--;
        return true;
    case YAML_NO_EVENT:
    case YAML_STREAM_START_EVENT:
    case YAML_STREAM_END_EVENT:
    case YAML_DOCUMENT_END_EVENT:
        return true;
    }
    return true;
}

// False when the document must not be loaded: parser->error tells a syntax error from a limit.
static bool survey_events(yaml_parser_t *parser, ConfigErrors *errors)
{
    Survey survey = {.errors = errors};
    bool is_fine = true;
    bool is_done = false;
    while (is_fine && !is_done) {
        yaml_event_t event;
        if (yaml_parser_parse(parser, &event) == 0) {
            return false;
        }
        is_fine = survey_event(&survey, &event);
        // Of a second document it is enough to know that it is there.
        is_done = event.type == YAML_STREAM_END_EVENT || survey.document_count > 1;
        yaml_event_delete(&event);
    }
    return is_fine;
}

static const struct {
    const char *problem; // as libyaml words it
    const char *meaning;
} meanings[] = {
    {"found a tab character", "a tab: only spaces may indent"},
    {"mapping values are not allowed",
     "a ':' does not belong here: put the text in quotes, or look at the indentation"},
    {"could not find expected ':'", "expected ':' and a value after the key"},
    {"did not find expected key",
     "expected a key: look at the indentation, and at the quotes and brackets before"},
    {"did not find expected '-' indicator", "expected '-': look at the indentation"},
    {"block sequence entries are not allowed", "a list cannot begin here: put it on its own lines"},
    {"mapping keys are not allowed", "a key cannot begin here"},
    {"found unexpected end of stream", "the file ends inside a quoted text"},
    {"found unexpected document indicator", "a document marker inside a quoted text"},
    {"found unknown escape character", "unknown escape: use '...' for a text with backslashes"},
    {"did not find expected ',' or ']'", "expected ',' or ']'"},
    {"did not find expected ',' or '}'", "expected ',' or '}'"},
    {"did not find expected node content", "expected a value"},
    {"did not find expected <document start>", "expected the end of the file"},
    {"found undefined alias", "an alias of nothing: no anchor of this name stands before it"},
    {"second occurrence", "an anchor of this name stands before it"},
    {"control characters are not allowed", "a control character: this is not a text file"},
};

static const char *meaning_of(const char *problem)
{
    for (size_t i = 0; i < sizeof meanings / sizeof meanings[0]; i++) {
        if (strncmp(problem, meanings[i].problem, strlen(meanings[i].problem)) == 0) {
            return meanings[i].meaning;
        }
    }
    return strstr(problem, "UTF-8") != NULL || strstr(problem, "Unicode") != NULL
               ? "the file is not valid UTF-8"
               : problem;
}

// The character the parser stumbled over; its marks count characters.
static char character_at(const char *text, size_t length, size_t index)
{
    size_t at = 0;
    for (size_t i = 0; i < index && at < length; i++) {
        size_t step = utf8_sequence_length(text + at, length - at);
        at += step > 0 ? step : 1;
    }
    return at < length ? text[at] : '\0';
}

static void explain(const yaml_parser_t *parser, const char *text, size_t length,
                    ConfigErrors *errors)
{
    if (parser->error == YAML_MEMORY_ERROR || parser->problem == NULL) {
        tell_no_memory(errors);
        return;
    }
    const char *problem = parser->problem;
    if (parser->error == YAML_READER_ERROR) {
        size_t offset = parser->problem_offset < length ? parser->problem_offset : length;
        config_error(errors, place_of_byte(text, offset), "%s", meaning_of(problem));
        return;
    }
    ConfigPlace place = config_yaml_place(parser->problem_mark);
    if (strncmp(problem, "found character that cannot start", 33) == 0) {
        char c = character_at(text, length, parser->problem_mark.index);
        if (c == '\t') {
            config_error(errors, place, "a tab: only spaces may indent");
        } else {
            config_error(errors, place, "a value cannot begin with '%c': put it in quotes", c);
        }
        return;
    }
    // Where the bracket or quote was opened helps most when its end is missing.
    int opened = parser->context != NULL ? (int)parser->context_mark.line + 1 : 0;
    if (opened > 0 && opened != place.line) {
        config_error(errors, place, "%s (in what began on line %d)", meaning_of(problem), opened);
    } else {
        config_error(errors, place, "%s", meaning_of(problem));
    }
}
