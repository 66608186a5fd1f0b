// SPDX-License-Identifier: MIT
// Files: see the header.
#include "api/files.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/answer.h"
#include "api/http_internal.h"
#include "common/base/log.h"
#include "common/base/memory.h"
#include "common/base/paths.h"
#include "common/crypto/digest.h"

enum {
    FILES_MAX = 512,
    FILES_DEPTH_MAX = 6,
    FILES_BYTES_MAX = 16 * 1024 * 1024, // of one
    ETAG_BYTES = 20
};

typedef struct File {
    char *name; // relative to the folder: "js/app.js"
    char *bytes;
    size_t length;
    char *packed; // its .gz, NULL none
    size_t packed_length;
    const char *type;
    char etag[ETAG_BYTES];
} File;

struct Files {
    bool has_dashboard;
    bool is_cut; // there are more than FILES_MAX
    File *items; // sorted by name
    size_t count;
};

typedef struct FileType {
    const char *ending;
    const char *type;
} FileType;

static const FileType TYPES[] = {
    {".html", "text/html; charset=utf-8"},
    {".css", "text/css; charset=utf-8"},
    {".js", "text/javascript; charset=utf-8"},
    {".mjs", "text/javascript; charset=utf-8"},
    {".json", "application/json"},
    {".svg", "image/svg+xml"},
    {".png", "image/png"},
    {".ico", "image/x-icon"},
    {".woff2", "font/woff2"},
    {".txt", "text/plain; charset=utf-8"},
    {".yaml", "application/yaml"},
    {".webmanifest", "application/manifest+json"},
};

// What the pages may do: everything from here, nothing from elsewhere, no script or style in the page itself.
static const char POLICY[] = "default-src 'none'; script-src 'self'; style-src 'self'; img-src "
                             "'self' data:; connect-src 'self'; "
                             "font-src 'self'; manifest-src 'self'; frame-ancestors 'none'; "
                             "base-uri 'none'; form-action 'none'";

static const char NO_PAGES[] =
    "<!doctype html><html lang=\"en\"><head><meta "
    "charset=\"utf-8\"><title>ganger</title></head><body>"
    "<h1>ganger</h1><p>The HTTP API is here; its dashboard is not installed. Build it with npm on "
    "the machine "
    "(<code>scripts/setup</code>, then <code>cmake --build</code>), or name its folder with the "
    "environment "
    "variable <code>GANGER_DASHBOARD</code>.</p><p>The operations are under <code>/api</code>; "
    "<code>/health</code> says whether this process is there.</p></body></html>\n";

static const char *type_of(const char *name)
{
    size_t length = strlen(name);
    for (size_t i = 0; i < sizeof TYPES / sizeof TYPES[0]; i++) {
        size_t ending = strlen(TYPES[i].ending);
        if (length > ending && str_equal(name + length - ending, TYPES[i].ending)) {
            return TYPES[i].type;
        }
    }
    return NULL;
}

// The whole file; NULL when it is no regular one, too large, or not to be read to its end.
static char *read_file(int folder, const char *name, size_t *length)
{
    int fd = openat(folder, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    struct stat info;
    if (fd < 0 || fstat(fd, &info) != 0 || !S_ISREG(info.st_mode) ||
        info.st_size > FILES_BYTES_MAX) {
        if (fd >= 0) {
            close(fd);
        }
        return NULL;
    }
    char *bytes = mem_alloc((size_t)info.st_size + 1);
    *length = 0;
    ssize_t got = 0;
    while (*length < (size_t)info.st_size &&
           (got = read(fd, bytes + *length, (size_t)info.st_size - *length)) > 0) {
        *length += (size_t)got;
    }
    close(fd);
    if (*length < (size_t)info.st_size) {
        free(bytes);
        return NULL;
    }
    return bytes;
}

static void make_etag(File *file)
{
    unsigned char digest[DIGEST_BYTES];
    char text[DIGEST_HEX_BYTES];
    digest_sha256(file->bytes, file->length, digest);
    digest_hex(digest, text);
    text[16] = '\0';
    snprintf(file->etag, sizeof file->etag, "\"%.16s\"", text);
}

static void keep_file(Files *files, int folder, const char *prefix, const char *name)
{
    const char *type = type_of(name);
    if (type == NULL) {
        return;
    }
    if (files->count == FILES_MAX) {
        if (!files->is_cut) {
            log_warn("http.dashboard_cut", "files=%d first_left_out=\"%s%s\"", FILES_MAX, prefix,
                     name);
        }
        files->is_cut = true;
        return;
    }
    File *file = &files->items[files->count];
    file->bytes = read_file(folder, name, &file->length);
    if (file->bytes == NULL) {
        return;
    }
    file->type = type;
    file->name = mem_printf("%s%s", prefix, name);
    make_etag(file);
    char *packed_name = mem_printf("%s.gz", name);
    file->packed = read_file(folder, packed_name, &file->packed_length);
    free(packed_name);
    files->count++;
}

static void keep_folder(Files *files, int parent, const char *name, const char *prefix, int depth)
{
    int fd =
        openat(parent, name, O_RDONLY | O_CLOEXEC | O_DIRECTORY | (depth > 0 ? O_NOFOLLOW : 0));
    DIR *folder = fd < 0 ? NULL : fdopendir(fd);
    if (folder == NULL) {
        if (fd >= 0) {
            close(fd);
        }
        return;
    }
    for (struct dirent *entry = NULL; (entry = readdir(folder)) != NULL;) {
        struct stat info;
        if (entry->d_name[0] == '.' ||
            fstatat(fd, entry->d_name, &info, AT_SYMLINK_NOFOLLOW) != 0) {
            continue;
        }
        if (S_ISDIR(info.st_mode) && depth < FILES_DEPTH_MAX) {
            char *deeper = mem_printf("%s%s/", prefix, entry->d_name);
            keep_folder(files, fd, entry->d_name, deeper, depth + 1);
            free(deeper);
        } else {
            keep_file(files, fd, prefix, entry->d_name);
        }
    }
    closedir(folder);
}

static int compare_files(const void *a, const void *b)
{
    return strcmp(((const File *)a)->name, ((const File *)b)->name);
}

static void keep_description(Files *files)
{
    char *path = path_api_dir();
    int folder = open(path, O_RDONLY | O_CLOEXEC | O_DIRECTORY);
    if (folder >= 0) {
        keep_file(files, folder, "api/", "openapi.yaml");
        close(folder);
    }
    free(path);
}

static void keep_pages(Files *files)
{
    const size_t before = files->count;
    char *folder = path_dashboard_dir();
    keep_folder(files, AT_FDCWD, folder, "", 0);
    log_info("http.dashboard", "folder=%s files=%zu", folder, files->count - before);
    free(folder);
}

Files *files_create(bool has_dashboard)
{
    Files *files = mem_alloc(sizeof *files);
    files->has_dashboard = has_dashboard;
    files->items = mem_alloc(FILES_MAX * sizeof *files->items);
    keep_description(files);
    if (has_dashboard) {
        keep_pages(files);
    }
    qsort(files->items, files->count, sizeof *files->items, compare_files);
    return files;
}

void files_destroy(Files *files)
{
    for (size_t i = 0; i < files->count; i++) {
        free(files->items[i].name);
        free(files->items[i].bytes);
        free(files->items[i].packed);
    }
    free(files->items);
    free(files);
}

// --- answering

// The target's segments joined again; false when no file has so long a name.
static bool name_of(const Target *target, char *name, size_t size)
{
    size_t length = 0;
    name[0] = '\0';
    for (size_t i = 0; i < target->segment_count; i++) {
        size_t more = strlen(target->segments[i]);
        if (strchr(target->segments[i], '/') != NULL || length + more + 2 > size) {
            return false;
        }
        if (i > 0) {
            name[length++] = '/';
        }
        memcpy(name + length, target->segments[i], more + 1);
        length += more;
    }
    return true;
}

static bool takes_gzip(const Exchange *exchange)
{
    const char *accepted = exchange_header(exchange, "Accept-Encoding");
    const char *at = accepted == NULL ? NULL : strstr(accepted, "gzip");
    return at != NULL && strncmp(at + 4, ";q=0", 4) != 0;
}

static void reply_file(Exchange *exchange, const File *file)
{
    const char *if_none_match = exchange_header(exchange, "If-None-Match");
    exchange_add_header(exchange, "Content-Security-Policy", POLICY);
    exchange_add_header(exchange, "Cache-Control", "no-cache");
    exchange_add_header(exchange, "ETag", file->etag);
    if (if_none_match != NULL && answer_is_known(if_none_match, file->etag)) {
        exchange_reply(exchange, 304, file->type, "", 0);
        return;
    }
    bool is_packed = file->packed != NULL && takes_gzip(exchange);
    if (file->packed != NULL) {
        exchange_add_header(exchange, "Vary", "Accept-Encoding");
    }
    if (is_packed) {
        exchange_add_header(exchange, "Content-Encoding", "gzip");
    }
    exchange_add_header(exchange, "Content-Type", file->type);
    size_t length = is_packed ? file->packed_length : file->length;
    char *bytes = is_packed ? file->packed : file->bytes;
    exchange->answer_bytes = (int64_t)length;
    exchange_reply_response(exchange, 200,
                            MHD_create_response_from_buffer(length, bytes, MHD_RESPMEM_PERSISTENT));
}

bool files_answer(const Files *files, Exchange *exchange, const Target *target)
{
    char name[512];
    if (!name_of(target, name, sizeof name)) {
        return false;
    }
    if (name[0] == '\0') {
        (void)snprintf(name, sizeof name, "index.html");
    }
    const File wanted = {.name = name};
    const File *file = files->count == 0 ? NULL
                                         : bsearch(&wanted, files->items, files->count,
                                                   sizeof *files->items, compare_files);
    if (file != NULL) {
        reply_file(exchange, file);
        return true;
    }
    if (!str_equal(name, "index.html") || !files->has_dashboard) {
        return false;
    }
    exchange_reply(exchange, 200, "text/html; charset=utf-8", NO_PAGES, sizeof NO_PAGES - 1);
    return true;
}
