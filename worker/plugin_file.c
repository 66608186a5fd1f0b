// SPDX-License-Identifier: MIT
// PluginFile: see the header.
#include "worker/plugin_file.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static Status check_file(int fd, StrBuf *why);
static Status check_real_folder(int fd, StrBuf *why);
static Status check_elf(int fd, StrBuf *why);

static Status refuse(StrBuf *why, const char *text)
{
    strbuf_append(why, text);
    return STATUS_REFUSED;
}

// Whoever may write there decides what runs here. `what` is "" for the file itself.
static Status check_rights(const struct stat *st, const char *what, StrBuf *why)
{
    if (st->st_uid != 0 && st->st_uid != geteuid()) {
        strbuf_printf(why, "%sowned by user %u: the owner must be root or user %u, who runs this",
                      what, st->st_uid, geteuid());
        return STATUS_REFUSED;
    }
    const bool is_sticky = S_ISDIR(st->st_mode) && (st->st_mode & S_ISVTX) != 0;
    if (!is_sticky && (st->st_mode & (S_IWGRP | S_IWOTH)) != 0) {
        strbuf_printf(why, "%smode %04o: others than its owner may write to it (chmod go-w)", what,
                      st->st_mode & 07777);
        return STATUS_REFUSED;
    }
    return STATUS_OK;
}

// Who can change a folder further up can lead us to another folder, but only to one that root or we have made. In a sticky folder
// (/tmp) others cannot take the place of a file that is root's or ours.
static Status check_folder(int folder, const char *name, StrBuf *why)
{
    struct stat st;
    if (fstat(folder, &st) != 0) {
        return refuse(why, strerror(errno));
    }
    char *what = mem_printf("its folder %s: ", name);
    const Status status = check_rights(&st, what, why);
    free(what);
    return status;
}

// Below the folder that was checked. Without O_NONBLOCK a FIFO in place of the file would hold us here.
static Status open_in(int folder, const char *name, int *fd, StrBuf *why)
{
    *fd = openat(folder, name, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (*fd < 0) {
        return refuse(why, strerror(errno));
    }
    Status status = check_file(*fd, why);
    status = status == STATUS_OK ? check_real_folder(*fd, why) : status;
    status = status == STATUS_OK ? check_elf(*fd, why) : status;
    if (status != STATUS_OK) {
        close(*fd);
        *fd = -1;
    }
    return status;
}

Status plugin_file_open(int *fd, const char *path, StrBuf *why)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash == NULL ? path : slash + 1;
    char *folder_path = slash == NULL
                            ? mem_strdup(".")
                            : mem_strndup(path, slash == path ? 1 : (size_t)(slash - path));
    Status status = STATUS_REFUSED;
    *fd = -1;
    const int folder = open(folder_path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0) {
        strbuf_append(why, strerror(errno));
    } else if (name[0] == '\0' || str_equal(name, ".") || str_equal(name, "..")) {
        strbuf_append(why, "not a regular file");
    } else if (check_folder(folder, folder_path, why) == STATUS_OK) {
        status = open_in(folder, name, fd, why);
    }
    if (folder >= 0) {
        close(folder);
    }
    free(folder_path);
    return status;
}

// The checks are made on the open file, so that nobody can put another in its place afterwards.
static Status check_file(int fd, StrBuf *why)
{
    struct stat st;
    if (fstat(fd, &st) != 0) {
        return refuse(why, strerror(errno));
    }
    if (!S_ISREG(st.st_mode)) {
        return refuse(why, "not a regular file");
    }
    return check_rights(&st, "", why);
}

// Where the kernel says that it is: another place than its path when that is a symbolic link.
static Status check_real_folder(int fd, StrBuf *why)
{
    char link[32];
    char path[PATH_MAX];
    (void)snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    const ssize_t length = readlink(link, path, sizeof path - 1);
    if (length <= 0 || path[0] != '/') {
        return refuse(why, length < 0 ? strerror(errno) : "the kernel does not say where it is");
    }
    path[length] = '\0';
    char *slash = strrchr(path, '/');
    slash[slash == path ? 1 : 0] = '\0';
    const int folder = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0) {
        return refuse(why, strerror(errno));
    }
    const Status status = check_folder(folder, path, why);
    close(folder);
    return status;
}

static Status check_elf(int fd, StrBuf *why)
{
#if defined(__x86_64__)
    const unsigned machine = EM_X86_64;
#elif defined(__aarch64__)
    const unsigned machine = EM_AARCH64;
#elif defined(__riscv)
    const unsigned machine = EM_RISCV;
#elif defined(__powerpc64__)
    const unsigned machine = EM_PPC64;
#elif defined(__s390x__)
    const unsigned machine = EM_S390;
#else
#error "name this machine's ELF number here"
#endif
    Elf64_Ehdr header;
    const ssize_t bytes = pread(fd, &header, sizeof header, 0);
    if (bytes < EI_NIDENT || memcmp(header.e_ident, ELFMAG, SELFMAG) != 0) {
        return refuse(why, "not an ELF file");
    }
    if (header.e_ident[EI_CLASS] != ELFCLASS64) {
        return refuse(why, "built for another machine (32-bit)");
    }
    if (bytes < (ssize_t)sizeof header) {
        return refuse(why, "not an ELF file (cut short)");
    }
    if (header.e_machine != machine) {
        strbuf_printf(why, "built for another machine (ELF machine %u, this one is %u)",
                      (unsigned)header.e_machine, machine);
        return STATUS_REFUSED;
    }
    return header.e_type == ET_DYN ? STATUS_OK : refuse(why, "not a shared object");
}
