#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runner/links.h"

static ino_t
own_network(void)
{
    struct stat status;
    assert_int_equal(stat("/proc/self/ns/net", &status), 0);
    return status.st_ino;
}

static void
need_links(void)
{
    fault_t why = {{0}};
    if (links_available(10, &why))
        return;
    printf("skipped: %s\n", why.text);
    skip();
}

static void
no_two_processes_share_an_address(void **state)
{
    (void)state;
    static char addresses[LINKS_NODES_MAX + 1][LINKS_ADDRESS_BYTES];
    for (int rank = LINKS_COORDINATOR; rank < LINKS_NODES_MAX; rank++) {
        links_address(rank, addresses[rank + 1]);
        for (int other = 0; other <= rank; other++)
            assert_string_not_equal(addresses[other], addresses[rank + 1]);
    }
}

static void
more_nodes_than_the_switch_has_ports_are_told(void **state)
{
    (void)state;
    fault_t fault = {{0}};
    assert_null(links_new(LINKS_NODES_MAX + 1, 10, &fault));
    assert_non_null(strstr(fault.text, "1001 nodes"));
}

static void
without_tc_it_is_told_what_to_install(void **state)
{
    (void)state;
    fault_t why = {{0}};
    char *path = strdup(getenv("PATH"));
    assert_non_null(path);
    setenv("PATH", "/nonexistent", 1);
    bool is_available = links_available(10, &why);
    setenv("PATH", path, 1);
    free(path);
    assert_false(is_available);
    assert_non_null(strstr(why.text, "apt-get install iproute2"));
}

static void
everybody_has_a_network_and_we_keep_ours(void **state)
{
    (void)state;
    need_links();
    ino_t before = own_network();
    fault_t fault = {{0}};
    links_t *links = links_new(2, 10, &fault);
    assert_string_equal(fault.text, "");
    assert_non_null(links);
    assert_true(own_network() == before);
    ino_t seen[4] = {before};
    for (int rank = LINKS_COORDINATOR; rank < 2; rank++) {
        struct stat status;
        assert_int_equal(fstat(links_fd(links, rank), &status), 0);
        for (int other = 0; other <= rank + 1; other++)
            assert_true(seen[other] != status.st_ino);
        seen[rank + 2] = status.st_ino;
    }
    links_free(&links);
    assert_null(links);
}

// The switch has a link to each of the coordinator and two workers, shaped at both ends.
static void
every_link_has_its_rate_both_ways(void **state)
{
    (void)state;
    need_links();
    fault_t fault = {{0}};
    links_t *links = links_new(2, 25, &fault);
    assert_non_null(links);
    char *counters = links_counters(links);
    int n = 0;
    for (const char *at = counters; (at = strstr(at, "rate 25Mbit")); at++)
        n++;
    free(counters);
    links_free(&links);
    assert_int_equal(n, 6);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_two_processes_share_an_address),
        cmocka_unit_test(more_nodes_than_the_switch_has_ports_are_told),
        cmocka_unit_test(without_tc_it_is_told_what_to_install),
        cmocka_unit_test(everybody_has_a_network_and_we_keep_ours),
        cmocka_unit_test(every_link_has_its_rate_both_ways),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
