/* keys.h — who a peer is: CURVE key pairs made for one run.
 *
 * A key ring belongs to one name (the coordinator, or a worker's identity). It holds that name's
 * secret and public key, and the public keys of the peers it may speak with: for the coordinator
 * every worker, for a worker the coordinator. Secrets never belong on a command line: keys_open
 * takes a file nobody else can read, a descriptor, or an environment variable. The file is text:
 *
 *     dmlx-keys 1
 *     name w0
 *     public <40 characters of Z85>
 *     secret <40 characters of Z85>
 *     peer coordinator <40 characters of Z85>
 *
 * Usual order, in the process that starts a run:
 *
 *     keys_t *coordinator = keys_new(KEYS_COORDINATOR), *worker = keys_new("w0");
 *     keys_add(coordinator, "w0", keys_public(worker), &error);
 *     keys_add(worker, KEYS_COORDINATOR, keys_public(coordinator), &error);
 *     keys_write(coordinator, "keys/coordinator", &error); keys_write(worker, "keys/w0", &error);
 */
#ifndef TRANSPORT_KEYS_H
#define TRANSPORT_KEYS_H

#include "transport/error.h"
#include <stdbool.h>
#include <stddef.h>

#define KEYS_COORDINATOR "coordinator"
enum { KEYS_PEERS_MAX = 65536, KEYS_TEXT_CHARS = 40, KEYS_FILE_BYTES_MAX = 8 * 1024 * 1024 };

typedef struct keys keys_t;

/* A fresh pair from the system's random source. name: an identity as in worker.h. Never NULL. */
keys_t *keys_new(const char *name);

/* Wipes the secret. Accepts NULL. */
void keys_free(keys_t *keys);

/* Allows the peer of that name and public key (Z85). Fails with TRANSPORT_KEYS on a bad name or
 * key, or one already there. */
int keys_add(keys_t *keys, const char *peer, const char *public_key, transport_error_t *error);

/* Writes the ring to path, mode 0600, aside and renamed; an existing file is replaced. */
int keys_write(const keys_t *keys, const char *path, transport_error_t *error);

/* The ring as text (see above), for a pipe or a secret store. The caller wipes and frees it by
 * keys_text_free. */
char *keys_text(const keys_t *keys);
void keys_text_free(char *text);

/* Reads a ring. source is "fd:N" (read to its end and closed), "env:NAME" (the variable is removed
 * from the environment) or a path. A file that group or others can read or write, or that belongs
 * to another user than us or root, is refused. NULL and a sentence on failure; the sentence never
 * quotes the content. */
keys_t *keys_open(const char *source, transport_error_t *error);

const char *keys_name(const keys_t *keys);
const char *keys_public(const keys_t *keys); /* Z85 */
const char *
keys_secret(const keys_t *keys); /* Z85; for the sockets, and for nothing that leaves the process */
size_t keys_peers(const keys_t *keys);
/* The public key of peer number index, in the order of names. */
const char *keys_peer_at(const keys_t *keys, size_t index);
/* The name that a public key (Z85) stands for, or NULL. */
const char *keys_peer_name(const keys_t *keys, const char *public_key);
/* The public key of a peer, or NULL. */
const char *keys_peer_public(const keys_t *keys, const char *peer);

/* True for ipc, inproc, and tcp to 127.0.0.0/8, [::1] or localhost: places where keys may be left
 * out. */
bool keys_optional(const char *endpoint);

#endif
