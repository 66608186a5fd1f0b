// SPDX-License-Identifier: MIT
// Tests of what a plugin's file must be before any of its code runs: whoever can write to it, or to its place, is root or us.
#include "worker/plugin_file.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/paths.h"
#include "tests/support/unit.h"
#include "worker/plugin_loader.h"

enum { STRANGER = 54321 };

static char folder[] = "/tmp/ganger-plugin-file-XXXXXX";

static char *in_folder(const char *name)
{
    return mem_printf("%s/%s", folder, name);
}

static void copy_plugin(const char *name, mode_t mode)
{
    char *handlers = path_handlers_dir();
    char *from = mem_printf("%s/noop.so", handlers);
    char *to = in_folder(name);
    char bytes[4096];
    const int in = open(from, O_RDONLY | O_CLOEXEC);
    const int out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (in < 0 || out < 0) {
        fail_msg("%s to %s: %s", from, to, strerror(errno));
    }
    for (ssize_t got; (got = read(in, bytes, sizeof bytes)) > 0;) {
        assert_int_equal(write(out, bytes, (size_t)got), got);
    }
    assert_int_equal(fchmod(out, mode), 0);
    close(in);
    close(out);
    free(from);
    free(to);
    free(handlers);
}

static void make_folder(const char *name, mode_t mode)
{
    char *path = in_folder(name);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(chmod(path, mode), 0);
    free(path);
}

static void link_to(const char *target, const char *name)
{
    char *path = in_folder(name);
    assert_int_equal(symlink(target, path), 0);
    free(path);
}

static void give_away(const char *name)
{
    char *path = in_folder(name);
    assert_int_equal(chown(path, STRANGER, STRANGER), 0);
    free(path);
}

static void make_socket(const char *name)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char *path = in_folder(name);
    assert_true(str_copy(address.sun_path, sizeof address.sun_path, path));
    const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof address), 0);
    close(fd);
    free(path);
}

static void make_bytes(const char *name, const char *bytes, size_t length)
{
    char *path = in_folder(name);
    const int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    assert_int_equal(write(fd, bytes, length), (ssize_t)length);
    close(fd);
    free(path);
}

static void make_places(void)
{
    make_folder("good", 0755);
    make_folder("private", 0700);
    make_folder("sticky", 01777);
    make_folder("open", 0777);
    make_folder("group", 0775);
    make_folder("folder.so", 0755);
    for (int i = 0; i < 5; i++) {
        static const char *const names[] = {"good/x.so", "private/x.so", "sticky/x.so", "open/x.so",
                                            "group/x.so"};
        copy_plugin(names[i], i % 2 == 0 ? 0644 : 0755);
    }
    copy_plugin("good/world.so", 0646);
    copy_plugin("good/shared.so", 0664);
    copy_plugin("good/setuid.so", 04777);
    link_to("x.so", "good/link.so");
    link_to("../open/x.so", "good/link-to-open.so");
    link_to("../group/x.so", "good/link-to-group.so");
    link_to("../good/x.so", "open/link-to-good.so");
    link_to("nothing.so", "good/dangling.so");
    link_to("loop.so", "good/loop.so");
    link_to("/proc/self/mem", "good/mem.so");
    link_to("/dev/zero", "good/zero.so");
    link_to("../open", "good/open-folder");
    char *fifo = in_folder("good/fifo.so");
    assert_int_equal(mkfifo(fifo, 0600), 0);
    free(fifo);
    make_socket("good/socket.so");
    make_bytes("good/empty.so", "", 0);
    make_bytes("good/text.so", "#!/bin/sh\ntouch /tmp/pwned\n", 27);
    make_bytes("good/magic.so", "\177ELF", 4);
}

static int setup(void **state)
{
    (void)state;
    char self[4096];
    const ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    assert_true(length > 0);
    self[length] = '\0';
    char *handlers = mem_printf("%.*shandlers", (int)(strstr(self, "tests/unit/") - self), self);
    assert_int_equal(setenv("GANGER_HANDLERS_DIR", handlers, 0), 0);
    free(handlers);
    (void)umask(022);
    if (mkdtemp(folder) == NULL) {
        return 1;
    }
    make_places();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    const pid_t child = fork();
    if (child == 0) {
        execlp("rm", "rm", "-rf", folder, (char *)NULL);
        _exit(127);
    }
    return waitpid(child, NULL, 0) != child;
}

static bool opens(const char *path, StrBuf *why)
{
    int fd = -1;
    strbuf_clear(why);
    const bool is_open = plugin_file_open(&fd, path, why) == STATUS_OK;
    assert_true(is_open == (fd >= 0));
    assert_true(is_open == (why->length == 0));
    if (is_open) {
        close(fd);
    }
    return is_open;
}

static void expect(const char *path, const char *part)
{
    StrBuf why = {0};
    const bool is_open = opens(path, &why);
    if (part == NULL && !is_open) {
        fail_msg("%s: %s", path, why.text);
    }
    if (part != NULL && (is_open || strstr(why.text, part) == NULL)) {
        fail_msg("%s: '%s' is not in '%s'", path, part, is_open ? "it is opened" : why.text);
    }
    strbuf_free(&why);
}

static void expect_in_folder(const char *name, const char *part)
{
    char *path = in_folder(name);
    expect(path, part);
    free(path);
}

static void test_good_places(void **state)
{
    (void)state;
    expect_in_folder("good/x.so", NULL);
    expect_in_folder("private/x.so", NULL);
    expect_in_folder("sticky/x.so", NULL);
    expect_in_folder("good/link.so", NULL);
    expect_in_folder("good/../good/x.so", NULL);
    expect_in_folder("good//x.so", NULL);
}

static const char NOT_THERE[] = "No such file";
static const char NO_FILE[] = "not a regular file";
static const char OPEN[] = "others than its owner may write to it (chmod go-w)";

static const struct {
    const char *name; // below the test's folder, or a full path
    const char *says;
} hostile[] = {
    {"", NO_FILE},
    {".", NO_FILE},
    {"..", NO_FILE},
    {"good", NO_FILE},
    {"good/", NO_FILE},
    {"good/.", NO_FILE},
    {"good/..", NO_FILE},
    {"good/x.so/", "Not a directory"},
    {"good/x.so/y", "Not a directory"},
    {"good/nothing.so", NOT_THERE},
    {"nowhere/x.so", NOT_THERE},
    {"good/X.SO", NOT_THERE},
    {"good/x.so ", NOT_THERE},
    {"good/x.so\n", NOT_THERE},
    {"good/%s%n", NOT_THERE},
    {"good/$(touch x)", NOT_THERE},
    {"good/../../nowhere/x.so", NOT_THERE},
    {"folder.so", NO_FILE},
    {"good/dangling.so", NOT_THERE},
    {"good/loop.so", "Too many levels"},
    {"good/mem.so", ""},
    {"good/zero.so", NO_FILE},
    {"good/fifo.so", NO_FILE},
    {"good/socket.so", "No such device"},
    {"good/empty.so", "not an ELF file"},
    {"good/text.so", "not an ELF file"},
    {"good/magic.so", "not an ELF file"},
    {"good/world.so", OPEN},
    {"good/shared.so", OPEN},
    {"good/setuid.so", "mode 4777"},
    {"open/x.so", OPEN},
    {"group/x.so", OPEN},
    {"open/link-to-good.so", OPEN},
    {"good/link-to-open.so", OPEN},
    {"good/link-to-group.so", OPEN},
    {"good/open-folder/x.so", OPEN},
    {"/", NO_FILE},
    {"/dev/null", NO_FILE},
    {"/proc/self/exe", NULL}, // a program: see below
    {"/proc/self/mem", ""},
    {"/proc/self/fd/99999", NOT_THERE},
    {"/etc/passwd", "not an ELF file"},
    {"/proc/self/maps", ""},
};

static void test_hostile_names(void **state)
{
    (void)state;
    size_t count = 0;
    for (size_t i = 0; i < sizeof hostile / sizeof hostile[0]; i++) {
        if (hostile[i].says == NULL) {
            continue;
        }
        if (hostile[i].name[0] == '/') {
            expect(hostile[i].name, hostile[i].says);
        } else {
            expect_in_folder(hostile[i].name, hostile[i].says);
        }
        count++;
    }
    char *name = mem_alloc(6000);
    memset(name, 'a', 5999);
    expect_in_folder(name, "File name too long");
    name[300] = '\0';
    expect_in_folder(name, "File name too long");
    free(name);
    assert_true(count + 2 >= 40);
}

// The linker makes programs position independent, as shared objects are: loading one fails, and runs nothing of it.
static void test_a_program_is_no_plugin(void **state)
{
    (void)state;
    char self[4096] = "";
    assert_true(readlink("/proc/self/exe", self, sizeof self - 1) > 0);
    const struct ganger_plugin *plugin = NULL;
    StrBuf why = {0};
    assert_int_equal(plugin_load(&plugin, self, PLUGIN_LOAD_LIMIT_MS, &why), STATUS_REFUSED);
    assert_null(plugin);
    strbuf_free(&why);
}

static void test_names_that_lead_out(void **state)
{
    (void)state;
    static const char *const out[] = {"..",   "../x.so", "a/../x.so", "./../x.so",
                                      "a/..", ".././x",  "a//../x.so"};
    static const char *const in[] = {"x.so",     "a/x.so",     "..x.so",    "x..so",
                                     ".../x.so", "a/..b/x.so", "/a/../x.so"};
    for (size_t i = 0; i < sizeof out / sizeof out[0]; i++) {
        assert_true(plugin_leads_out(out[i]));
    }
    for (size_t i = 0; i < sizeof in / sizeof in[0]; i++) {
        assert_false(plugin_leads_out(in[i]));
    }
}

static void test_strangers(void **state)
{
    (void)state;
    if (geteuid() != 0) {
        skip(); // only root can give files away
    }
    make_folder("theirs", 0755);
    copy_plugin("theirs/x.so", 0644);
    copy_plugin("good/theirs.so", 0644);
    link_to("../theirs/x.so", "good/link-to-theirs.so");
    give_away("good/theirs.so");
    give_away("theirs");
    expect_in_folder("good/theirs.so", "owned by user 54321: the owner must be root or user 0");
    expect_in_folder("theirs/x.so", "theirs: owned by user 54321");
    expect_in_folder("good/link-to-theirs.so", "theirs: owned by user 54321");
}

typedef struct Swap {
    char *place;
    char *good;
    char *bad;
    atomic_bool is_over;
} Swap;

// As fast as it can, another file stands in the place of the good one.
static void *swap_all_the_time(void *argument)
{
    const Swap *swap = argument;
    char *step = mem_printf("%s.step", swap->place);
    for (int i = 0; !atomic_load(&swap->is_over); i++) {
        (void)unlink(step);
        if (symlink(i % 2 == 0 ? swap->bad : swap->good, step) == 0) {
            (void)rename(step, swap->place);
        }
    }
    free(step);
    return NULL;
}

// Whatever is opened is a file that was allowed to be, never the other one.
static void test_swapped_meanwhile(void **state)
{
    (void)state;
    enum { TRIES = 2000 };
    pthread_t thread;
    copy_plugin("good/bad.so", 0666);
    Swap swap = {.place = in_folder("good/swapped.so"),
                 .good = in_folder("good/x.so"),
                 .bad = in_folder("good/bad.so")};
    struct stat good;
    assert_int_equal(stat(swap.good, &good), 0);
    assert_int_equal(symlink(swap.good, swap.place), 0);
    assert_int_equal(pthread_create(&thread, NULL, swap_all_the_time, &swap), 0);
    int opened = 0;
    int refused = 0;
    for (int i = 0; (i < TRIES || opened == 0 || refused == 0) && i < 100 * TRIES; i++) {
        int fd = -1;
        StrBuf why = {0};
        if (plugin_file_open(&fd, swap.place, &why) == STATUS_OK) {
            struct stat st;
            assert_int_equal(fstat(fd, &st), 0);
            assert_true(st.st_ino == good.st_ino && st.st_dev == good.st_dev);
            close(fd);
            opened++;
        } else {
            refused++;
        }
        strbuf_free(&why);
    }
    atomic_store(&swap.is_over, true);
    pthread_join(thread, NULL);
    print_message("# swapped: %d opened, %d refused, 0 of the wrong file\n", opened, refused);
    assert_true(opened > 0 && refused > 0);
    free(swap.place);
    free(swap.good);
    free(swap.bad);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good_places),
        cmocka_unit_test(test_hostile_names),
        cmocka_unit_test(test_a_program_is_no_plugin),
        cmocka_unit_test(test_names_that_lead_out),
        cmocka_unit_test(test_strangers),
        cmocka_unit_test(test_swapped_meanwhile),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
