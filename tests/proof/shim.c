/* A disk that obeys a test. Preloaded into the gateway, it stands between the process and the C library for one
 * directory (PROOF_ROOT), counts every durable step of all threads there, and at the step that the test names kills
 * the process, fails the call, writes half of it, stalls it, or flips a bit of what is read. With PROOF_LOG it writes
 * down each step with its bytes, so that the test can rebuild what a disk would hold after a power cut.
 *
 * The test and the process share one page, the control file (PROOF_CONTROL): the test may change its mind at any time.
 * Its layout is known to shim.rs. Whatever calls the kernel without the C library (here: fallocate) is not seen. */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum kind { CREATE = 1, WRITE = 2, SYNC = 4, RENAME = 8, UNLINK = 16, TRUNCATE = 32, MKDIR = 64, READ = 128, OPEN = 256 };
enum class { CHUNK = 1, DIRECTORY = 2, DATABASE = 4, WAL = 8, SHARED_MEMORY = 16, OTHER = 32 };
enum action { FAIL = 1, SHORT = 2, STALL = 3, FLIP = 4, KILL = 5, LIE = 6 };

/* Every word is 8 bytes; the test reads and writes them by number. */
struct control {
    _Atomic uint64_t steps;         /* 0: durable steps so far */
    _Atomic uint64_t kill_at;       /* 1: the step at which the process dies; 0: none */
    _Atomic uint64_t kill_torn;     /* 2: a write dies half-way */
    _Atomic uint64_t killed;        /* 3: what it died at: kind << 8 | class */
    _Atomic uint64_t logged;        /* 4: records in the log */
    _Atomic uint64_t matched;       /* 5: calls that the fault could have hit */
    _Atomic uint64_t fault_first;   /* 6: the fault hits from this matching call ... */
    _Atomic uint64_t fault_last;    /* 7: ... to this one; 0: none */
    _Atomic uint64_t fault_kinds;   /* 8 */
    _Atomic uint64_t fault_classes; /* 9 */
    _Atomic uint64_t fault_action;  /* 10 */
    _Atomic uint64_t fault_value;   /* 11: errno or milliseconds */
    _Atomic uint64_t fired;         /* 12: calls that it hit */
    _Atomic uint64_t swallowed;     /* 13: classes whose syncs succeed without being done */
    _Atomic uint64_t resynced;      /* 14: syncs of a descriptor whose sync had failed */
    _Atomic uint64_t serials;       /* 15: files that were opened, by all processes of one log */
};

struct record {
    uint32_t kind;
    uint32_t serial; /* of the open file */
    uint64_t offset; /* of a write; length of a truncation; of a sync 0: begins, 1: ends, 2: failed; of an open 1: cuts */
    uint64_t length; /* of what follows */
};

enum { FILES = 1 << 16, PATH_BYTES = 4096 };

static struct control *control;
static char root[PATH_BYTES];
static size_t root_length;
static int log_file = -1;
static pthread_mutex_t log_lock = PTHREAD_MUTEX_INITIALIZER;

static struct {
    _Atomic uint32_t class; /* 0: none of ours */
    _Atomic uint32_t serial;
    _Atomic uint32_t sync_failed;
} files[FILES];

__attribute__((constructor)) static void begin(void) {
    const char *page = getenv("PROOF_CONTROL"), *directory = getenv("PROOF_ROOT"), *log = getenv("PROOF_LOG");
    if (!page || !directory || strlen(directory) >= PATH_BYTES) return;
    int file = syscall(SYS_openat, AT_FDCWD, page, O_RDWR | O_CLOEXEC, 0);
    void *shared = mmap(0, sizeof(struct control), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    syscall(SYS_close, file);
    if (shared == MAP_FAILED) abort();
    strcpy(root, directory);
    root_length = strlen(root);
    if (log) log_file = syscall(SYS_openat, AT_FDCWD, log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    control = shared;
}

static int is_below(const char *path) {
    return control && path && strncmp(path, root, root_length) == 0 && (path[root_length] == '/' || !path[root_length]);
}

static uint32_t class_of_path(const char *path) {
    size_t length = strlen(path);
    if (length > 6 && strcmp(path + length - 6, ".chunk") == 0) return CHUNK;
    if (length > 4 && strcmp(path + length - 4, "-wal") == 0) return WAL;
    if (length > 4 && strcmp(path + length - 4, "-shm") == 0) return SHARED_MEMORY;
    if (length > 7 && strcmp(path + length - 7, ".sqlite") == 0) return DATABASE;
    return OTHER;
}

static uint32_t class_of(int fd) { return fd >= 0 && fd < FILES && control ? atomic_load(&files[fd].class) : 0; }

static void write_out(const void *bytes, size_t length) {
    while (length > 0) {
        ssize_t wrote = syscall(SYS_write, log_file, bytes, length);
        if (wrote <= 0) abort();
        bytes = (const char *)bytes + wrote;
        length -= wrote;
    }
}

static void note(enum kind kind, uint32_t serial, uint64_t offset, const void *bytes, uint64_t length) {
    if (log_file < 0) return;
    int saved = errno;
    struct record record = {kind, serial, offset, length};
    pthread_mutex_lock(&log_lock);
    write_out(&record, sizeof record);
    write_out(bytes, length);
    atomic_fetch_add(&control->logged, 1);
    pthread_mutex_unlock(&log_lock);
    errno = saved;
}

/* Names follow the directory of the test, so that the log does not depend on where that was. */
static void note_path(enum kind kind, uint32_t serial, uint64_t flags, const char *path) {
    note(kind, serial, flags, path + root_length, strlen(path + root_length));
}

static void die(enum kind kind, uint32_t class) {
    atomic_store(&control->killed, (uint64_t)kind << 8 | class);
    syscall(SYS_kill, syscall(SYS_getpid), SIGKILL);
    for (;;) pause();
}

/* Counts a durable step; true if the process is to die at it. */
static int counted(enum kind kind, uint32_t class) {
    if (kind == READ || kind == OPEN || class == SHARED_MEMORY) return 0;
    uint64_t step = atomic_fetch_add(&control->steps, 1) + 1, at = atomic_load(&control->kill_at);
    return at != 0 && step >= at;
}

/* What a fault does to this call: 0 if none hits. A stall has happened when this returns. */
static enum action fault(enum kind kind, uint32_t class) {
    if (!(atomic_load(&control->fault_kinds) & kind) || !(atomic_load(&control->fault_classes) & class)) return 0;
    uint64_t call = atomic_fetch_add(&control->matched, 1) + 1;
    if (call < atomic_load(&control->fault_first) || call > atomic_load(&control->fault_last)) return 0;
    atomic_fetch_add(&control->fired, 1);
    enum action action = atomic_load(&control->fault_action);
    uint64_t value = atomic_load(&control->fault_value);
    if (action == FAIL) errno = (int)value;
    if (action == KILL) die(kind, class);
    if (action == STALL) {
        struct timespec rest = {value / 1000, value % 1000 * 1000000};
        nanosleep(&rest, 0);
        return 0;
    }
    return action;
}

/* True if the call is to fail with the errno that is set. Dies if it must. */
static int refused(enum kind kind, uint32_t class) {
    if (counted(kind, class)) die(kind, class);
    return fault(kind, class) == FAIL;
}

static int opened(int directory, const char *path, int flags, mode_t mode) {
    if (directory != AT_FDCWD || !is_below(path)) return syscall(SYS_openat, directory, path, flags, mode);
    struct stat facts;
    uint32_t class = class_of_path(path);
    int exists = syscall(SYS_newfstatat, AT_FDCWD, path, &facts, 0) == 0;
    if (exists && S_ISDIR(facts.st_mode)) class = DIRECTORY;
    enum kind kind = (flags & O_CREAT) && !exists ? CREATE : OPEN;
    if (refused(kind, class)) return -1;
    int fd = syscall(SYS_openat, directory, path, flags, mode);
    if (fd >= 0 && fd < FILES) {
        uint32_t serial = atomic_fetch_add(&control->serials, 1) + 1;
        atomic_store(&files[fd].serial, serial);
        atomic_store(&files[fd].sync_failed, 0);
        atomic_store(&files[fd].class, class);
        if (class != SHARED_MEMORY) note_path(kind, serial, flags & O_TRUNC ? 1 : 0, path);
    }
    return fd;
}

#define OPEN_LIKE(name)                                                                                                \
    int name(const char *path, int flags, ...) {                                                                       \
        va_list rest;                                                                                                  \
        va_start(rest, flags);                                                                                         \
        mode_t mode = flags & O_CREAT ? va_arg(rest, mode_t) : 0;                                      \
        va_end(rest);                                                                                                  \
        return opened(AT_FDCWD, path, flags, mode);                                                                    \
    }
#define OPENAT_LIKE(name)                                                                                              \
    int name(int directory, const char *path, int flags, ...) {                                                        \
        va_list rest;                                                                                                  \
        va_start(rest, flags);                                                                                         \
        mode_t mode = flags & O_CREAT ? va_arg(rest, mode_t) : 0;                                      \
        va_end(rest);                                                                                                  \
        return opened(directory, path, flags, mode);                                                                   \
    }
OPEN_LIKE(open)
OPEN_LIKE(open64)
OPENAT_LIKE(openat)
OPENAT_LIKE(openat64)

int close(int fd) {
    if (class_of(fd)) atomic_store(&files[fd].class, 0);
    return syscall(SYS_close, fd);
}

/* One write at `offset`, or at the file's own position if that is negative. */
static ssize_t written(int fd, const void *bytes, size_t length, off_t offset) {
    uint32_t class = class_of(fd);
    size_t allowed = length;
    if (class) {
        int dies = counted(WRITE, class);
        if (dies && !atomic_load(&control->kill_torn)) die(WRITE, class);
        enum action action = fault(WRITE, class);
        if (action == FAIL) return -1;
        if (action == SHORT || dies) allowed = length > 1 ? length / 2 : length;
        if (allowed > 4096) allowed -= allowed % 4096; /* direct writes are aligned */
        off_t at = offset < 0 ? syscall(SYS_lseek, fd, 0, SEEK_CUR) : offset;
        ssize_t wrote = syscall(SYS_pwrite64, fd, bytes, allowed, at);
        if (dies) die(WRITE, class);
        if (wrote > 0) {
            if (offset < 0) syscall(SYS_lseek, fd, at + wrote, SEEK_SET);
            if (class != SHARED_MEMORY) note(WRITE, atomic_load(&files[fd].serial), at, bytes, wrote);
        }
        return wrote;
    }
    return offset < 0 ? syscall(SYS_write, fd, bytes, length) : syscall(SYS_pwrite64, fd, bytes, length, offset);
}

ssize_t write(int fd, const void *bytes, size_t length) { return written(fd, bytes, length, -1); }
ssize_t pwrite(int fd, const void *bytes, size_t length, off_t offset) { return written(fd, bytes, length, offset); }
ssize_t pwrite64(int fd, const void *bytes, size_t length, off_t offset) { return written(fd, bytes, length, offset); }

/* A file of ours takes its vector piece by piece, as a short write would leave it. */
ssize_t writev(int fd, const struct iovec *pieces, int count) {
    if (!class_of(fd)) return syscall(SYS_writev, fd, pieces, count);
    for (int piece = 0; piece < count; piece++)
        if (pieces[piece].iov_len > 0) return written(fd, pieces[piece].iov_base, pieces[piece].iov_len, -1);
    return 0;
}

static ssize_t got(int fd, void *bytes, size_t length, off_t offset) {
    uint32_t class = class_of(fd);
    enum action action = class ? fault(READ, class) : 0;
    if (action == FAIL) return -1;
    ssize_t read = syscall(SYS_pread64, fd, bytes, length, offset);
    if (action == FLIP && read > 0) ((unsigned char *)bytes)[read / 2] ^= 0x10;
    return read;
}

ssize_t pread(int fd, void *bytes, size_t length, off_t offset) { return got(fd, bytes, length, offset); }
ssize_t pread64(int fd, void *bytes, size_t length, off_t offset) { return got(fd, bytes, length, offset); }

/* What the page cache holds: it misses where the disk would fail, and may hold what the disk has flipped. */
static ssize_t got_cached(int fd, const struct iovec *pieces, int count, off_t offset, int flags) {
    uint32_t class = class_of(fd);
    if (class && atomic_load(&control->fault_kinds) & READ && atomic_load(&control->fault_action) == FAIL) {
        errno = EAGAIN;
        return -1;
    }
    ssize_t read = syscall(SYS_preadv2, fd, pieces, count, (long)offset, 0L, flags);
    if (class && read > 0 && fault(READ, class) == FLIP) ((unsigned char *)pieces->iov_base)[read / 2] ^= 0x10;
    return read;
}

ssize_t preadv2(int fd, const struct iovec *pieces, int count, off_t offset, int flags) {
    return got_cached(fd, pieces, count, offset, flags);
}
ssize_t preadv64v2(int fd, const struct iovec *pieces, int count, off_t offset, int flags) {
    return got_cached(fd, pieces, count, offset, flags);
}

static int synced(int fd, long call) {
    uint32_t class = class_of(fd);
    if (!class) return syscall(call, fd);
    uint32_t serial = atomic_load(&files[fd].serial);
    if (atomic_load(&files[fd].sync_failed)) atomic_fetch_add(&control->resynced, 1);
    if (counted(SYNC, class)) die(SYNC, class);
    enum action action = fault(SYNC, class);
    if (action == FAIL || action == LIE) {
        /* The kernel marks the pages clean: no later sync writes them. A lie is what whoever syncs again is told. */
        note(SYNC, serial, 2, "", 0);
        if (action == LIE) return 0;
        atomic_store(&files[fd].sync_failed, 1);
        return -1;
    }
    if (atomic_load(&control->swallowed) & class) return 0;
    note(SYNC, serial, 0, "", 0);
    int result = syscall(call, fd);
    if (result == 0) note(SYNC, serial, 1, "", 0);
    return result;
}

int fsync(int fd) { return synced(fd, SYS_fsync); }
int fdatasync(int fd) { return synced(fd, SYS_fdatasync); }

static int cut(int fd, off_t length) {
    uint32_t class = class_of(fd);
    if (!class) return syscall(SYS_ftruncate, fd, length);
    if (refused(TRUNCATE, class)) return -1;
    int result = syscall(SYS_ftruncate, fd, length);
    if (result == 0 && class != SHARED_MEMORY) note(TRUNCATE, atomic_load(&files[fd].serial), length, "", 0);
    return result;
}

int ftruncate(int fd, off_t length) { return cut(fd, length); }
int ftruncate64(int fd, off_t length) { return cut(fd, length); }

int unlink(const char *path) {
    if (!is_below(path)) return syscall(SYS_unlinkat, AT_FDCWD, path, 0);
    uint32_t class = class_of_path(path);
    if (refused(UNLINK, class)) return -1;
    int result = syscall(SYS_unlinkat, AT_FDCWD, path, 0);
    if (result == 0 && class != SHARED_MEMORY) note_path(UNLINK, 0, 0, path);
    return result;
}

int rmdir(const char *path) {
    if (!is_below(path)) return syscall(SYS_unlinkat, AT_FDCWD, path, AT_REMOVEDIR);
    if (refused(UNLINK, DIRECTORY)) return -1;
    int result = syscall(SYS_unlinkat, AT_FDCWD, path, AT_REMOVEDIR);
    if (result == 0) note_path(UNLINK, 0, 1, path);
    return result;
}

int mkdir(const char *path, mode_t mode) {
    if (!is_below(path)) return syscall(SYS_mkdirat, AT_FDCWD, path, mode);
    if (refused(MKDIR, DIRECTORY)) return -1;
    int result = syscall(SYS_mkdirat, AT_FDCWD, path, mode);
    if (result == 0) note_path(MKDIR, 0, 0, path);
    return result;
}

int rename(const char *from, const char *to) {
    if (!is_below(from) || !is_below(to)) return syscall(SYS_renameat, AT_FDCWD, from, AT_FDCWD, to);
    if (refused(RENAME, class_of_path(to))) return -1;
    int result = syscall(SYS_renameat, AT_FDCWD, from, AT_FDCWD, to);
    if (result == 0) {
        char both[2 * PATH_BYTES]; /* the two names with a zero between */
        size_t first = strlen(from + root_length) + 1, second = strlen(to + root_length);
        memcpy(both, from + root_length, first);
        memcpy(both + first, to + root_length, second);
        note(RENAME, 0, 0, both, first + second);
    }
    return result;
}
