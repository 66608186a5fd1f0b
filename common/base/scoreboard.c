// SPDX-License-Identifier: MIT
// Scoreboard: the shared memory itself. The helpers over one slot are in slot.c.
#include "common/base/scoreboard.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/log.h"
#include "common/base/memory.h"
#include "common/base/proc_tree.h"

enum {
    SCOREBOARD_MAGIC = 0x67616e67, // "gang"
    SCOREBOARD_VERSION = 7,        // grows with every change of the layout
    SLOT_ALL = -1
};

// Nobody can shrink the file under a mapping (that would be SIGBUS) or lift the seals.
static const int SCOREBOARD_SEALS = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;

_Static_assert(ATOMIC_LLONG_LOCK_FREE == 2 && ATOMIC_INT_LOCK_FREE == 2,
               "a lock inside an atomic would not be shared between processes");

struct Scoreboard {
    int fd;
    bool owns_fd;
    int slot_count;
    int only_slot; // the one slot mapped, or SLOT_ALL
    size_t header_bytes;
    size_t slot_bytes;
    ScoreboardHeader *header;
    char *slots; // first slot mapped for writing
    size_t slots_bytes;
    char *view; // all of them, for reading; NULL: not mapped so
    size_t view_bytes;
};

static size_t page_bytes(void)
{
    return (size_t)sysconf(_SC_PAGESIZE);
}

static size_t round_to_pages(size_t bytes)
{
    size_t page = page_bytes();
    return (bytes + page - 1) / page * page;
}

static Scoreboard *board_new(int fd, int slot_count, int only_slot)
{
    Scoreboard *board = mem_alloc(sizeof *board);
    board->fd = fd;
    board->slot_count = slot_count;
    board->only_slot = only_slot;
    board->header_bytes = round_to_pages(sizeof(ScoreboardHeader));
    board->slot_bytes = round_to_pages(sizeof(Slot));
    return board;
}

static size_t board_file_bytes(const Scoreboard *board)
{
    return board->header_bytes + (size_t)board->slot_count * board->slot_bytes;
}

static void *map_part(int fd, size_t offset, size_t bytes, int protection)
{
    void *at = mmap(NULL, bytes, protection, MAP_SHARED, fd, (off_t)offset);
    if (at == MAP_FAILED) {
        log_error("scoreboard.map_failed", "bytes=%zu error=\"%s\"", bytes, strerror(errno));
        return NULL;
    }
    return at;
}

// A mapping for reading of a descriptor that can write is made writable by mprotect: the kernel looks at how the file was opened.
// So the same file is opened once more, for reading. Without /proc the mapping keeps off mistakes only, which is said.
static void *map_for_reading(int fd, size_t offset, size_t bytes)
{
    char path[32];
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    int reader = open(path, O_RDONLY | O_CLOEXEC);
    if (reader < 0) {
        log_warn("scoreboard.not_sealed_off", "path=%s error=\"%s\" hint=\"mount /proc\"", path,
                 strerror(errno));
        return map_part(fd, offset, bytes, PROT_READ);
    }
    void *at = map_part(reader, offset, bytes, PROT_READ);
    (void)close(reader);
    return at;
}

static Status board_map(Scoreboard *board)
{
    bool all = board->only_slot == SLOT_ALL;
    board->header = all ? map_part(board->fd, 0, board->header_bytes, PROT_READ | PROT_WRITE)
                        : map_for_reading(board->fd, 0, board->header_bytes);
    if (board->header == NULL) {
        return STATUS_FATAL;
    }
    size_t first = all ? 0 : (size_t)board->only_slot;
    size_t count = all ? (size_t)board->slot_count : 1;
    board->slots_bytes = count * board->slot_bytes;
    board->slots = map_part(board->fd, board->header_bytes + first * board->slot_bytes,
                            board->slots_bytes, PROT_READ | PROT_WRITE);
    return board->slots != NULL ? STATUS_OK : STATUS_FATAL;
}

// A new memfd reads as zeros: SLOT_FREE and empty everywhere. So the slots are not touched here and
// cost no memory before they are used.
static void board_fill_header(Scoreboard *board)
{
    ScoreboardHeader *header = board->header;
    header->version = SCOREBOARD_VERSION;
    header->slot_count = (uint32_t)board->slot_count;
    header->slot_size = (uint32_t)board->slot_bytes;
    header->supervisor_pid = (int32_t)getpid();
    header->supervisor_start = proc_start_time(getpid());
    header->magic = SCOREBOARD_MAGIC;
}

static Status board_make_file(Scoreboard *board)
{
    board->fd = memfd_create("ganger-scoreboard", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (board->fd < 0 || ftruncate(board->fd, (off_t)board_file_bytes(board)) != 0 ||
        fcntl(board->fd, F_ADD_SEALS, SCOREBOARD_SEALS) != 0) {
        log_error("scoreboard.create_failed", "bytes=%zu error=\"%s\"", board_file_bytes(board),
                  strerror(errno));
        return STATUS_FATAL;
    }
    return STATUS_OK;
}

Status scoreboard_create(Scoreboard **out, int slot_count)
{
    if (slot_count < 1 || slot_count > SCOREBOARD_SLOT_MAX) {
        panic("scoreboard of %d slots", slot_count);
    }
    Scoreboard *board = board_new(-1, slot_count, SLOT_ALL);
    board->owns_fd = true;
    Status status = board_make_file(board);
    if (status == STATUS_OK) {
        status = board_map(board);
    }
    if (status != STATUS_OK) {
        scoreboard_destroy(board);
        return status;
    }
    board_fill_header(board);
    *out = board;
    return STATUS_OK;
}

static Status refuse_board(int fd, const char *reason)
{
    log_error("scoreboard.refused", "fd=%d reason=\"%s\"", fd, reason);
    return STATUS_FATAL;
}

// Looks at the file before anything is mapped for writing. The seals come first: without them the
// size just read could change.
static Status check_file(int fd, int slot, int *slot_count)
{
    int seals = fcntl(fd, F_GET_SEALS);
    if (seals < 0 || (seals & SCOREBOARD_SEALS) != SCOREBOARD_SEALS) {
        return refuse_board(fd, "not a sealed memory file");
    }
    ScoreboardHeader header;
    struct stat info;
    if (fstat(fd, &info) != 0 || pread(fd, &header, sizeof header, 0) != (ssize_t)sizeof header) {
        return refuse_board(fd, "too short");
    }
    if (header.magic != SCOREBOARD_MAGIC || header.version != SCOREBOARD_VERSION) {
        return refuse_board(fd, "made by another version");
    }
    if (header.slot_size != round_to_pages(sizeof(Slot)) || header.slot_count < 1 ||
        header.slot_count > SCOREBOARD_SLOT_MAX) {
        return refuse_board(fd, "slots of another size");
    }
    size_t bytes = round_to_pages(sizeof header) + (size_t)header.slot_count * header.slot_size;
    if (info.st_size != (off_t)bytes) {
        return refuse_board(fd, "wrong file size");
    }
    if (slot != SLOT_ALL && (slot < 0 || (uint32_t)slot >= header.slot_count)) {
        return refuse_board(fd, "no such slot");
    }
    *slot_count = (int)header.slot_count;
    return STATUS_OK;
}

Status scoreboard_attach(Scoreboard **out, int fd, int slot)
{
    int slot_count = 0;
    TRY(check_file(fd, slot, &slot_count));
    // It came through exec without the flag; programs run by handlers must not inherit it.
    if (fcntl(fd, F_SETFD, FD_CLOEXEC) != 0) {
        return refuse_board(fd, "cannot be made close-on-exec");
    }
    Scoreboard *board = board_new(fd, slot_count, slot);
    Status status = board_map(board);
    if (status != STATUS_OK) {
        scoreboard_destroy(board);
        return status;
    }
    *out = board;
    return STATUS_OK;
}

Status scoreboard_attach_reader(Scoreboard **out, int fd, int slot)
{
    TRY(scoreboard_attach(out, fd, slot));
    Scoreboard *board = *out;
    board->view_bytes = (size_t)board->slot_count * board->slot_bytes;
    board->view = map_for_reading(fd, board->header_bytes, board->view_bytes);
    if (board->view == NULL) {
        scoreboard_destroy(board);
        *out = NULL;
        return STATUS_FATAL;
    }
    return STATUS_OK;
}

void scoreboard_destroy(Scoreboard *board)
{
    if (board == NULL) {
        return;
    }
    if (board->slots != NULL) {
        (void)munmap(board->slots, board->slots_bytes);
    }
    if (board->view != NULL) {
        (void)munmap(board->view, board->view_bytes);
    }
    if (board->header != NULL) {
        (void)munmap(board->header, board->header_bytes);
    }
    if (board->owns_fd && board->fd >= 0) {
        (void)close(board->fd);
    }
    free(board);
}

int scoreboard_fd(const Scoreboard *board)
{
    return board->fd;
}

int scoreboard_slot_count(const Scoreboard *board)
{
    return board->slot_count;
}

int scoreboard_api_slot(const Scoreboard *board)
{
    return board->slot_count - 1;
}

ScoreboardHeader *scoreboard_header(Scoreboard *board)
{
    return board->header;
}

Slot *scoreboard_slot(Scoreboard *board, int index)
{
    if (index < 0 || index >= board->slot_count) {
        return NULL;
    }
    size_t offset = 0;
    if (board->only_slot == SLOT_ALL) {
        offset = (size_t)index * board->slot_bytes;
    } else if (index != board->only_slot) {
        return NULL;
    }
    // Whole pages from the start of a mapping: aligned for anything.
    return (Slot *)(void *)(board->slots + offset);
}

const Slot *scoreboard_read_slot(const Scoreboard *board, int index)
{
    if (index < 0 || index >= board->slot_count) {
        return NULL;
    }
    if (board->view != NULL) {
        return (const Slot *)(const void *)(board->view + (size_t)index * board->slot_bytes);
    }
    return board->only_slot == SLOT_ALL
               ? (const Slot *)(const void *)(board->slots + (size_t)index * board->slot_bytes)
               : NULL;
}
