// SPDX-License-Identifier: MIT
// Fault rules: see the header.
#include "tests/support/fault_rules.h"

#include <string.h>

static bool is_match(const FaultProxyMatch *match, const FaultMessage *message)
{
    if (match->side != FAULT_PROXY_ANY && (match->side & message->side) == 0) {
        return false;
    }
    if (match->types != NULL && strchr(match->types, message->type) == NULL) {
        return false;
    }
    return match->text == NULL ||
           memmem(message->body, message->length, match->text, strlen(match->text)) != NULL;
}

static bool is_anchored(const FaultProxyRule *rule)
{
    return rule->from.side != FAULT_PROXY_ANY || rule->from.types != NULL ||
           rule->from.text != NULL;
}

int fault_rules_add(FaultRules *self, const FaultProxyRule *rule)
{
    if (self->count == FAULT_PROXY_RULE_MAX) {
        return -1;
    }
    FaultRuleState *state = &self->rules[self->count];
    *state = (FaultRuleState){.rule = *rule, .is_set = true};
    state->rule.hit = rule->hit == 0 ? 1 : rule->hit;
    state->rule.times = rule->times == 0 ? 1 : rule->times;
    return self->count++;
}

// Whether the message is the hit-th of the rule.
static bool is_hit(FaultRuleState *state, FaultAnchor *anchor, const FaultMessage *message)
{
    const FaultProxyRule *rule = &state->rule;
    if (!is_anchored(rule)) {
        return is_match(&rule->at, message) && ++state->counted >= rule->hit;
    }
    if (!anchor->is_down && is_match(&rule->from, message)) {
        *anchor = (FaultAnchor){.is_down = true};
    }
    if (!anchor->is_down) {
        return false;
    }
    bool is_counted = is_match(&rule->at, message);
    state->counted += is_counted;
    anchor->counted += is_counted;
    bool is_struck = is_counted && anchor->counted >= rule->hit;
    anchor->has_struck = anchor->has_struck || is_struck;
    // Not inside of a transaction block.
    if (message->side == FAULT_PROXY_SERVER && message->type == 'Z' && message->length == 1 &&
        message->body[0] == 'I') {
        state->missed += !anchor->has_struck;
        anchor->is_down = false;
    }
    return is_struck;
}

int fault_rules_judge(FaultRules *self, FaultAnchor anchors[FAULT_PROXY_RULE_MAX],
                      const char *application, const FaultMessage *message)
{
    int struck = -1;
    for (int i = 0; i < self->count; i++) {
        FaultRuleState *state = &self->rules[i];
        const FaultProxyRule *rule = &state->rule;
        if (!state->is_set ||
            (rule->application != NULL && strcmp(rule->application, application) != 0)) {
            continue;
        }
        if (is_hit(state, &anchors[i], message) && struck < 0 &&
            (rule->times < 0 || state->strikes < rule->times)) {
            state->strikes++;
            struck = i;
        }
    }
    return struck;
}
