#define _GNU_SOURCE // mkdtemp, waitpid
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "runner/limits.h"
#include "runner/process.h"

enum { LIMIT_MS = 10000, PATH_BYTES = 512 };

// --- a folder that imitates a host -----------------------------------------------------------

static char fake_root[] = "/tmp/dmlx-test-limits-XXXXXX";

static void
fake_file(const char *path, const char *text)
{
    char whole[PATH_BYTES];
    snprintf(whole, sizeof whole, "%s/%s", fake_root, path);
    for (char *slash = strchr(whole + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = 0;
        mkdir(whole, 0755);
        *slash = '/';
    }
    FILE *file = fopen(whole, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static const char *
fake_read(const char *path)
{
    static char text[PATH_BYTES];
    char whole[PATH_BYTES];
    snprintf(whole, sizeof whole, "%s/%s", fake_root, path);
    FILE *file = fopen(whole, "r");
    assert_non_null(file);
    size_t n = fread(text, 1, sizeof text - 1, file);
    text[n] = 0;
    fclose(file);
    return text;
}

static int
fake_new(void **state)
{
    (void)state;
    strcpy(fake_root + strlen(fake_root) - 6, "XXXXXX");
    return mkdtemp(fake_root) ? 0 : -1;
}

static int
fake_remove(void **state)
{
    (void)state;
    char command[PATH_BYTES];
    snprintf(command, sizeof command, "rm -rf '%s'", fake_root);
    return system(command);
}

// A host with cgroup v2 alone; we live in the group `own`, "/a/b".
static void
fake_v2(const char *own)
{
    char text[PATH_BYTES];
    fake_file("proc/self/mountinfo", "25 30 0:23 / /sys rw - sysfs sysfs rw\n"
                                     "30 25 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 "
                                     "cgroup2 rw,nsdelegate\n");
    snprintf(text, sizeof text, "0::%s\n", own);
    fake_file("proc/self/cgroup", text);
}

static void
fake_v2_group(const char *path, const char *subtree, const char *quota)
{
    const char *names[] = {"cgroup.procs", "cgroup.controllers", "cgroup.subtree_control",
                           "cpu.max", NULL};
    const char *texts[] = {"", "cpuset cpu io memory\n", subtree, quota};
    for (int i = 0; names[i]; i++) {
        char whole[PATH_BYTES];
        snprintf(whole, sizeof whole, "sys/fs/cgroup/%s%s%s", path, *path ? "/" : "", names[i]);
        if (texts[i])
            fake_file(whole, texts[i]);
    }
}

static limits_host_t
probe_fake(void)
{
    limits_host_t host;
    fault_t fault;
    if (limits_probe(fake_root, &host, &fault) != 0)
        fail_msg("%s", fault.text);
    return host;
}

static void
assert_below_fake(const char *path, const char *below)
{
    assert_memory_equal(path, fake_root, strlen(fake_root));
    assert_string_equal(path + strlen(fake_root), below);
}

static void
v2_groups_are_made_where_cpu_is_switched_on(void **state)
{
    (void)state;
    fake_v2("/user/app");
    fake_v2_group("", "cpu\n", NULL);
    fake_v2_group("user", "cpu\n", "max 100000\n");
    fake_v2_group("user/app", "cpu memory\n", "max 100000\n");
    limits_host_t host = probe_fake();
    assert_int_equal(host.kind, LIMITS_V2);
    assert_below_fake(host.cpu, "/sys/fs/cgroup/user/app");
}

static void
v2_switches_cpu_on_when_it_is_off(void **state)
{
    (void)state;
    fake_v2("/");
    fake_v2_group("", "memory\n", NULL);
    limits_host_t host = probe_fake();
    assert_below_fake(host.cpu, "/sys/fs/cgroup");
    assert_memory_equal(fake_read("sys/fs/cgroup/cgroup.subtree_control"), "+cpu", 4);
}

// A group whose controls are a folder refuses every write, as a busy group does.
static void
fake_busy_group(const char *path, const char *quota)
{
    char whole[PATH_BYTES];
    fake_v2_group(path, NULL, quota);
    snprintf(whole, sizeof whole, "sys/fs/cgroup/%s/cgroup.subtree_control/x", path);
    fake_file(whole, "");
}

static void
v2_goes_up_where_our_own_group_is_busy(void **state)
{
    (void)state;
    fake_v2("/user/session");
    fake_v2_group("", "cpu\n", NULL);
    fake_v2_group("user", "cpu\n", "max 100000\n");
    fake_busy_group("user/session", "max 100000\n");
    limits_host_t host = probe_fake();
    assert_below_fake(host.cpu, "/sys/fs/cgroup/user");
}

static void
v2_does_not_escape_a_limit_by_going_up(void **state)
{
    (void)state;
    fake_v2("/user/session");
    fake_v2_group("", "cpu\n", NULL);
    fake_v2_group("user", "cpu\n", "max 100000\n");
    fake_busy_group("user/session", "50000 100000\n");
    limits_host_t host;
    fault_t fault;
    assert_int_equal(limits_probe(fake_root, &host, &fault), LIMITS_DENIED);
    assert_non_null(strstr(fault.text, "/sys/fs/cgroup/user/session"));
    assert_non_null(strstr(fault.text, "run as root"));
    assert_non_null(strstr(fault.text, "cluster.enforce = false"));
}

static void
v2_in_a_container_moves_processes_to_a_leaf(void **state)
{
    (void)state;
    fake_v2("/");
    fake_busy_group("", "100000 100000\n");
    fake_file("sys/fs/cgroup/cgroup.procs", "1\n17\n");
    fake_file("sys/fs/cgroup/dmlx-inner/cgroup.procs", "");
    limits_host_t host;
    fault_t fault;
    // The imitation stays busy; what is held here is that everybody was moved before the retry.
    assert_int_equal(limits_probe(fake_root, &host, &fault), LIMITS_DENIED);
    assert_string_equal(fake_read("sys/fs/cgroup/dmlx-inner/cgroup.procs"), "17");
}

static void
v2_quota_is_written_and_read_back(void **state)
{
    (void)state;
    fake_v2("/");
    fake_v2_group("", "cpu\n", NULL);
    fake_v2_group("dmlx-test", "", "max 100000\n");
    limits_host_t host = probe_fake();
    limits_group_t group;
    fault_t fault;
    assert_int_equal(limits_create(&host, "dmlx-test", 0.3, 0, &group, &fault), 0);
    assert_memory_equal(fake_read("sys/fs/cgroup/dmlx-test/cpu.max"), "3000 10000", 10);
    assert_true(group.cores > 0.299 && group.cores < 0.301);
    assert_int_equal(group.period_us, 10000);
    assert_int_equal(limits_join(&group, 4711, &fault), 0);
    assert_string_equal(fake_read("sys/fs/cgroup/dmlx-test/cgroup.procs"), "4711");
}

static void
v2_grants_no_more_than_the_groups_around(void **state)
{
    (void)state;
    fake_v2("/pod");
    fake_v2_group("", "cpu\n", NULL);
    fake_v2_group("pod", "cpu\n", "50000 100000\n");
    fake_v2_group("pod/dmlx-test", "", "max 100000\n");
    limits_host_t host = probe_fake();
    limits_group_t group;
    fault_t fault;
    assert_int_equal(limits_create(&host, "dmlx-test", 2, 0, &group, &fault), 0);
    assert_true(group.cores > 0.499 && group.cores < 0.501);
    limits_group_t current;
    assert_int_equal(limits_current(fake_root, &current, &fault), 0);
    assert_true(current.cores > 0.499 && current.cores < 0.501);
    assert_string_equal(current.name, "pod");
}

static void
v2_counters_are_in_seconds(void **state)
{
    (void)state;
    fake_v2("/");
    fake_v2_group("", "cpu\n", NULL);
    fake_v2_group("dmlx-test", "", "max 100000\n");
    fake_file("sys/fs/cgroup/dmlx-test/cpu.stat",
              "usage_usec 2500000\nuser_usec 2000000\nsystem_usec 500000\nnr_periods 40\n"
              "nr_throttled 4\nthrottled_usec 125000\n");
    limits_host_t host = probe_fake();
    limits_group_t group;
    limits_usage_t usage;
    assert_int_equal(limits_create(&host, "dmlx-test", 1, 0, &group, NULL), 0);
    limits_measure(&group, &usage);
    assert_true(usage.cpu_s > 2.499 && usage.cpu_s < 2.501);
    assert_true(usage.throttled_s > 0.1249 && usage.throttled_s < 0.1251);
    assert_int_equal(usage.periods, 40);
    assert_int_equal(usage.throttled, 4);
}

static void
v2_kills_the_whole_group_at_once(void **state)
{
    (void)state;
    fake_v2("/");
    fake_v2_group("", "cpu\n", NULL);
    fake_v2_group("dmlx-test", "", "max 100000\n");
    fake_file("sys/fs/cgroup/dmlx-test/cgroup.kill", "");
    limits_host_t host = probe_fake();
    limits_group_t group;
    assert_int_equal(limits_create(&host, "dmlx-test", 1, 0, &group, NULL), 0);
    process_t child = process_none();
    const char *argv[] = {"sleep", "1000", NULL};
    process_options_t options = {.argv = argv};
    assert_int_equal(process_start(&options, &child, NULL), 0);
    assert_int_equal(limits_join(&group, child.pid, NULL), 0);
    fault_t fault;
    assert_int_equal(limits_remove(&group, 20, &fault), LIMITS_BUSY); // a folder with real files
    assert_string_equal(fake_read("sys/fs/cgroup/dmlx-test/cgroup.kill"), "1");
    assert_non_null(strstr(fault.text, "dmlx-test' cannot be removed within 20 ms"));
    assert_int_equal(process_stop(&child, LIMIT_MS, NULL), 0);
    process_close(&child);
}

static void
a_small_quota_gets_a_longer_period(void **state)
{
    (void)state;
    fake_v2("/");
    fake_v2_group("", "cpu\n", NULL);
    fake_v2_group("dmlx-test", "", "max 100000\n");
    limits_host_t host = probe_fake();
    limits_group_t group;
    assert_int_equal(limits_create(&host, "dmlx-test", 0.025, 0, &group, NULL), 0);
    assert_memory_equal(fake_read("sys/fs/cgroup/dmlx-test/cpu.max"), "1000 40000", 10);
}

static void
v1_is_preferred_on_a_hybrid_host(void **state)
{
    (void)state;
    fake_file("proc/self/mountinfo",
              "30 25 0:26 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"
              "31 25 0:27 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n");
    fake_file("proc/self/cgroup", "2:cpu,cpuacct:/user.slice\n0::/user.slice\n");
    fake_file("sys/fs/cgroup/cpu,cpuacct/user.slice/cgroup.procs", "");
    limits_host_t host = probe_fake();
    assert_int_equal(host.kind, LIMITS_V1);
    assert_below_fake(host.cpu, "/sys/fs/cgroup/cpu,cpuacct/user.slice");
    assert_string_equal(host.usage, host.cpu);
}

static void
v1_in_a_container_cuts_what_the_mount_hides(void **state)
{
    (void)state;
    fake_file("proc/self/mountinfo",
              "31 25 0:27 /docker/abc /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n");
    fake_file("proc/self/cgroup", "2:cpu:/docker/abc\n");
    fake_file("sys/fs/cgroup/cpu/cgroup.procs", "");
    limits_host_t host = probe_fake();
    assert_below_fake(host.cpu, "/sys/fs/cgroup/cpu");
    assert_string_equal(host.usage, "");
}

static void
no_control_groups_at_all_is_told(void **state)
{
    (void)state;
    limits_host_t host;
    fault_t fault;
    assert_int_equal(limits_probe(fake_root, &host, &fault), LIMITS_DENIED);
    assert_non_null(strstr(fault.text, "no control groups with a cpu controller"));
}

static void
systemd_is_asked_when_nothing_can_be_written(void **state)
{
    (void)state;
    char path[PATH_BYTES * 2], *before = getenv("PATH");
    fake_file("run/systemd/system/x", "");
    fake_file("bin/systemd-run", "#!/bin/sh\necho \"$@\" >\"$0.asked\"\necho 5000 10000\n");
    snprintf(path, sizeof path, "%s/bin/systemd-run", fake_root);
    assert_int_equal(chmod(path, 0755), 0);
    char *kept = strdup(before);
    snprintf(path, sizeof path, "%s/bin:%s", fake_root, kept);
    setenv("PATH", path, 1);
    limits_host_t host;
    int status = limits_probe(fake_root, &host, NULL);
    setenv("PATH", kept, 1);
    free(kept);
    assert_int_equal(status, 0);
    assert_int_equal(host.kind, LIMITS_SCOPE);
    assert_non_null(strstr(fake_read("bin/systemd-run.asked"), "-p CPUQuota=50.00% -p "
                                                               "CPUQuotaPeriodSec=10000us"));
}

static void
a_scope_wraps_the_command(void **state)
{
    (void)state;
    const char *argv[] = {"dmlx", "work", NULL};
    const char **wrapped = limits_scope_argv("dmlx-1-w", 0.333, 20000, argv);
    int n = 0;
    while (wrapped[n])
        n++;
    assert_string_equal(wrapped[0], "systemd-run");
    assert_string_equal(wrapped[n - 2], "dmlx");
    assert_string_equal(wrapped[n - 1], "work");
    assert_string_equal(wrapped[n - 3], "CPUQuotaPeriodSec=20000us");
    assert_string_equal(wrapped[n - 5], "CPUQuota=33.30%");
    free(wrapped);
}

// --- this host -------------------------------------------------------------------------------

static limits_group_t
real_group(const char *what, double cores)
{
    fault_t fault;
    if (!limits_available(&fault)) {
        print_message("skipped: %s\n", fault.text);
        skip();
    }
    limits_host_t host;
    assert_int_equal(limits_probe("", &host, &fault), 0);
    if (host.kind == LIMITS_SCOPE) {
        print_message("skipped: only systemd can make groups here\n");
        skip();
    }
    char name[LIMITS_NAME_BYTES];
    snprintf(name, sizeof name, "dmlx-test-%d-%s", (int)getpid(), what);
    limits_group_t group;
    if (limits_create(&host, name, cores, 0, &group, &fault) != 0)
        fail_msg("%s", fault.text);
    return group;
}

static pid_t
busy_child(const limits_group_t *group, int n_loops)
{
    pid_t pid = fork();
    if (pid != 0)
        return pid;
    if (limits_join(group, 0, NULL) != 0)
        _exit(1);
    for (int i = 1; i < n_loops; i++)
        if (fork() == 0)
            break;
    for (volatile unsigned long n = 0;; n++)
        ;
}

static void
a_busy_loop_gets_no_more_than_its_quota(void **state)
{
    (void)state;
    limits_group_t group = real_group("busy", 0.3);
    assert_true(group.cores > 0.299 && group.cores < 0.301);
    pid_t pid = busy_child(&group, 1);
    limits_usage_t before, after;
    limits_measure(&group, &before);
    long long start_ms = process_clock_ms();
    nanosleep(&(struct timespec){.tv_sec = 1, .tv_nsec = 500000000}, NULL);
    limits_measure(&group, &after);
    double took_s = (double)(process_clock_ms() - start_ms) / 1e3;
    double cores = (after.cpu_s - before.cpu_s) / took_s;
    print_message("0.3 cores asked, %.3f got; throttled %ld of %ld periods, %.2f s\n", cores,
                  after.throttled, after.periods, after.throttled_s);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    assert_int_equal(limits_remove(&group, LIMIT_MS, NULL), 0);
    assert_true(cores <= 0.33);
    assert_true(cores > 0.01);
    assert_true(after.throttled > 0 && after.throttled_s > 0);
    assert_int_not_equal(access(group.cpu, F_OK), 0);
    assert_int_not_equal(access(group.usage, F_OK), 0);
}

static void
two_processes_share_one_quota(void **state)
{
    (void)state;
    limits_group_t group = real_group("two", 0.5);
    pid_t pid = busy_child(&group, 2);
    limits_usage_t before, after;
    limits_measure(&group, &before);
    long long start_ms = process_clock_ms();
    nanosleep(&(struct timespec){.tv_sec = 1}, NULL);
    limits_measure(&group, &after);
    double took_s = (double)(process_clock_ms() - start_ms) / 1e3;
    double cores = (after.cpu_s - before.cpu_s) / took_s;
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    assert_int_equal(limits_remove(&group, LIMIT_MS, NULL), 0);
    print_message("0.5 cores asked for two, %.3f got\n", cores);
    assert_true(cores <= 0.55);
}

static void
removing_a_group_kills_what_is_in_it(void **state)
{
    (void)state;
    limits_group_t group = real_group("kill", 0.5);
    pid_t pid = busy_child(&group, 3);
    pid_t members[8];
    long long until_ms = process_clock_ms() + LIMIT_MS;
    while (limits_members(&group, members, 8) < 3)
        assert_true(process_clock_ms() < until_ms);
    assert_int_equal(limits_remove(&group, LIMIT_MS, NULL), 0);
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(process_exit_status(status), 128 + SIGKILL);
    assert_int_equal(limits_remove(&group, LIMIT_MS, NULL), 0); // gone already: fine
}

static void
an_empty_group_of_that_name_is_taken_over(void **state)
{
    (void)state;
    limits_group_t group = real_group("twice", 0.5);
    limits_host_t host;
    limits_probe("", &host, NULL);
    limits_group_t again;
    assert_int_equal(limits_create(&host, group.name, 0.25, 0, &again, NULL), 0);
    assert_true(again.cores < 0.26);
    pid_t pid = busy_child(&again, 1);
    pid_t member;
    long long until_ms = process_clock_ms() + LIMIT_MS;
    while (limits_members(&again, &member, 1) < 1)
        assert_true(process_clock_ms() < until_ms);
    fault_t fault;
    assert_int_equal(limits_create(&host, group.name, 0.5, 0, &group, &fault), LIMITS_BUSY);
    assert_non_null(strstr(fault.text, "is in use by processes of another run"));
    assert_int_equal(limits_remove(&again, LIMIT_MS, NULL), 0);
    waitpid(pid, NULL, 0);
}

static int n_remembered;

// v1 shows a group twice: where it limits, and where it counts.
static void
remember(const limits_group_t *group, void *context)
{
    const limits_group_t *expected = context;
    assert_string_equal(group->name, expected->name);
    n_remembered++;
}

static void
groups_are_found_by_their_prefix(void **state)
{
    (void)state;
    limits_group_t group = real_group("each", 0.5);
    n_remembered = 0;
    limits_each("", group.name, remember, &group);
    assert_true(n_remembered > 0);
    n_remembered = 0;
    assert_int_equal(limits_remove(&group, LIMIT_MS, NULL), 0);
    limits_each("", group.name, remember, &group);
    assert_int_equal(n_remembered, 0);
}

#define ON_FAKE(test) cmocka_unit_test_setup_teardown(test, fake_new, fake_remove)

static void
the_least_memory_limit_around_us_counts(void **state)
{
    (void)state;
    fake_v2("/user/app");
    fake_v2_group("", "cpu", NULL);
    fake_v2_group("user", "cpu", NULL);
    fake_v2_group("user/app", "", NULL);
    assert_int_equal(limits_memory(fake_root), 0);
    fake_file("sys/fs/cgroup/user/app/memory.max", "max\n");
    assert_int_equal(limits_memory(fake_root), 0);
    fake_file("sys/fs/cgroup/user/memory.max", "67108864\n");
    assert_int_equal(limits_memory(fake_root), 64 << 20);
    fake_file("sys/fs/cgroup/user/app/memory.max", "134217728\n");
    assert_int_equal(limits_memory(fake_root), 64 << 20);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        ON_FAKE(v2_groups_are_made_where_cpu_is_switched_on),
        ON_FAKE(v2_switches_cpu_on_when_it_is_off),
        ON_FAKE(v2_goes_up_where_our_own_group_is_busy),
        ON_FAKE(v2_does_not_escape_a_limit_by_going_up),
        ON_FAKE(v2_in_a_container_moves_processes_to_a_leaf),
        ON_FAKE(v2_quota_is_written_and_read_back),
        ON_FAKE(v2_grants_no_more_than_the_groups_around),
        ON_FAKE(the_least_memory_limit_around_us_counts),
        ON_FAKE(v2_counters_are_in_seconds),
        ON_FAKE(v2_kills_the_whole_group_at_once),
        ON_FAKE(a_small_quota_gets_a_longer_period),
        ON_FAKE(v1_is_preferred_on_a_hybrid_host),
        ON_FAKE(v1_in_a_container_cuts_what_the_mount_hides),
        ON_FAKE(no_control_groups_at_all_is_told),
        ON_FAKE(systemd_is_asked_when_nothing_can_be_written),
        cmocka_unit_test(a_scope_wraps_the_command),
        cmocka_unit_test(a_busy_loop_gets_no_more_than_its_quota),
        cmocka_unit_test(two_processes_share_one_quota),
        cmocka_unit_test(removing_a_group_kills_what_is_in_it),
        cmocka_unit_test(an_empty_group_of_that_name_is_taken_over),
        cmocka_unit_test(groups_are_found_by_their_prefix),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
