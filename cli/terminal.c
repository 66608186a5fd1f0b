// SPDX-License-Identifier: MIT
// Terminal: the whole screen for a program that draws it itself, and its keys.
#include "cli/terminal.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

enum { WIDTH_DEFAULT = 80, HEIGHT_DEFAULT = 24, INPUT_BYTES = 64, ESCAPE_WAIT_MS = 25 };

// The other screen, without a cursor; and back.
static const char take_screen[] = "\033[?1049h\033[?25l\033[2J";
static const char give_screen[] = "\033[?25h\033[?1049l";

static const int ends[] = {SIGINT,  SIGTERM, SIGHUP, SIGQUIT, SIGPIPE,
                           SIGABRT, SIGSEGV, SIGBUS, SIGFPE,  SIGILL};

static struct termios before;
static volatile sig_atomic_t is_taken;
static volatile sig_atomic_t is_stale;
static char input[INPUT_BYTES];
static size_t input_count;

// The functions down to on_size are called in signal handlers.
static void write_all(const char *text, size_t length)
{
    while (length > 0) {
        ssize_t written = write(STDOUT_FILENO, text, length);
        if (written <= 0) {
            return;
        }
        text += written;
        length -= (size_t)written;
    }
}

static void take(void)
{
    struct termios raw = before;
    raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO); // signals of keys stay
    raw.c_iflag &= ~(tcflag_t)(ICRNL | IXON);
    raw.c_cc[VMIN] = 1;
    raw.c_cc[VTIME] = 0;
    (void)tcsetattr(STDIN_FILENO, TCSANOW, &raw);
    write_all(take_screen, sizeof take_screen - 1);
    is_taken = 1;
    is_stale = 1;
}

static void give_back(void)
{
    if (is_taken) {
        is_taken = 0;
        write_all(give_screen, sizeof give_screen - 1);
        (void)tcsetattr(STDIN_FILENO, TCSANOW, &before);
    }
}

static void on_end(int signal_number)
{
    give_back();
    (void)signal(signal_number, SIG_DFL);
    (void)raise(signal_number);
}

static void on_stop(int signal_number)
{
    (void)signal_number;
    int saved = errno;
    give_back();
    (void)raise(SIGSTOP);
    take();
    errno = saved;
}

static void on_size(int signal_number)
{
    (void)signal_number;
    is_stale = 1;
}

static void catch_signal(int signal_number, void (*handler)(int))
{
    struct sigaction action = {.sa_handler = handler};
    (void)sigemptyset(&action.sa_mask);
    (void)sigaction(signal_number, &action, NULL);
}

bool terminal_is_there(void)
{
    return isatty(STDIN_FILENO) == 1 && isatty(STDOUT_FILENO) == 1;
}

bool terminal_open(void)
{
    if (!terminal_is_there() || tcgetattr(STDIN_FILENO, &before) != 0) {
        return false;
    }
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        catch_signal(ends[i], on_end);
    }
    catch_signal(SIGTSTP, on_stop);
    catch_signal(SIGWINCH, on_size);
    take();
    return true;
}

void terminal_close(void)
{
    give_back();
}

void terminal_size(size_t *width, size_t *height)
{
    struct winsize size = {0};
    bool is_known = ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0;
    *width = is_known && size.ws_col > 0 ? size.ws_col : WIDTH_DEFAULT;
    *height = is_known && size.ws_row > 0 ? size.ws_row : HEIGHT_DEFAULT;
}

bool terminal_is_stale(void)
{
    bool was_stale = is_stale != 0;
    is_stale = 0;
    return was_stale;
}

// ESC [ parameters letter, or ESC O letter.
static int known_sequence(const char *bytes, size_t count)
{
    static const struct {
        const char *text;
        Key key;
    } known[] = {
        {"[A", KEY_UP},       {"[B", KEY_DOWN},       {"[C", KEY_RIGHT}, {"[D", KEY_LEFT},
        {"OA", KEY_UP},       {"OB", KEY_DOWN},       {"OC", KEY_RIGHT}, {"OD", KEY_LEFT},
        {"[5~", KEY_PAGE_UP}, {"[6~", KEY_PAGE_DOWN}, {"[H", KEY_HOME},  {"[F", KEY_END},
        {"OH", KEY_HOME},     {"OF", KEY_END},        {"[1~", KEY_HOME}, {"[4~", KEY_END},
    };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (strlen(known[i].text) == count && memcmp(known[i].text, bytes, count) == 0) {
            return known[i].key;
        }
    }
    return KEY_NONE;
}

size_t terminal_parse_key(const char *bytes, size_t count, int *key)
{
    if (bytes[0] != KEY_ESCAPE) {
        unsigned char byte = (unsigned char)bytes[0];
        *key = byte == '\n' ? KEY_ENTER : byte == '\b' ? KEY_BACKSPACE : byte;
        return 1;
    }
    if (count == 1 || (bytes[1] != '[' && bytes[1] != 'O')) {
        *key = KEY_ESCAPE;
        return 1;
    }
    size_t end = 2;
    while (end < count && bytes[1] == '[' && (bytes[end] < '@' || bytes[end] > '~')) {
        end++;
    }
    end = end < count ? end + 1 : count;
    *key = known_sequence(bytes + 1, end - 1);
    return end;
}

// False: nothing came.
static bool fill_input(int64_t timeout_ms, bool *is_gone)
{
    struct pollfd in = {.fd = STDIN_FILENO, .events = POLLIN};
    int ready = poll(&in, 1, timeout_ms > 0 ? (int)timeout_ms : 0);
    if (ready <= 0) {
        return false;
    }
    ssize_t got = read(STDIN_FILENO, input + input_count, sizeof input - input_count);
    if (got > 0) {
        input_count += (size_t)got;
        return true;
    }
    *is_gone = got == 0 || (errno != EINTR && errno != EAGAIN);
    return false;
}

int terminal_read_key(int64_t timeout_ms)
{
    bool is_gone = false;
    int key = KEY_NONE;
    if (input_count == 0 && !fill_input(timeout_ms, &is_gone)) {
        return is_gone ? KEY_GONE : KEY_NONE;
    }
    if (input_count == 1 && input[0] == KEY_ESCAPE) {
        (void)fill_input(ESCAPE_WAIT_MS, &is_gone); // the rest of a sequence comes with it
    }
    size_t used = terminal_parse_key(input, input_count, &key);
    input_count -= used;
    memmove(input, input + used, input_count);
    return key;
}

bool terminal_draw(const StrBuf *frame)
{
    const char *text = frame->text;
    size_t length = frame->length;
    while (length > 0) {
        ssize_t written = write(STDOUT_FILENO, text, length);
        if (written < 0 && errno == EAGAIN) { // somebody who shares the terminal has made it so
            struct pollfd room = {.fd = STDOUT_FILENO, .events = POLLOUT};
            (void)poll(&room, 1, -1);
        } else if (written < 0 && errno != EINTR) {
            return false;
        }
        text += written > 0 ? written : 0;
        length -= written > 0 ? (size_t)written : 0;
    }
    return true;
}
