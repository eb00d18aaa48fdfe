#include "runner/checkpoint.h"

#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <sha2.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "runner/memory.h"
#include "runner/text.h"

static const char head[] = "dmlx-checkpoint 1 ";

enum {
    HASH_DIGITS = 32,
    HEAD_BYTES = sizeof head - 1 + HASH_DIGITS + 1, // with its line end
    REAL_DIGITS = 17                                // a double comes back as it was
};

// The format says little-endian, and so is every machine this runs on.
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "floats would have to be turned round");

void
checkpoint_free(checkpoint_t *checkpoint)
{
    free(checkpoint->sums);
    free(checkpoint->parameters);
    free(checkpoint->velocities);
    free(checkpoint->server_velocity);
    *checkpoint = (checkpoint_t){0};
}

static void
hash_text(const void *bytes, size_t n_bytes, char text[HASH_DIGITS + 1])
{
    XXH128_hash_t hash = XXH3_128bits(bytes, n_bytes);
    snprintf(text, HASH_DIGITS + 1, "%016" PRIx64 "%016" PRIx64, (uint64_t)hash.high64,
             (uint64_t)hash.low64);
}

// A number that is not known is null in JSON.
static json_t *
real(double number)
{
    return isfinite(number) ? json_real(number) : json_null();
}

static double
number_of(const json_t *value)
{
    return json_is_number(value) ? json_number_value(value) : NAN;
}

static json_t *
facts_json(const checkpoint_t *checkpoint)
{
    json_t *sums = json_array();
    for (int rank = 0; rank < checkpoint->nodes; rank++) {
        const checkpoint_sums_t *sum = &checkpoint->sums[rank];
        json_array_append_new(sums, json_pack("[o,o,o,o]", real(sum->compute_s), real(sum->cpu_s),
                                              real(sum->throttled_s), real(sum->cores_limit)));
    }
    return json_pack(
        "{s:s,s:s,s:i,s:i,s:i,s:o,s:o,s:o,s:I,s:I,s:I,s:I,s:b,s:b,s:o}", "attempt",
        checkpoint->attempt, "experiment", checkpoint->experiment, "round", checkpoint->round,
        "rounds", checkpoint->rounds, "parts", checkpoint->parts, "t_s", real(checkpoint->t_s),
        "train_loss", real(checkpoint->train_loss), "time_to_accuracy_s",
        real(checkpoint->time_to_accuracy_s), "samples", (json_int_t)checkpoint->samples,
        "sent_bytes", (json_int_t)checkpoint->sent_bytes, "received_bytes",
        (json_int_t)checkpoint->received_bytes, "n_parameters",
        (json_int_t)checkpoint->n_parameters, "has_velocities", checkpoint->velocities != NULL,
        "has_server_velocity", checkpoint->server_velocity != NULL, "sums", sums);
}

void *
checkpoint_encode(const checkpoint_t *checkpoint, const float *parameters, size_t *n_bytes)
{
    text_t text = {0};
    char hash[HASH_DIGITS + 1];
    size_t n_block = checkpoint->n_parameters * sizeof(float);
    json_t *facts = facts_json(checkpoint);
    char *line = json_dumps(facts, JSON_COMPACT | JSON_REAL_PRECISION(REAL_DIGITS));
    json_decref(facts);
    text_add(&text, "%s%0*d\n%s\n", head, HASH_DIGITS, 0, line ? line : "");
    free(line);
    text_add_bytes(&text, (const char *)parameters, n_block);
    if (checkpoint->velocities)
        text_add_bytes(&text, (const char *)checkpoint->velocities,
                       (size_t)checkpoint->nodes * n_block);
    if (checkpoint->server_velocity)
        text_add_bytes(&text, (const char *)checkpoint->server_velocity,
                       checkpoint->n_parameters * sizeof(double));
    hash_text(text.bytes + HEAD_BYTES, text.n_bytes - HEAD_BYTES, hash);
    memcpy(text.bytes + sizeof head - 1, hash, HASH_DIGITS);
    *n_bytes = text.n_bytes;
    return text_take(&text);
}

static int
text_of(const json_t *facts, const char *key, char *text, size_t n_bytes)
{
    const char *value = json_string_value(json_object_get(facts, key));
    if (!value || strlen(value) >= n_bytes)
        return -1;
    strcpy(text, value);
    return 0;
}

static int64_t
count_of(const json_t *facts, const char *key)
{
    const json_t *value = json_object_get(facts, key);
    return json_is_integer(value) ? json_integer_value(value) : -1;
}

static bool
is_between(int64_t number, int64_t min, int64_t max)
{
    return number >= min && number <= max;
}

// What follows the facts.
typedef struct parts {
    bool has_velocities, has_server_velocity;
} parts_t;

// Takes the facts over; false when one is missing or cannot be.
static bool
read_facts(const json_t *facts, checkpoint_t *checkpoint, parts_t *has)
{
    const json_t *sums = json_object_get(facts, "sums");
    int64_t round = count_of(facts, "round"), rounds = count_of(facts, "rounds");
    int64_t parts = count_of(facts, "parts"), n = count_of(facts, "n_parameters");
    size_t nodes = json_array_size(sums);
    if (text_of(facts, "attempt", checkpoint->attempt, sizeof checkpoint->attempt) != 0 ||
        text_of(facts, "experiment", checkpoint->experiment, sizeof checkpoint->experiment) != 0 ||
        !is_between(rounds, 1, INT32_MAX) || !is_between(round, 1, rounds) ||
        !is_between(parts, 1, INT32_MAX) || !is_between(n, 1, INT32_MAX) || nodes < 1 ||
        nodes > CHECKPOINT_WORKERS_MAX || !json_is_number(json_object_get(facts, "t_s")))
        return false;
    checkpoint->round = (int)round;
    checkpoint->rounds = (int)rounds;
    checkpoint->parts = (int)parts;
    checkpoint->n_parameters = (size_t)n;
    checkpoint->nodes = (int)nodes;
    checkpoint->t_s = number_of(json_object_get(facts, "t_s"));
    checkpoint->train_loss = number_of(json_object_get(facts, "train_loss"));
    checkpoint->time_to_accuracy_s = number_of(json_object_get(facts, "time_to_accuracy_s"));
    checkpoint->samples = count_of(facts, "samples");
    checkpoint->sent_bytes = count_of(facts, "sent_bytes");
    checkpoint->received_bytes = count_of(facts, "received_bytes");
    has->has_velocities = json_is_true(json_object_get(facts, "has_velocities"));
    has->has_server_velocity = json_is_true(json_object_get(facts, "has_server_velocity"));
    checkpoint->sums = memory_new(nodes * sizeof *checkpoint->sums);
    for (size_t rank = 0; rank < nodes; rank++) {
        const json_t *sum = json_array_get(sums, rank);
        checkpoint->sums[rank] = (checkpoint_sums_t){
            number_of(json_array_get(sum, 0)), number_of(json_array_get(sum, 1)),
            number_of(json_array_get(sum, 2)), number_of(json_array_get(sum, 3))};
    }
    return true;
}

// A copy of n floats; NULL when one of them is not finite.
static float *
take_floats(const char *bytes, size_t n)
{
    float *floats = memory_new(n * sizeof *floats);
    memcpy(floats, bytes, n * sizeof *floats);
    for (size_t i = 0; i < n; i++)
        if (!isfinite(floats[i])) {
            free(floats);
            return NULL;
        }
    return floats;
}

static double *
take_doubles(const char *bytes, size_t n)
{
    double *doubles = memory_new(n * sizeof *doubles);
    memcpy(doubles, bytes, n * sizeof *doubles);
    for (size_t i = 0; i < n; i++)
        if (!isfinite(doubles[i])) {
            free(doubles);
            return NULL;
        }
    return doubles;
}

// The numbers behind the facts, if there are as many as they say.
static const char *
read_numbers(const char *bytes, size_t n_bytes, const parts_t *has, checkpoint_t *checkpoint)
{
    size_t n = checkpoint->n_parameters, nodes = (size_t)checkpoint->nodes;
    size_t n_floats = n * (has->has_velocities ? nodes + 1 : 1);
    size_t n_doubles = has->has_server_velocity ? n : 0;
    if (n_floats * sizeof(float) + n_doubles * sizeof(double) != n_bytes)
        return "it has not as many numbers as it says";
    checkpoint->parameters = take_floats(bytes, n);
    if (has->has_velocities)
        checkpoint->velocities = take_floats(bytes + n * sizeof(float), nodes * n);
    if (has->has_server_velocity)
        checkpoint->server_velocity = take_doubles(bytes + n_floats * sizeof(float), n);
    if (!checkpoint->parameters || (has->has_velocities && !checkpoint->velocities) ||
        (has->has_server_velocity && !checkpoint->server_velocity))
        return "it has a number that is not finite";
    return NULL;
}

static const char *
decode(const char *text, size_t n_bytes, checkpoint_t *checkpoint)
{
    char hash[HASH_DIGITS + 1];
    if (n_bytes < HEAD_BYTES || memcmp(text, head, sizeof head - 1) != 0 ||
        text[HEAD_BYTES - 1] != '\n')
        return "it is not a checkpoint of this version";
    hash_text(text + HEAD_BYTES, n_bytes - HEAD_BYTES, hash);
    if (memcmp(text + sizeof head - 1, hash, HASH_DIGITS) != 0)
        return "it was cut short or changed";
    const char *line = text + HEAD_BYTES;
    const char *end = memchr(line, '\n', n_bytes - HEAD_BYTES);
    json_t *facts =
        end ? json_loadb(line, (size_t)(end - line), JSON_REJECT_DUPLICATES, NULL) : NULL;
    parts_t has = {0};
    bool is_known = facts && read_facts(facts, checkpoint, &has);
    json_decref(facts);
    if (!is_known)
        return "its facts are not those of a checkpoint";
    return read_numbers(end + 1, (size_t)(text + n_bytes - (end + 1)), &has, checkpoint);
}

int
checkpoint_decode(const void *bytes, size_t n_bytes, checkpoint_t *checkpoint, fault_t *fault)
{
    checkpoint_t read = {0};
    const char *why = decode(bytes, n_bytes, &read);
    if (!why) {
        *checkpoint = read;
        return 0;
    }
    checkpoint_free(&read);
    fault_set(fault, "%s", why);
    return -1;
}

void
checkpoint_experiment(const char *text, char sha256[65])
{
    SHA256Data((const uint8_t *)text, strlen(text), sha256);
}
