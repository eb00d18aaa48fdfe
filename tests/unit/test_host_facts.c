#define _GNU_SOURCE // mkdtemp
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runner/host_facts.h"

enum { PATH_BYTES = 512 };

static char root[] = "/tmp/dmlx-test-host-XXXXXX";

static void
file(const char *path, const char *text)
{
    char whole[PATH_BYTES];
    snprintf(whole, sizeof whole, "%s/%s", root, path);
    for (char *slash = strchr(whole + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = 0;
        mkdir(whole, 0755);
        *slash = '/';
    }
    FILE *out = fopen(whole, "w");
    assert_non_null(out);
    fputs(text, out);
    fclose(out);
}

static int
root_new(void **state)
{
    (void)state;
    strcpy(root + strlen(root) - 6, "XXXXXX");
    return mkdtemp(root) ? 0 : -1;
}

static int
root_remove(void **state)
{
    (void)state;
    char command[PATH_BYTES];
    snprintf(command, sizeof command, "rm -rf '%s'", root);
    return system(command);
}

static void
a_raspberry_pi_is_described(void **state)
{
    (void)state;
    file("proc/cpuinfo", "processor\t: 0\nBogoMIPS\t: 108.00\nCPU part\t: 0xd08\n\n"
                         "Revision\t: c03111\nModel\t\t: Raspberry Pi 4 Model B Rev 1.1\n");
    file("sys/devices/system/cpu/online", "0-3\n");
    file("sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "ondemand\n");
    file("sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq", "1500000\n");
    file("sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq", "600000\n");
    file("sys/devices/system/cpu/cpu1/cpufreq/scaling_cur_freq", "1500000\n");
    file("sys/class/thermal/thermal_zone0/type", "cpu-thermal\n");
    file("sys/class/thermal/thermal_zone0/temp", "48686\n");
    file("sys/devices/platform/soc/soc:firmware/get_throttled", "50005\n");
    file("proc/meminfo", "MemTotal:        3884360 kB\nMemFree:  1 kB\n"
                         "MemAvailable:    2000000 kB\n");
    host_facts_t facts;
    host_facts_read(root, &facts);
    assert_string_equal(facts.cpu, "Raspberry Pi 4 Model B Rev 1.1");
    assert_string_equal(facts.governor, "ondemand");
    assert_int_equal(facts.n_cpus, 4);
    assert_true(facts.cores == 4);
    assert_true(facts.clock_mhz_max == 1500);
    assert_int_equal(facts.memory_bytes, 3884360LL * 1024);
    host_sample_t sample;
    host_sample_read(root, &sample);
    assert_true(sample.clock_mhz == 1050);
    assert_true(fabs(sample.temperature_c - 48.686) < 1e-9);
    assert_int_equal(sample.is_throttled, 1);
    assert_int_equal(sample.throttle_flags, 0x50005);
    assert_int_equal(sample.memory_free_bytes, 2000000LL * 1024);
}

static void
a_desktop_is_described(void **state)
{
    (void)state;
    file("proc/cpuinfo", "processor\t: 0\nmodel name\t: AMD Ryzen 7\ncpu MHz\t\t: 2450.844\n");
    file("sys/devices/system/cpu/online", "0,2-3\n");
    file("sys/class/hwmon/hwmon0/name", "nvme\n");
    file("sys/class/hwmon/hwmon1/name", "k10temp\n");
    file("sys/class/hwmon/hwmon1/temp1_input", "61250\n");
    file("sys/devices/system/cpu/cpu0/thermal_throttle/package_throttle_count", "7\n");
    file("proc/stat", "cpu  100 20 30 4000 5 6 7 88 0 0\ncpu0 1 2 3\n");
    file("proc/loadavg", "0.52 0.40 0.31 1/123 456\n");
    host_facts_t facts;
    host_facts_read(root, &facts);
    assert_string_equal(facts.cpu, "AMD Ryzen 7");
    assert_int_equal(facts.n_cpus, 3);
    host_sample_t sample;
    host_sample_read(root, &sample);
    assert_true(fabs(sample.clock_mhz - 2450.844) < 1e-9);
    assert_true(fabs(sample.temperature_c - 61.25) < 1e-9);
    assert_int_equal(sample.throttle_count, 7);
    assert_int_equal(sample.is_throttled, -1);
    double ticks_a_s = (double)sysconf(_SC_CLK_TCK);
    assert_true(fabs(sample.steal_s - 88 / ticks_a_s) < 1e-9);
    assert_true(fabs(sample.busy_s - 163 / ticks_a_s) < 1e-9);
    assert_true(fabs(sample.load - 0.52) < 1e-9);
}

static void
the_processors_zone_is_preferred(void **state)
{
    (void)state;
    file("sys/class/thermal/thermal_zone0/type", "acpitz\n");
    file("sys/class/thermal/thermal_zone0/temp", "27800\n");
    file("sys/class/thermal/thermal_zone1/type", "x86_pkg_temp\n");
    file("sys/class/thermal/thermal_zone1/temp", "55000\n");
    host_sample_t sample;
    host_sample_read(root, &sample);
    assert_true(sample.temperature_c == 55);
}

static void
what_a_host_does_not_tell_is_not_known(void **state)
{
    (void)state;
    host_facts_t facts;
    host_facts_read(root, &facts);
    assert_string_equal(facts.cpu, "");
    assert_string_equal(facts.governor, "");
    assert_int_equal(facts.memory_bytes, 0);
    assert_true(isnan(facts.clock_mhz_max));
    host_sample_t sample;
    host_sample_read(root, &sample);
    assert_true(isnan(sample.temperature_c));
    assert_true(isnan(sample.clock_mhz));
    assert_true(isnan(sample.load));
    assert_true(isnan(sample.steal_s));
    assert_int_equal(sample.throttle_count, -1);
    assert_int_equal(sample.is_throttled, -1);
    assert_int_equal(sample.throttle_flags, -1);
    host_process_t process;
    host_process_read(root, 0, &process);
    assert_true(isnan(process.cpu_s));
    assert_int_equal(process.rss_bytes, 0);
}

static void
a_quota_bounds_the_usable_cores(void **state)
{
    (void)state;
    file("sys/devices/system/cpu/online", "0-3\n");
    file("proc/self/mountinfo", "30 25 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n");
    file("proc/self/cgroup", "0::/\n");
    file("sys/fs/cgroup/cgroup.procs", "");
    file("sys/fs/cgroup/cpu.max", "150000 100000\n");
    host_facts_t facts;
    host_facts_read(root, &facts);
    assert_true(fabs(facts.cores - 1.5) < 1e-9);
    assert_int_equal(facts.n_cpus, 4);
}

static void
this_host_and_process_are_described(void **state)
{
    (void)state;
    host_facts_t facts;
    host_facts_read("", &facts);
    assert_true(*facts.name && *facts.arch && strncmp(facts.kernel, "Linux ", 6) == 0);
    assert_true(facts.n_cpus >= 1);
    assert_true(facts.cores > 0 && facts.cores <= facts.n_cpus);
    assert_true(facts.memory_bytes > 1 << 20);
    host_process_t before, after;
    host_process_read("", 0, &before);
    for (volatile long n = 0; n < 200000000; n++)
        ;
    host_process_read("", 0, &after);
    assert_true(after.cpu_s > before.cpu_s);
    assert_true(after.rss_bytes > 100000 && after.rss_bytes <= after.rss_peak_bytes);
    assert_int_equal(after.n_threads, 1);
    host_process_t parent;
    host_process_read("", getppid(), &parent);
    assert_true(parent.rss_bytes >= 0);
}

#define ON_FAKE(test) cmocka_unit_test_setup_teardown(test, root_new, root_remove)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        ON_FAKE(a_raspberry_pi_is_described),
        ON_FAKE(a_desktop_is_described),
        ON_FAKE(the_processors_zone_is_preferred),
        ON_FAKE(what_a_host_does_not_tell_is_not_known),
        ON_FAKE(a_quota_bounds_the_usable_cores),
        cmocka_unit_test(this_host_and_process_are_described),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
