// SPDX-License-Identifier: MIT
// Fault rules: which message a rule of the FaultProxy means. No sockets, no threads.
#ifndef TESTS_SUPPORT_FAULT_RULES_H
#define TESTS_SUPPORT_FAULT_RULES_H

#include "tests/support/fault_proxy.h"

typedef struct FaultMessage {
    FaultProxySide side;
    char type;
    const char *body; // without type and length
    size_t length;
} FaultMessage;

typedef struct FaultRuleState {
    FaultProxyRule rule;
    bool is_set;
    int counted;
    int strikes;  // decided
    int finished; // and done
    int missed;
} FaultRuleState;

// What one connection knows about an anchored rule.
typedef struct FaultAnchor {
    bool is_down;
    bool has_struck;
    int counted;
} FaultAnchor;

typedef struct FaultRules {
    FaultRuleState rules[FAULT_PROXY_RULE_MAX];
    int count;
} FaultRules;

int fault_rules_add(FaultRules *self, const FaultProxyRule *rule);
// Judges one message of a connection, in its order: the rule that strikes at it, or -1.
int fault_rules_judge(FaultRules *self, FaultAnchor anchors[FAULT_PROXY_RULE_MAX],
                      const char *application, const FaultMessage *message);

#endif
