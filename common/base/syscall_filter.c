// SPDX-License-Identifier: MIT
// Syscall filter: see syscall_filter.h.
//
// A program is laid out as: the look at the architecture, a tree of comparisons with the number of the call, and the ends that its leaves
// jump to. Jumps go forward only, so a node stands before what is below it; and as a tree of n leaves has n - 1 nodes, it is known
// beforehand where the ends begin.
#include "common/base/syscall_filter.h"

#include <linux/seccomp.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define LOW_HALF 0
#else
#define LOW_HALF 4
#endif

#define LOAD(offset)    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (offset))
#define ARGUMENT(i)     ((unsigned)offsetof(struct seccomp_data, args) + 8U * (i) + LOW_HALF)
#define ALLOW           BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)
#define REFUSE(error)   BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)(error))
#define AT_LEAST(value) BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, (value), 0, 0)

enum {
    X32_BIT = 0x40000000, // of a number, on x86-64: the same calls in another way
    TREE_DEPTH_MAX = 8    // SYSCALL_FILTER_MAX leaves
};

typedef struct Span { // from this number on, up to the next span's
    unsigned first;
    unsigned end; // index in `ends`
} Span;

typedef struct Builder {
    Span spans[SYSCALL_FILTER_MAX];
    size_t span_count;
    struct sock_filter ends[SYSCALL_FILTER_MAX];
    size_t end_count;
    bool is_full;
} Builder;

static const struct sock_filter head[] = {
    LOAD(offsetof(struct seccomp_data, arch)),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, FILTER_ARCH, 1, 0),
    REFUSE(EPERM),
    LOAD(offsetof(struct seccomp_data, nr)),
};
enum { HEAD_COUNT = sizeof head / sizeof head[0] };

static unsigned add_end(Builder *self, struct sock_filter instruction)
{
    if (self->end_count == SYSCALL_FILTER_MAX) {
        self->is_full = true;
        return 0;
    }
    self->ends[self->end_count] = instruction;
    return (unsigned)self->end_count++;
}

// Where there is such an answer already, or a new one.
static unsigned find_answer(Builder *self, struct sock_filter answer)
{
    for (size_t i = 0; i < self->end_count; i++) {
        if (self->ends[i].code == answer.code && self->ends[i].k == answer.k) {
            return (unsigned)i;
        }
    }
    return add_end(self, answer);
}

// From `first` on this is the end, whatever was said of higher numbers before.
static void add_span(Builder *self, unsigned first, unsigned end)
{
    if (self->span_count > 0 && self->spans[self->span_count - 1].first == first) {
        self->span_count--;
    }
    if (self->span_count > 0 && self->spans[self->span_count - 1].end == end) {
        return;
    }
    if (self->span_count == SYSCALL_FILTER_MAX) {
        self->is_full = true;
        return;
    }
    self->spans[self->span_count++] = (Span){.first = first, .end = end};
}

// The jump is to one of the next two instructions: to the refusal, or past it.
static struct sock_filter condition(const SyscallRule *rule)
{
    const bool is_negated = rule->when == SYSCALL_UNLESS_EQUAL;
    const unsigned short test = rule->when == SYSCALL_IF_ANY_BIT ? BPF_JSET : BPF_JEQ;
    return (struct sock_filter)BPF_JUMP((unsigned short)(BPF_JMP | BPF_K | test), rule->value,
                                        is_negated ? 1 : 0, is_negated ? 0 : 1);
}

// All rules of one call, which has conditional ones.
static unsigned add_conditions(Builder *self, const SyscallRule *rules, size_t count,
                               unsigned number)
{
    const unsigned start = (unsigned)self->end_count;
    for (size_t i = 0; i < count; i++) {
        if (rules[i].number == number) {
            if (rules[i].when != SYSCALL_ALWAYS) {
                (void)add_end(self, (struct sock_filter)LOAD(ARGUMENT(rules[i].argument)));
                (void)add_end(self, condition(&rules[i]));
            }
            (void)add_end(self, (struct sock_filter)REFUSE(rules[i].error));
        }
    }
    (void)add_end(self, (struct sock_filter)ALLOW);
    return start;
}

// The rule of the lowest number above `last` (-1: of the lowest), NULL when there is none.
static const SyscallRule *next_rule(const SyscallRule *rules, size_t count, long last)
{
    const SyscallRule *found = NULL;
    for (size_t i = 0; i < count; i++) {
        if ((long)rules[i].number > last && (found == NULL || rules[i].number < found->number)) {
            found = &rules[i];
        }
    }
    return found;
}

static void collect(Builder *self, const SyscallRule *rules, size_t count)
{
    const unsigned allowed = find_answer(self, (struct sock_filter)ALLOW);
    add_span(self, 0, allowed);
    for (const SyscallRule *rule = next_rule(rules, count, -1); rule != NULL;
         rule = next_rule(rules, count, rule->number)) {
        const unsigned end = rule->when == SYSCALL_ALWAYS
                                 ? find_answer(self, (struct sock_filter)REFUSE(rule->error))
                                 : add_conditions(self, rules, count, rule->number);
        add_span(self, rule->number, end);
        add_span(self, rule->number + 1, allowed);
    }
#if defined(__x86_64__)
    add_span(self, X32_BIT, find_answer(self, (struct sock_filter)REFUSE(EPERM)));
#endif
}

typedef struct Subtree {
    size_t first; // spans
    size_t past;
    size_t parent; // the instruction that jumps here,
    bool is_high;  // when the number is at least its own
} Subtree;

static void set_jump(SyscallFilter *filter, const Subtree *to, size_t target)
{
    const unsigned char distance = (unsigned char)(target - to->parent - 1);
    if (to->is_high) {
        filter->code[to->parent].jt = distance;
    } else {
        filter->code[to->parent].jf = distance;
    }
}

// There is room for all.
static void write_tree(SyscallFilter *filter, const Builder *builder)
{
    size_t count = HEAD_COUNT;
    const size_t ends = HEAD_COUNT + builder->span_count - 1;
    // The first one's parent is the load of the number, which jumps nowhere: what is written there is put right below.
    Subtree todo[TREE_DEPTH_MAX + 1] = {{0, builder->span_count, HEAD_COUNT - 1, false}};
    size_t depth = 1;
    while (depth > 0) {
        const Subtree now = todo[--depth];
        if (now.past - now.first == 1) {
            set_jump(filter, &now, ends + builder->spans[now.first].end);
            continue;
        }
        const size_t middle = now.first + (now.past - now.first) / 2;
        const size_t node = count++;
        set_jump(filter, &now, node);
        filter->code[node] = (struct sock_filter)AT_LEAST(builder->spans[middle].first);
        todo[depth++] = (Subtree){middle, now.past, node, true};
        todo[depth++] = (Subtree){now.first, middle, node, false};
    }
}

bool syscall_filter_compile(SyscallFilter *filter, const SyscallRule *rules, size_t count)
{
    Builder builder = {0};
    collect(&builder, rules, count);
    const size_t needed = HEAD_COUNT + builder.span_count - 1 + builder.end_count;
    if (builder.is_full || needed > SYSCALL_FILTER_MAX) {
        return false;
    }
    memcpy(filter->code, head, sizeof head);
    write_tree(filter, &builder);
    memcpy(&filter->code[needed - builder.end_count], builder.ends,
           builder.end_count * sizeof builder.ends[0]);
    filter->count = (unsigned short)needed;
    return true;
}

bool syscall_filter_is_available(void)
{
    // EFAULT: it would have read the rules.
    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, NULL, 0, 0) != 0 && errno == EFAULT;
}

static bool set_filter(unsigned flags, const struct sock_fprog *program)
{
    return syscall(__NR_seccomp, SECCOMP_SET_MODE_FILTER, flags, program) == 0;
}

bool syscall_filter_enter(SyscallFilter *filter)
{
    const struct sock_fprog program = {.len = filter->count, .filter = filter->code};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
        return false;
    }
    // SPEC_ALLOW: kernels before 5.16 would else slow the program down, as if its code were foreign. Those before 4.17, and gVisor,
    // do not know it.
    return set_filter(SECCOMP_FILTER_FLAG_SPEC_ALLOW, &program) ||
           (errno == EINVAL && set_filter(0, &program));
}
