// Whatever an experiment file holds: read, planned and written back, or refused with a sentence.
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "runner/plan.h"
#include "runner/spec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

// What was read must be written as a text that reads back as the same.
static void
check_text(const experiment_t *experiment)
{
    char *text = experiment_text(experiment);
    diag_t *diag = diag_new();
    experiment_t again = {0};
    if (spec_read_text(text, "again", NULL, &again, diag) != 0)
        abort();
    char *same = experiment_text(&again);
    if (strcmp(text, same) != 0)
        abort();
    experiment_free(&again);
    diag_free(diag);
    free(same);
    free(text);
}

// libconfig 1.5 frees an unfinished string when the next text begins. Until then memory is out that libFuzzer would take
// for a leak: it would look for one after every syntax error, which is a hundred times slower than the reader.
static void
settle(void)
{
    diag_t *diag = diag_new();
    experiment_t nothing = {0};
    if (spec_read_text("", "nothing", NULL, &nothing, diag) == 0)
        experiment_free(&nothing);
    diag_free(diag);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    char *text = malloc(n + 1);
    memcpy(text, data, n);
    text[n] = 0;
    diag_t *diag = diag_new();
    experiment_t experiment = {0};
    if (spec_read_text(text, "fuzz", NULL, &experiment, diag) == 0) {
        plan_t *plan = plan_new(&experiment, 2, diag);
        if (plan)
            check_text(&plan->experiment);
        plan_free(plan);
        experiment_free(&experiment);
    } else {
        char *faults = diag_text(diag);
        if (!*faults)
            abort(); // refused without a word
        free(faults);
    }
    diag_free(diag);
    free(text);
    settle();
    return 0;
}
