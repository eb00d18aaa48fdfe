#define _GNU_SOURCE // sched_getaffinity
#include "runner/host_facts.h"

#include <math.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "runner/kernel_file.h"
#include "runner/limits.h"

enum { FILE_BYTES = 32 << 10, CPUS_MAX = 1024, ZONES_MAX = 64, KIB = 1024 };

static const double kilo = 1e3;

// --- what a host is ------------------------------------------------------------------------------

// The text behind "key<tabs>: " in /proc/cpuinfo; "" when there is none.
static void
cpuinfo_text(const char *text, const char *key, char *value, size_t n_bytes)
{
    size_t n_key = strlen(key);
    *value = 0;
    for (const char *line = text; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        size_t n_blank = strncmp(line, key, n_key) == 0 ? strspn(line + n_key, " \t") : 0;
        if (strncmp(line, key, n_key) != 0 || line[n_key + n_blank] != ':')
            continue;
        const char *start = line + n_key + n_blank + 1;
        start += strspn(start, " \t");
        snprintf(value, n_bytes, "%.*s", (int)strcspn(start, "\n"), start);
        return;
    }
}

// x86 names its model in /proc/cpuinfo; an ARM board names itself, there or in its device tree,
// which says more than its processor's number would.
static void
read_cpu(const char *root, char *cpu, size_t n_bytes)
{
    char text[FILE_BYTES];
    kernel_file_read(root, "/proc/cpuinfo", text, sizeof text);
    const char *keys[] = {"model name", "Model", "Hardware", "cpu model"};
    *cpu = 0;
    for (size_t i = 0; i < sizeof keys / sizeof *keys && !*cpu; i++)
        cpuinfo_text(text, keys[i], cpu, n_bytes);
    if (!*cpu)
        kernel_file_read(root, "/proc/device-tree/model", cpu, n_bytes);
}

static int
online_cpus(const char *root)
{
    // "0-3" or "0,2-3"
    char text[256];
    if (kernel_file_read(root, "/sys/devices/system/cpu/online", text, sizeof text) != 0)
        return *root ? 0 : (int)sysconf(_SC_NPROCESSORS_ONLN);
    int n = 0;
    for (char *at = text; *at; at += *at == ',') {
        long first = strtol(at, &at, 10), last = *at == '-' ? strtol(at + 1, &at, 10) : first;
        n += (int)(last - first + 1);
        at += strcspn(at, ",");
    }
    return n;
}

static double
usable_cores(const char *root, int n_cpus)
{
    double cores = n_cpus;
    cpu_set_t set;
    if (!*root && sched_getaffinity(0, sizeof set, &set) == 0)
        cores = CPU_COUNT(&set);
    limits_group_t group;
    if (limits_current(root, &group, NULL) == 0 && group.cores > 0 && group.cores < cores)
        cores = group.cores;
    return cores;
}

void
host_facts_read(const char *root, host_facts_t *facts)
{
    *facts = (host_facts_t){.clock_mhz_max = NAN};
    struct utsname system;
    if (uname(&system) == 0) {
        snprintf(facts->name, sizeof facts->name, "%s", system.nodename);
        snprintf(facts->arch, sizeof facts->arch, "%.31s", system.machine);
        snprintf(facts->kernel, sizeof facts->kernel, "%.32s %.90s", system.sysname,
                 system.release);
    }
    read_cpu(root, facts->cpu, sizeof facts->cpu);
    const char *frequency = "/sys/devices/system/cpu/cpu0/cpufreq";
    char folder[1024];
    snprintf(folder, sizeof folder, "%.900s%s", root, frequency);
    kernel_file_read(folder, "scaling_governor", facts->governor, sizeof facts->governor);
    facts->clock_mhz_max = kernel_file_number(folder, "cpuinfo_max_freq", NAN) / kilo;
    facts->n_cpus = online_cpus(root);
    facts->cores = usable_cores(root, facts->n_cpus);
    double kib = kernel_file_field(root, "/proc/meminfo", "MemTotal", 0);
    facts->memory_bytes = (int64_t)kib * KIB;
}

// --- how it fares --------------------------------------------------------------------------------

// Zones by name, the one that says most of the processor first.
static double
read_temperature(const char *root)
{
    static const char *const wanted[] = {"x86_pkg_temp", "cpu-thermal", "cpu_thermal",
                                         "soc_thermal",  "cpu",         "acpitz"};
    double found = NAN;
    size_t best = sizeof wanted / sizeof *wanted + 1;
    for (int zone = 0; zone < ZONES_MAX; zone++) {
        char folder[1024], type[64];
        snprintf(folder, sizeof folder, "%.900s/sys/class/thermal/thermal_zone%d", root, zone);
        if (kernel_file_read(folder, "type", type, sizeof type) != 0)
            break;
        size_t rank = 0;
        while (rank < sizeof wanted / sizeof *wanted && strcmp(type, wanted[rank]) != 0)
            rank++;
        double value = kernel_file_number(folder, "temp", NAN);
        if (isfinite(value) && rank < best) {
            best = rank;
            found = value / kilo;
        }
    }
    return found;
}

// Drivers of sensors that are no thermal zone: AMD's and Intel's desktop processors.
static double
read_sensor(const char *root)
{
    for (int sensor = 0; sensor < ZONES_MAX; sensor++) {
        char folder[1024], name[64];
        snprintf(folder, sizeof folder, "%.900s/sys/class/hwmon/hwmon%d", root, sensor);
        if (kernel_file_read(folder, "name", name, sizeof name) != 0)
            break;
        if (strcmp(name, "k10temp") == 0 || strcmp(name, "coretemp") == 0)
            return kernel_file_number(folder, "temp1_input", NAN) / kilo;
    }
    return NAN;
}

// Mean over the cores, by cpufreq, else as /proc/cpuinfo has it.
static double
read_clock(const char *root)
{
    double sum = 0;
    int n = 0;
    for (int cpu = 0; cpu < CPUS_MAX; cpu++) {
        char folder[1024];
        snprintf(folder, sizeof folder, "%.900s/sys/devices/system/cpu/cpu%d/cpufreq", root, cpu);
        double khz = kernel_file_number(folder, "scaling_cur_freq", NAN);
        if (!isfinite(khz))
            break;
        sum += khz;
        n++;
    }
    if (n > 0)
        return sum / n / kilo;
    return kernel_file_field(root, "/proc/cpuinfo", "cpu MHz", NAN);
}

// The line "cpu  user nice system idle iowait irq softirq steal …" in clock ticks.
static void
read_times(const char *root, host_sample_t *sample)
{
    char text[512];
    double t[8] = {0};
    kernel_file_read(root, "/proc/stat", text, sizeof text);
    if (sscanf(text, "cpu %lf %lf %lf %lf %lf %lf %lf %lf", &t[0], &t[1], &t[2], &t[3], &t[4],
               &t[5], &t[6], &t[7]) != 8)
        return;
    double ticks_a_s = (double)sysconf(_SC_CLK_TCK);
    sample->busy_s = (t[0] + t[1] + t[2] + t[5] + t[6]) / ticks_a_s;
    sample->steal_s = t[7] / ticks_a_s;
}

// A Raspberry Pi's firmware: bits 0 to 3 are under-voltage, clock held, throttled, hot, now.
static void
read_throttling(const char *root, host_sample_t *sample)
{
    char text[64];
    if (kernel_file_read(root, "/sys/devices/platform/soc/soc:firmware/get_throttled", text,
                         sizeof text) == 0)
        sample->throttle_flags = (int)strtoul(text, NULL, 16);
    if (sample->throttle_flags >= 0)
        sample->is_throttled = (sample->throttle_flags & 0xf) != 0;
    sample->throttle_count = (int64_t)kernel_file_number(
        root, "/sys/devices/system/cpu/cpu0/thermal_throttle/package_throttle_count", -1);
}

void
host_sample_read(const char *root, host_sample_t *sample)
{
    *sample = (host_sample_t){.load = kernel_file_number(root, "/proc/loadavg", NAN),
                              .temperature_c = read_temperature(root),
                              .clock_mhz = read_clock(root),
                              .steal_s = NAN,
                              .busy_s = NAN,
                              .throttle_count = -1,
                              .is_throttled = -1,
                              .throttle_flags = -1};
    if (!isfinite(sample->temperature_c))
        sample->temperature_c = read_sensor(root);
    read_times(root, sample);
    read_throttling(root, sample);
    double kib = kernel_file_field(root, "/proc/meminfo", "MemAvailable", 0);
    sample->memory_free_bytes = (int64_t)kib * KIB;
}

void
host_process_read(const char *root, pid_t pid, host_process_t *process)
{
    char folder[1024], text[1024];
    *process = (host_process_t){.cpu_s = NAN};
    if (pid == 0)
        snprintf(folder, sizeof folder, "%.900s/proc/self", root);
    else
        snprintf(folder, sizeof folder, "%.900s/proc/%d", root, (int)pid);
    kernel_file_read(folder, "stat", text, sizeof text);
    const char *after_name = strrchr(text, ')');
    double user, system;
    if (after_name && sscanf(after_name, ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lf %lf",
                             &user, &system) == 2)
        process->cpu_s = (user + system) / (double)sysconf(_SC_CLK_TCK);
    process->rss_bytes = (int64_t)kernel_file_field(folder, "status", "VmRSS", 0) * KIB;
    process->rss_peak_bytes = (int64_t)kernel_file_field(folder, "status", "VmHWM", 0) * KIB;
    process->n_threads = (int)kernel_file_field(folder, "status", "Threads", 0);
}
