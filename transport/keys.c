#include "transport/keys.h"
#include "transport/memory.h"
#include "transport/wire.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zmq.h>

typedef struct {
    char *name;
    char public_key[KEYS_TEXT_CHARS + 1];
} peer_t;

struct keys {
    char *name;
    char public_key[KEYS_TEXT_CHARS + 1];
    char secret[KEYS_TEXT_CHARS + 1];
    peer_t *peers; /* in the order of names */
    size_t n_peers;
    size_t room; /* for so many */
};

enum { READ_LIMIT_MS = 5000 };

keys_t *
keys_new(const char *name)
{
    keys_t *keys = transport_alloc(sizeof *keys);
    keys->name = transport_copy(name);
    if (zmq_curve_keypair(keys->public_key, keys->secret) != 0)
        abort(); /* a library without CURVE, or a system without random numbers */
    return keys;
}

void
keys_free(keys_t *keys)
{
    if (!keys)
        return;
    for (size_t i = 0; i < keys->n_peers; i++)
        free(keys->peers[i].name);
    free(keys->peers);
    free(keys->name);
    transport_wipe(keys, sizeof *keys);
    free(keys);
}

static bool
key_ok(const char *key)
{
    uint8_t bytes[32];
    bool ok = key && strlen(key) == KEYS_TEXT_CHARS && zmq_z85_decode(bytes, key) != NULL;
    transport_wipe(bytes, sizeof bytes);
    return ok;
}

/* The place of name among the peers: where it is, or where it would be. */
static size_t
place_of(const keys_t *keys, const char *name)
{
    size_t low = 0, high = keys->n_peers;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (strcmp(keys->peers[middle].name, name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

int
keys_add(keys_t *keys, const char *peer, const char *public_key, transport_error_t *error)
{
    if (!wire_identity_ok(peer))
        return transport_fail(error, TRANSPORT_KEYS,
                              "'%s' cannot name a peer; use letters, digits, '.', '_', '-'",
                              peer ? peer : "");
    if (!key_ok(public_key))
        return transport_fail(error, TRANSPORT_KEYS,
                              "the public key of '%s' is not 40 characters of Z85", peer);
    size_t place = place_of(keys, peer);
    if (place < keys->n_peers && strcmp(keys->peers[place].name, peer) == 0)
        return transport_fail(error, TRANSPORT_KEYS, "peer '%s' is there twice", peer);
    if (keys->n_peers == KEYS_PEERS_MAX)
        return transport_fail(error, TRANSPORT_KEYS, "more than %d peers", KEYS_PEERS_MAX);
    if (keys->n_peers == keys->room) {
        keys->room = keys->room ? 2 * keys->room : 8;
        keys->peers = realloc(keys->peers, keys->room * sizeof *keys->peers);
        if (!keys->peers)
            abort();
    }
    memmove(keys->peers + place + 1, keys->peers + place,
            (keys->n_peers - place) * sizeof *keys->peers);
    keys->peers[place].name = transport_copy(peer);
    memcpy(keys->peers[place].public_key, public_key, KEYS_TEXT_CHARS + 1);
    keys->n_peers++;
    return 0;
}

char *
keys_text(const keys_t *keys)
{
    enum { LINE_BYTES = 16 + WIRE_IDENTITY_BYTES_MAX + KEYS_TEXT_CHARS };
    size_t room = (keys->n_peers + 4) * LINE_BYTES, used;
    char *text = transport_alloc(room);
    used = (size_t)snprintf(text, room, "dmlx-keys 1\nname %s\npublic %s\nsecret %s\n", keys->name,
                            keys->public_key, keys->secret);
    for (size_t i = 0; i < keys->n_peers; i++)
        used += (size_t)snprintf(text + used, room - used, "peer %s %s\n", keys->peers[i].name,
                                 keys->peers[i].public_key);
    return text;
}

void
keys_text_free(char *text)
{
    if (text)
        transport_wipe(text, strlen(text));
    free(text);
}

static bool
write_all(int fd, const char *text, size_t bytes)
{
    while (bytes) {
        ssize_t written = write(fd, text, bytes);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return false;
        text += written;
        bytes -= (size_t)written;
    }
    return true;
}

int
keys_write(const keys_t *keys, const char *path, transport_error_t *error)
{
    size_t room = strlen(path) + sizeof ".XXXXXX";
    char *aside = transport_alloc(room), *text = keys_text(keys);
    snprintf(aside, room, "%s.XXXXXX", path);
    int code = 0, fd = mkstemp(aside); /* mode 0600 from the start */
    bool written = fd >= 0 && write_all(fd, text, strlen(text)) && fsync(fd) == 0;
    if (!written || rename(aside, path) != 0) {
        code = transport_fail(error, TRANSPORT_KEYS, "cannot write keys to '%s': %s", path,
                              strerror(errno));
        if (fd >= 0)
            unlink(aside);
    }
    if (fd >= 0)
        close(fd);
    keys_text_free(text);
    free(aside);
    return code;
}

/* Takes one line, without its end, apart. False when it is none of ours. */
static bool
parse_line(keys_t *keys, char *line, transport_error_t *error)
{
    char *rest = NULL;
    const char *word = strtok_r(line, " ", &rest), *first = strtok_r(NULL, " ", &rest);
    const char *second = strtok_r(NULL, " ", &rest);
    if (!word)
        return true;
    if (strcmp(word, "peer") == 0)
        return second && !strtok_r(NULL, " ", &rest) && keys_add(keys, first, second, error) == 0;
    if (!first || second)
        return false;
    if (strcmp(word, "name") == 0 && !keys->name && wire_identity_ok(first))
        keys->name = transport_copy(first);
    else if (strcmp(word, "public") == 0 && key_ok(first))
        memcpy(keys->public_key, first, sizeof keys->public_key);
    else if (strcmp(word, "secret") == 0 && key_ok(first))
        memcpy(keys->secret, first, sizeof keys->secret);
    else
        return false;
    return true;
}

/* Whether the public key is the secret's own; a mix-up would otherwise show as a refusal on another
 * host. */
static bool
pair_fits(const keys_t *keys)
{
    char derived[KEYS_TEXT_CHARS + 1];
    return keys->name && *keys->public_key && *keys->secret &&
           zmq_curve_public(derived, keys->secret) == 0 && strcmp(derived, keys->public_key) == 0;
}

static keys_t *
parse(char *text, const char *source, transport_error_t *error)
{
    keys_t *keys = transport_alloc(sizeof *keys);
    char *rest = NULL, *line = strtok_r(text, "\n", &rest);
    bool ok = line && strcmp(line, "dmlx-keys 1") == 0;
    int number = 1;
    if (error)
        error->text[0] = 0;
    while (ok && (line = strtok_r(NULL, "\n", &rest))) {
        ok = parse_line(keys, line, error);
        number++;
    }
    if (ok && pair_fits(keys))
        return keys;
    if (ok)
        transport_fail(error, TRANSPORT_KEYS,
                       "keys from '%s' lack a name or a public and secret key of one pair", source);
    else if (!error || !error->text[0])
        transport_fail(error, TRANSPORT_KEYS, "keys from '%s': line %d is not one of a key ring",
                       source, number);
    keys_free(keys);
    return NULL;
}

/* Reads fd to its end into a new text of at most KEYS_FILE_BYTES_MAX; NULL and errno otherwise. A
 * pipe whose other end stays open is not waited for longer than READ_LIMIT_MS at a time. */
static char *
read_all(int fd)
{
    size_t room = 4096, used = 0;
    char *text = transport_alloc(room);
    for (;;) {
        struct pollfd ready = {.fd = fd, .events = POLLIN};
        int n = poll(&ready, 1, READ_LIMIT_MS);
        ssize_t got = n > 0 ? read(fd, text + used, room - used - 1) : -1;
        if (n == 0)
            errno = ETIMEDOUT;
        if (got < 0 && errno == EINTR)
            continue;
        if (got == 0)
            return text;
        used += got > 0 ? (size_t)got : 0;
        if (got > 0 && used + 1 < room)
            continue;
        if (got < 0 || room >= KEYS_FILE_BYTES_MAX) {
            if (got > 0)
                errno = EFBIG;
            transport_wipe(text, room);
            free(text);
            return NULL;
        }
        char *larger = transport_alloc(2 * room);
        memcpy(larger, text, used);
        transport_wipe(text, room);
        free(text);
        text = larger;
        room *= 2;
    }
}

static keys_t *
open_fd(int fd, const char *source, transport_error_t *error)
{
    char *text = read_all(fd);
    int problem = errno;
    close(fd);
    if (!text) {
        transport_fail(error, TRANSPORT_KEYS, "cannot read keys from '%s': %s", source,
                       strerror(problem));
        return NULL;
    }
    size_t bytes = strlen(text);
    keys_t *keys = parse(text, source, error);
    transport_wipe(text, bytes);
    free(text);
    return keys;
}

static keys_t *
open_variable(const char *name, const char *source, transport_error_t *error)
{
    char *value = getenv(name);
    if (!value) {
        transport_fail(error, TRANSPORT_KEYS, "no variable '%s' with keys in the environment",
                       name);
        return NULL;
    }
    size_t bytes = strlen(value);
    char *text = transport_copy(value);
    /* Where the value lies is also what /proc/PID/environ shows. */
    transport_wipe(value, bytes);
    unsetenv(name);
    keys_t *keys = parse(text, source, error);
    transport_wipe(text, bytes);
    free(text);
    return keys;
}

static keys_t *
open_file(const char *path, transport_error_t *error)
{
    struct stat facts;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0 || fstat(fd, &facts) != 0)
        transport_fail(error, TRANSPORT_KEYS, "cannot read keys from '%s': %s", path,
                       strerror(errno));
    else if (!S_ISREG(facts.st_mode))
        transport_fail(error, TRANSPORT_KEYS, "'%s' is not a regular file of keys", path);
    else if (facts.st_mode & (S_IRWXG | S_IRWXO))
        transport_fail(error, TRANSPORT_KEYS,
                       "keys in '%s' are open to others (mode %04o); run chmod 600 on it", path,
                       (unsigned)(facts.st_mode & 07777));
    else if (facts.st_uid != geteuid() && facts.st_uid != 0)
        transport_fail(error, TRANSPORT_KEYS, "keys in '%s' belong to another user (uid %ld)", path,
                       (long)facts.st_uid);
    else
        return open_fd(fd, path, error);
    if (fd >= 0)
        close(fd);
    return NULL;
}

keys_t *
keys_open(const char *source, transport_error_t *error)
{
    if (strncmp(source, "env:", 4) == 0)
        return open_variable(source + 4, source, error);
    if (strncmp(source, "fd:", 3) != 0)
        return open_file(source, error);
    char *end;
    long fd = strtol(source + 3, &end, 10);
    if (!source[3] || *end || fd < 0 || fd > 65535) {
        transport_fail(error, TRANSPORT_KEYS,
                       "'%s' is not a descriptor to read keys from; write fd:3", source);
        return NULL;
    }
    return open_fd((int)fd, source, error);
}

const char *
keys_name(const keys_t *keys)
{
    return keys->name;
}

const char *
keys_public(const keys_t *keys)
{
    return keys->public_key;
}

const char *
keys_secret(const keys_t *keys)
{
    return keys->secret;
}

size_t
keys_peers(const keys_t *keys)
{
    return keys->n_peers;
}

const char *
keys_peer_at(const keys_t *keys, size_t index)
{
    return keys->peers[index].public_key;
}

const char *
keys_peer_name(const keys_t *keys, const char *public_key)
{
    for (size_t i = 0; i < keys->n_peers; i++)
        if (strcmp(keys->peers[i].public_key, public_key) == 0)
            return keys->peers[i].name;
    return NULL;
}

const char *
keys_peer_public(const keys_t *keys, const char *peer)
{
    size_t place = place_of(keys, peer);
    bool is_there = place < keys->n_peers && strcmp(keys->peers[place].name, peer) == 0;
    return is_there ? keys->peers[place].public_key : NULL;
}

bool
keys_optional(const char *endpoint)
{
    static const char *const near[] = {"ipc://", "inproc://", "tcp://[::1]:", "tcp://localhost:"};
    for (size_t i = 0; i < sizeof near / sizeof *near; i++)
        if (strncmp(endpoint, near[i], strlen(near[i])) == 0)
            return true;
    /* 127.0.0.0/8, all four numbers written out, so that 127.example.org is not taken for it. */
    unsigned a, b, c;
    int at = 0;
    return sscanf(endpoint, "tcp://127.%3u.%3u.%3u:%n", &a, &b, &c, &at) == 3 && at > 0 &&
           a < 256 && b < 256 && c < 256;
}
