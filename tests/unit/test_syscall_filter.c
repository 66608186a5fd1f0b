// SPDX-License-Identifier: MIT
// SyscallFilter: what the compiled program says of each call is what the rules say, and it says so soon.
#include "common/base/syscall_filter.h"

#include <linux/seccomp.h>
#include <string.h>

#include "tests/support/unit.h"

enum {
    NUMBERS = 600, // more than there are
    SOON = 12,     // instructions to an unconditional answer
    X32 = 0x40000000,
    ALLOWED = 0
};

static const SyscallRule rules[] = {
    // Neighbours with the same answer, with another, in no order, and twice.
    {7, EPERM, SYSCALL_ALWAYS, 0, 0},
    {5, EPERM, SYSCALL_ALWAYS, 0, 0},
    {6, EPERM, SYSCALL_ALWAYS, 0, 0},
    {8, ENOSYS, SYSCALL_ALWAYS, 0, 0},
    {0, EPERM, SYSCALL_ALWAYS, 0, 0},
    {5, EPERM, SYSCALL_ALWAYS, 0, 0},
    {300, EPERM, SYSCALL_ALWAYS, 0, 0},
    // By their arguments.
    {16, EPERM, SYSCALL_IF_EQUAL, 1, 0x5412},
    {56, EPERM, SYSCALL_IF_ANY_BIT, 0, 0x60},
    {72, EPERM, SYSCALL_IF_EQUAL, 1, 8},
    {234, EACCES, SYSCALL_UNLESS_EQUAL, 0, 77},
    {72, EACCES, SYSCALL_IF_EQUAL, 2, 10},
    {73, EPERM, SYSCALL_UNLESS_EQUAL, 5, 1},
    // Always, and by their arguments, too.
    {90, EACCES, SYSCALL_IF_EQUAL, 1, 8},
    {90, EPERM, SYSCALL_ALWAYS, 0, 0},
    {91, EPERM, SYSCALL_ALWAYS, 0, 0},
    {91, EACCES, SYSCALL_IF_EQUAL, 1, 8},
};

enum { RULES = sizeof rules / sizeof rules[0] };

static bool applies(const SyscallRule *rule, const struct seccomp_data *call)
{
    const unsigned argument = (unsigned)call->args[rule->argument];
    switch (rule->when) {
    case SYSCALL_ALWAYS:
        return true;
    case SYSCALL_IF_EQUAL:
        return argument == rule->value;
    case SYSCALL_UNLESS_EQUAL:
        return argument != rule->value;
    case SYSCALL_IF_ANY_BIT:
        return (argument & rule->value) != 0;
    }
    return false;
}

// As the header says it, one rule after the other.
static int wanted(const struct seccomp_data *call)
{
    bool is_foreign = call->arch != FILTER_ARCH;
#if defined(__x86_64__)
    is_foreign = is_foreign || (unsigned)call->nr >= X32;
#endif
    for (size_t i = 0; i < RULES && !is_foreign; i++) {
        if (rules[i].number == (unsigned)call->nr && applies(&rules[i], call)) {
            return rules[i].error;
        }
    }
    return is_foreign ? EPERM : ALLOWED;
}

static unsigned load(const struct seccomp_data *call, unsigned offset)
{
    unsigned value;
    assert_true(offset % sizeof value == 0 && offset + sizeof value <= sizeof *call);
    memcpy(&value, (const char *)call + offset, sizeof value);
    return value;
}

// The kernel's machine, as far as filters of these words need it. *steps: how many instructions it took.
static int run(const SyscallFilter *filter, const struct seccomp_data *call, int *steps)
{
    unsigned loaded = 0;
    size_t at = 0;
    for (*steps = 1;; (*steps)++) {
        assert_true(at < filter->count);
        const struct sock_filter *now = &filter->code[at++];
        bool is_true = false;
        switch (now->code) {
        case BPF_LD | BPF_W | BPF_ABS:
            loaded = load(call, now->k);
            continue;
        case BPF_RET | BPF_K:
            return now->k == SECCOMP_RET_ALLOW ? ALLOWED : (int)(now->k & SECCOMP_RET_DATA);
        case BPF_JMP | BPF_JEQ | BPF_K:
            is_true = loaded == now->k;
            break;
        case BPF_JMP | BPF_JGE | BPF_K:
            is_true = loaded >= now->k;
            break;
        case BPF_JMP | BPF_JSET | BPF_K:
            is_true = (loaded & now->k) != 0;
            break;
        default:
            fail_msg("instruction %#x", now->code);
        }
        at += is_true ? now->jt : now->jf;
    }
}

static void expect_answer(const SyscallFilter *filter, struct seccomp_data call)
{
    int steps = 0;
    const int answer = run(filter, &call, &steps);
    if (answer != wanted(&call)) {
        fail_msg("call %d of %#x with %llu, %llu: %d, not %d", call.nr, call.arch,
                 (unsigned long long)call.args[0], (unsigned long long)call.args[1], answer,
                 wanted(&call));
    }
}

static void test_answers(void **state)
{
    (void)state;
    static const uint64_t values[] = {0, 1, 8, 10, 0x20, 77, 0x5412, 0x100005412};
    SyscallFilter filter;
    assert_true(syscall_filter_compile(&filter, rules, RULES));
    for (int number = 0; number < NUMBERS; number++) {
        expect_answer(&filter, (struct seccomp_data){.nr = number, .arch = FILTER_ARCH});
        expect_answer(&filter, (struct seccomp_data){.nr = number | X32, .arch = FILTER_ARCH});
        expect_answer(&filter, (struct seccomp_data){.nr = number, .arch = FILTER_ARCH ^ 1U});
        for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
            for (int argument = 0; argument < 6; argument++) {
                struct seccomp_data call = {.nr = number, .arch = FILTER_ARCH};
                call.args[argument] = values[i];
                expect_answer(&filter, call);
            }
        }
    }
    expect_answer(&filter, (struct seccomp_data){.nr = -1, .arch = FILTER_ARCH});
}

// The kernel takes these steps for every number there is when a program goes into the filter.
static void test_it_answers_soon(void **state)
{
    (void)state;
    static const SyscallRule many[] = {
        DENY_FILE_SYSTEMS,
        DENY_LOOKS_INTO_PROCESSES,
        DENY_KERNEL,
        DENY_MACHINE,
    };
    SyscallFilter filter;
    assert_true(syscall_filter_compile(&filter, many, sizeof many / sizeof many[0]));
    for (int number = 0; number < NUMBERS; number++) {
        int steps = 0;
        (void)run(&filter, &(struct seccomp_data){.nr = number, .arch = FILTER_ARCH}, &steps);
        assert_true(steps <= SOON);
    }
}

static void test_no_rules(void **state)
{
    (void)state;
    int steps = 0;
    SyscallFilter filter;
    assert_true(syscall_filter_compile(&filter, rules, 0));
    assert_int_equal(run(&filter, &(struct seccomp_data){.nr = 5, .arch = FILTER_ARCH}, &steps),
                     ALLOWED);
}

// What has no room is refused as a whole; what just has, is right.
static void test_too_many_rules(void **state)
{
    (void)state;
    SyscallRule many[SYSCALL_FILTER_MAX];
    SyscallFilter filter;
    size_t fits = 0;
    for (size_t i = 0; i < SYSCALL_FILTER_MAX; i++) {
        many[i] = (SyscallRule){(unsigned)i * 2, EPERM, SYSCALL_ALWAYS, 0, 0};
        if (syscall_filter_compile(&filter, many, i + 1)) {
            assert_int_equal(fits, i);
            fits = i + 1;
        }
    }
    assert_in_range(fits, 100, SYSCALL_FILTER_MAX / 2);
    assert_true(syscall_filter_compile(&filter, many, fits));
    for (int number = 0; number < NUMBERS; number++) {
        int steps = 0;
        const bool is_refused =
            run(&filter, &(struct seccomp_data){.nr = number, .arch = FILTER_ARCH}, &steps) ==
            EPERM;
        assert_int_equal(is_refused, number % 2 == 0 && (size_t)number < 2 * fits);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_it_answers_soon),
        cmocka_unit_test(test_no_rules),
        cmocka_unit_test(test_too_many_rules),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
