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
    int is_throttled;                // held back by heat or a weak supply; -1 where it is not told
    char limit[16];                  // how a CPU limit is set: "cgroup v1"; "" when it cannot be
    char limit_fault[SURVEY_TEXT_BYTES];
    bool is_port_free; // cluster.port and the next one; true for port 0
    char data_xxh128[33];
    char data_fault[SURVEY_TEXT_BYTES]; // why there is none
    double clock_s;                     // seconds since 1970, when it answered
} host_survey_t;

// Looks at this host. `data_name` and `data_folder` as data_find takes them. Takes about as long as
// reading the data set.
void host_survey_make(const char *data_name, const char *data_folder, long port,
                      host_survey_t *survey);

// As one line of JSON; the caller frees it.
char *host_survey_text(const host_survey_t *survey);

// Reads it back. -1 when the text is no survey; `survey` is untouched then.
int host_survey_parse(const char *text, host_survey_t *survey);

#endif
