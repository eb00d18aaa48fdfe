/* Key rings: what is written is read back, by each way in, and nothing that others could read. */
#include "transport/keys.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

static char folder[] = "/tmp/dmlx-keys-XXXXXX";
static char path[sizeof folder + 32];

static int
set_up(void **state)
{
    (void)state;
    if (!mkdtemp(folder))
        return -1;
    snprintf(path, sizeof path, "%s/w0", folder);
    return 0;
}

static int
tear_down(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(folder);
}

static keys_t *
ring(void)
{
    keys_t *keys = keys_new("w0"), *other = keys_new(KEYS_COORDINATOR);
    assert_int_equal(keys_add(keys, KEYS_COORDINATOR, keys_public(other), NULL), 0);
    keys_free(other);
    return keys;
}

static void
assert_same(const keys_t *a, const keys_t *b)
{
    assert_non_null(b);
    assert_string_equal(keys_name(a), keys_name(b));
    assert_string_equal(keys_public(a), keys_public(b));
    assert_string_equal(keys_secret(a), keys_secret(b));
    assert_int_equal(keys_peers(a), keys_peers(b));
    assert_string_equal(keys_peer_public(a, KEYS_COORDINATOR),
                        keys_peer_public(b, KEYS_COORDINATOR));
}

static void
a_ring_is_read_as_it_was_written_and_only_by_its_owner(void **state)
{
    (void)state;
    keys_t *keys = ring();
    transport_error_t error = {""};
    assert_int_equal(keys_write(keys, path, &error), 0);
    struct stat facts;
    assert_int_equal(stat(path, &facts), 0);
    assert_int_equal(facts.st_mode & 0777, 0600);
    keys_t *read = keys_open(path, &error);
    assert_string_equal(error.text, "");
    assert_same(keys, read);
    keys_free(read);
    keys_free(keys);
}

static void
a_file_others_can_read_or_write_is_refused(void **state)
{
    (void)state;
    keys_t *keys = ring();
    assert_int_equal(keys_write(keys, path, NULL), 0);
    static const mode_t modes[] = {0640, 0604, 0620, 0610};
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        transport_error_t error = {""};
        assert_int_equal(chmod(path, modes[i]), 0);
        assert_null(keys_open(path, &error));
        assert_non_null(strstr(error.text, "are open to others (mode 06"));
        assert_non_null(strstr(error.text, "chmod 600"));
    }
    keys_free(keys);
}

static void
a_ring_comes_through_a_pipe_or_a_variable_that_is_wiped(void **state)
{
    (void)state;
    keys_t *keys = ring();
    char *text = keys_text(keys), source[32];
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(write(ends[1], text, strlen(text)), strlen(text));
    close(ends[1]);
    snprintf(source, sizeof source, "fd:%d", ends[0]);
    keys_t *read = keys_open(source, NULL);
    assert_same(keys, read);
    keys_free(read);
    assert_int_equal(fcntl(ends[0], F_GETFD), -1); /* closed */

    setenv("DMLX_TEST_KEYS", text, 1);
    const char *place = getenv("DMLX_TEST_KEYS");
    read = keys_open("env:DMLX_TEST_KEYS", NULL);
    assert_same(keys, read);
    keys_free(read);
    assert_null(getenv("DMLX_TEST_KEYS"));
    assert_null(strstr(place, keys_secret(keys))); /* nor is it where /proc shows it */
    keys_text_free(text);
    keys_free(keys);
}

static void
assert_refused(const char *text, const char *part)
{
    transport_error_t error = {""};
    setenv("DMLX_TEST_KEYS", text, 1);
    keys_t *keys = keys_open("env:DMLX_TEST_KEYS", &error);
    assert_null(keys);
    if (!strstr(error.text, part))
        fail_msg("'%s' lacks '%s'", error.text, part);
}

static void
what_is_no_ring_is_told_by_its_line_but_never_quoted(void **state)
{
    (void)state;
    keys_t *keys = ring(), *other = ring();
    char text[1024];
    assert_refused("", "line 1 is not one of a key ring");
    assert_refused("dmlx-keys 2\n", "line 1 is not one of a key ring");
    assert_refused("dmlx-keys 1\nname w0\nsecret hunter2\n", "line 3 is not one of a key ring");
    assert_refused("dmlx-keys 1\nname w/0\n", "line 2 is not one of a key ring");
    assert_refused("dmlx-keys 1\nname w0\n", "lack a name or a public and secret key of one pair");
    snprintf(text, sizeof text, "dmlx-keys 1\nname w0\npublic %s\nsecret %s\n", keys_public(keys),
             keys_secret(other));
    assert_refused(text, "lack a name or a public and secret key of one pair");
    snprintf(text, sizeof text, "dmlx-keys 1\nname w0\npeer a %s\npeer a %s\n", keys_public(keys),
             keys_public(other));
    assert_refused(text, "peer 'a' is there twice");
    transport_error_t error = {""};
    assert_null(keys_open("env:DMLX_NO_SUCH", &error));
    assert_non_null(strstr(error.text, "no variable 'DMLX_NO_SUCH'"));
    assert_null(keys_open("fd:x", &error));
    assert_non_null(strstr(error.text, "'fd:x' is not a descriptor"));
    assert_null(keys_open("/no/such/file", &error));
    assert_non_null(strstr(error.text, "cannot read keys from '/no/such/file'"));
    assert_null(keys_open(folder, &error));
    assert_non_null(strstr(error.text, "is not a regular file"));
    keys_free(keys);
    keys_free(other);
}

static void
a_peer_is_found_by_name_and_by_key(void **state)
{
    (void)state;
    keys_t *keys = keys_new(KEYS_COORDINATOR);
    char name[16], key[KEYS_TEXT_CHARS + 1] = "";
    for (int i = 0; i < 50; i++) {
        keys_t *worker = keys_new("w");
        snprintf(name, sizeof name, "w%d", (i * 37) % 50);
        assert_int_equal(keys_add(keys, name, keys_public(worker), NULL), 0);
        if (strcmp(name, "w7") == 0)
            memcpy(key, keys_public(worker), sizeof key);
        keys_free(worker);
    }
    assert_string_equal(keys_peer_public(keys, "w7"), key);
    assert_string_equal(keys_peer_name(keys, key), "w7");
    assert_null(keys_peer_public(keys, "w50"));
    assert_null(keys_peer_name(keys, keys_public(keys)));
    assert_int_equal(keys_peers(keys), 50);
    transport_error_t error;
    assert_int_equal(keys_add(keys, "w7", key, &error), TRANSPORT_KEYS);
    assert_int_equal(keys_add(keys, "w77", "short", &error), TRANSPORT_KEYS);
    keys_free(keys);
}

static void
keys_may_be_left_out_only_where_no_network_is(void **state)
{
    (void)state;
    static const char *const near[] = {"tcp://127.0.0.1:1", "tcp://127.1.2.3:70", "tcp://[::1]:5",
                                       "tcp://localhost:0", "ipc:///run/x",       "inproc://x"};
    static const char *const far[] = {"tcp://*:0",
                                      "tcp://0.0.0.0:1",
                                      "tcp://10.0.0.1:1",
                                      "tcp://127.example.org:1",
                                      "tcp://127.0.0.1.example.org:1",
                                      "tcp://localhost.example.org:1",
                                      "tcp://[::]:1"};
    for (size_t i = 0; i < sizeof near / sizeof *near; i++)
        assert_true(keys_optional(near[i]));
    for (size_t i = 0; i < sizeof far / sizeof *far; i++)
        assert_false(keys_optional(far[i]));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_ring_is_read_as_it_was_written_and_only_by_its_owner),
        cmocka_unit_test(a_file_others_can_read_or_write_is_refused),
        cmocka_unit_test(a_ring_comes_through_a_pipe_or_a_variable_that_is_wiped),
        cmocka_unit_test(what_is_no_ring_is_told_by_its_line_but_never_quoted),
        cmocka_unit_test(a_peer_is_found_by_name_and_by_key),
        cmocka_unit_test(keys_may_be_left_out_only_where_no_network_is),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
