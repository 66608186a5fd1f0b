// SPDX-License-Identifier: MIT
// The configuration file: any bytes give a configuration or a list of mistakes, and what was read can be printed and read again.
#include "common/base/config.h"
#include "tests/fuzz/fuzz.h"

static void check_config(const Config *config)
{
    StrBuf out = {0};
    config_print_effective(config, false, &out);
    strbuf_clear(&out);
    config_print_effective(config, true, &out);
    strbuf_clear(&out);
    FUZZ_CHECK(config_reload_conflicts(config, config, &out) == 0);
    strbuf_free(&out);
    for (size_t i = 0; i < config->handler_count; i++) {
        FUZZ_CHECK(config_find_handler(config, config->handlers[i].job_type) ==
                   &config->handlers[i]);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    Config *config = NULL;
    StrBuf errors = {0};
    Status status = config_parse(&config, "fuzz.yaml", (const char *)data, size, &errors);
    FUZZ_CHECK(status == STATUS_OK || status == STATUS_REFUSED);
    if (status == STATUS_OK) {
        check_config(config);
        config_destroy(config);
    } else {
        FUZZ_CHECK(errors.length > 0);
        FUZZ_CHECK(errors.text[errors.length - 1] == '\n');
        FUZZ_CHECK(memchr(errors.text, '\0', errors.length) == NULL);
    }
    strbuf_free(&errors);
    return 0;
}
