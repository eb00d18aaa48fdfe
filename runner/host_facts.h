// host_facts.h — what a host is, and how it fares: for HELLO, the manifest and the rows.
//
// Facts hold for as long as the host is up; a sample is of this moment. What a host does not tell
// is an empty text, 0 for a count, NAN for a measure, -1 for a yes or no. Nothing here fails.
// `root` is what every path starts with: "" for the host itself, a folder that imitates one in
// tests.
#ifndef RUNNER_HOST_FACTS_H
#define RUNNER_HOST_FACTS_H

#include <stdint.h>
#include <sys/types.h>

typedef struct host_facts {
    char name[256];       // host name
    char cpu[128];        // "AMD EPYC", "Raspberry Pi 4 Model B Rev 1.4"
    char arch[32];        // "x86_64", "aarch64"
    char kernel[128];     // "Linux 6.1.0-18-amd64"
    char governor[32];    // "performance", "ondemand": of the first core
    int n_cpus;           // that are online
    double cores;         // that we may use: by affinity, and by the quota we live under
    int64_t memory_bytes; // of the host
    double clock_mhz_max; // what the governor may reach
} host_facts_t;

typedef struct host_sample {
    double temperature_c;      // of the processor
    double clock_mhz;          // mean over the cores, now
    double load;               // one-minute load average
    double steal_s;            // CPU time the hypervisor gave to others, since boot, all cores
    double busy_s;             // CPU time in use by anybody, since boot, all cores
    int64_t throttle_count;    // thermal throttling events since boot; -1
    int is_throttled;          // the host holds its clock back now (heat, weak supply); -1
    int throttle_flags;        // a Raspberry Pi's, as its firmware tells them: 0x50005; -1
    int64_t memory_free_bytes; // that a new process could have
} host_sample_t;

typedef struct host_process {
    double cpu_s;      // user and system time of a process, its ended children left out
    int64_t rss_bytes; // resident memory
    int64_t rss_peak_bytes;
    int n_threads;
} host_process_t;

void host_facts_read(const char *root, host_facts_t *facts);

// Opens a dozen files at most: cheap enough once a round, not in a loop over batches.
void host_sample_read(const char *root, host_sample_t *sample);

// `pid` 0 is the caller. All fields not known when there is no such process.
void host_process_read(const char *root, pid_t pid, host_process_t *process);

#endif
