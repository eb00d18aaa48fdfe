// host_survey.h — what a host is able to do for a run, as the host itself finds out.
//
// `dmlx doctor --facts` prints it as one JSON object, on the host; `dmlx doctor` and the launcher
// ssh read it back here, from every host at once.
#ifndef RUNNER_HOST_SURVEY_H
#define RUNNER_HOST_SURVEY_H

#include <stdbool.h>

#include "runner/host_facts.h"

enum { SURVEY_TEXT_BYTES = 512 };

typedef struct host_survey {
    char version[32];
    host_facts_t facts;
    double temperature_c, clock_mhz; // NAN where the host does not tell
    int throttle_flags;              // of a Pi's firmware (host_sample_t); -1 where it is not told
    char limit[16];                  // how a CPU limit is set: "cgroup v1"; "" when it cannot be
    char limit_fault[SURVEY_TEXT_BYTES];
    char limited_by[16];          // under what it looked: "cgroup v1"; "" where nothing limits CPU
    double limited_cores;         // the tightest limit around it; 0 where nothing limits CPU
    int64_t limited_memory_bytes; // 0 where nothing limits memory
    char engine[48];  // container engine that answers: "docker 20.10.24"; "" for none, or not asked
    char registry[8]; // whether the registry is reached from there: "yes", "no"; "" when not asked
    bool is_port_free; // cluster.port and the next one; true for port 0
    char data_xxh128[33];
    char data_fault[SURVEY_TEXT_BYTES]; // why there is none
    double clock_s;                     // seconds since 1970, when it began to look
} host_survey_t;

typedef struct survey_question {
    const char *data_name, *data_folder; // as data_find takes them; name NULL: no look at data
    long port;                           // 0: any will do
    bool is_about_engines;
    const char *registry;          // "registry:5000"; NULL or "": none
    double cpu_limit;              // real cores, of what is started somewhere to ask; 0: none
    const char *run_id;            // keeper_run_id, for what has to be started somewhere to ask
    void (*say)(const char *text); // as of launch_need_t
} survey_question_t;

// Looks at this host. Takes about as long as reading the data set.
void host_survey_make(const survey_question_t *question, host_survey_t *survey);

// Whether somebody could listen at the port and the next one, the pair that a coordinator takes.
bool host_ports_are_free(long port);

// As one line of JSON; the caller frees it.
char *host_survey_text(const host_survey_t *survey);

// Reads it back. -1 when the text is no survey; `survey` is untouched then.
int host_survey_parse(const char *text, host_survey_t *survey);

#endif
