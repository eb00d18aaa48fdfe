// What a resumed run reads back: checkpoints, rows, lines of the record channel, a role's standard
// input. The first byte says which of them the rest is.
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "plots/csv.h"
#include "runner/checkpoint.h"
#include "runner/envelope.h"
#include "runner/report.h"
#include "runner/run_keys.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

// Behind a head whose checksum is right, or nothing but the checksum would ever be tried.
static void
try_checkpoint(const char *bytes, size_t n)
{
    enum { HEAD_BYTES = 18 + 32 + 1 };
    char *whole = malloc(HEAD_BYTES + n + 1);
    XXH128_hash_t hash = XXH3_128bits(bytes, n);
    snprintf(whole, HEAD_BYTES + 1, "dmlx-checkpoint 1 %016" PRIx64 "%016" PRIx64 "\n",
             (uint64_t)hash.high64, (uint64_t)hash.low64);
    memcpy(whole + HEAD_BYTES, bytes, n);
    checkpoint_t state = {0};
    fault_t fault = {{0}};
    if (checkpoint_decode(whole, HEAD_BYTES + n, &state, &fault) == 0) {
        size_t n_again = 0;
        void *again = checkpoint_encode(&state, state.parameters, &n_again);
        checkpoint_t same = {0};
        if (checkpoint_decode(again, n_again, &same, &fault) != 0 || same.round != state.round)
            abort();
        checkpoint_free(&same);
        free(again);
    } else if (!fault.text[0]) {
        abort(); // refused without a word
    }
    checkpoint_free(&state);
    free(whole);
}

static void
try_rows(const char *bytes, size_t n)
{
    csv_t *csv = NULL;
    plots_error_t error = {{0}};
    if (csv_parse(bytes, n, "fuzz", &csv, &error) == PLOTS_OK)
        for (size_t row = 0; row < csv_rows(csv); row++)
            for (size_t column = 0; column < csv_columns(csv); column++)
                if (!csv_text(csv, row, (int)column))
                    abort();
    csv_free(&csv);
}

static void
try_record(const char *text, size_t n)
{
    report_t report;
    worker_row_t row;
    if (report_parse(text, n, &report) == 0)
        report_free(&report);
    worker_row_parse(text, &row);
}

static void
try_input(const char *text)
{
    static const char *const parts[] = {ENVELOPE_EXPERIMENT, ENVELOPE_KEYS, ENVELOPE_CHECKPOINT};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        envelope_wipe(envelope_part(text, parts[i]));
    fault_t fault = {{0}};
    keys_free(run_keys_parse(text, &fault));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    if (n == 0)
        return 0;
    char *text = malloc(n);
    memcpy(text, data + 1, n - 1);
    text[n - 1] = 0;
    switch (data[0] % 4) {
    case 0:
        try_checkpoint(text, n - 1);
        break;
    case 1:
        try_rows(text, n - 1);
        break;
    case 2:
        try_record(text, n - 1);
        break;
    default:
        try_input(text);
    }
    free(text);
    return 0;
}
