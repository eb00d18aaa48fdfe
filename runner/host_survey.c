#include "runner/host_survey.h"

#include <arpa/inet.h>
#include <jansson.h>
#include <math.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "engine/dataset.h"
#include "runner/data_find.h"
#include "runner/data_store.h"
#include "runner/limits.h"
#include "runner/version.h"

static bool
port_is_free(long port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int yes = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    bool is_free = fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof address) == 0;
    if (fd >= 0)
        close(fd);
    return is_free;
}

static void
look_at_data(const char *name, const char *folder, host_survey_t *survey)
{
    fault_t fault = {{0}};
    dataset_t *set = NULL;
    char *found = data_find(name, folder, &fault);
    if (found && data_open(&set, found, &fault) == 0) {
        dataset_checksum(set, survey->data_xxh128);
        dataset_close(&set);
    } else {
        snprintf(survey->data_fault, sizeof survey->data_fault, "%.500s", fault.text);
    }
    free(found);
}

void
host_survey_make(const char *data_name, const char *data_folder, long port, host_survey_t *survey)
{
    static const char *const kinds[] = {
        [LIMITS_V1] = "cgroup v1", [LIMITS_V2] = "cgroup v2", [LIMITS_SCOPE] = "systemd"};
    *survey = (host_survey_t){.is_port_free = true};
    snprintf(survey->version, sizeof survey->version, "%s", version_text());
    host_facts_read("", &survey->facts);
    host_sample_t sample;
    host_sample_read("", &sample);
    survey->temperature_c = sample.temperature_c;
    survey->clock_mhz = sample.clock_mhz;
    survey->is_throttled = sample.is_throttled;
    fault_t why = {{0}};
    limits_host_t host;
    if (limits_available(&why) && limits_probe("", &host, &why) == 0)
        snprintf(survey->limit, sizeof survey->limit, "%s", kinds[host.kind]);
    else
        snprintf(survey->limit_fault, sizeof survey->limit_fault, "%.500s", why.text);
    if (port > 0)
        survey->is_port_free = port_is_free(port) && port_is_free(port + 1);
    if (data_name)
        look_at_data(data_name, data_folder, survey);
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    survey->clock_s = (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static json_t *
number(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

char *
host_survey_text(const host_survey_t *survey)
{
    const host_facts_t *facts = &survey->facts;
    json_t *object = json_pack(
        "{s:s, s:s, s:s, s:s, s:s, s:s, s:i, s:o, s:I, s:o, s:o, s:o, s:i, s:s, s:s, s:b, s:s, "
        "s:s, s:f}",
        "version", survey->version, "name", facts->name, "cpu", facts->cpu, "arch", facts->arch,
        "kernel", facts->kernel, "governor", facts->governor, "n_cpus", facts->n_cpus, "cores",
        number(facts->cores), "memory_bytes", (json_int_t)facts->memory_bytes, "clock_mhz_max",
        number(facts->clock_mhz_max), "temperature_c", number(survey->temperature_c), "clock_mhz",
        number(survey->clock_mhz), "is_throttled", survey->is_throttled, "limit", survey->limit,
        "limit_fault", survey->limit_fault, "is_port_free", survey->is_port_free, "data_xxh128",
        survey->data_xxh128, "data_fault", survey->data_fault, "clock_s", survey->clock_s);
    char *text = json_dumps(object, JSON_COMPACT);
    json_decref(object);
    return text;
}

static void
take_text(const json_t *object, const char *name, char *text, size_t n_bytes)
{
    const char *value = json_string_value(json_object_get(object, name));
    snprintf(text, n_bytes, "%.*s", (int)n_bytes - 1, value ? value : "");
}

static double
take_number(const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);
    return json_is_number(value) ? json_number_value(value) : NAN;
}

int
host_survey_parse(const char *text, host_survey_t *survey)
{
    json_t *object = json_loads(text, JSON_DISABLE_EOF_CHECK, NULL);
    if (!json_is_string(json_object_get(object, "version"))) {
        json_decref(object);
        return -1;
    }
    host_facts_t *facts = &survey->facts;
    take_text(object, "version", survey->version, sizeof survey->version);
    take_text(object, "name", facts->name, sizeof facts->name);
    take_text(object, "cpu", facts->cpu, sizeof facts->cpu);
    take_text(object, "arch", facts->arch, sizeof facts->arch);
    take_text(object, "kernel", facts->kernel, sizeof facts->kernel);
    take_text(object, "governor", facts->governor, sizeof facts->governor);
    facts->n_cpus = (int)json_integer_value(json_object_get(object, "n_cpus"));
    facts->cores = take_number(object, "cores");
    facts->memory_bytes = json_integer_value(json_object_get(object, "memory_bytes"));
    facts->clock_mhz_max = take_number(object, "clock_mhz_max");
    survey->temperature_c = take_number(object, "temperature_c");
    survey->clock_mhz = take_number(object, "clock_mhz");
    survey->is_throttled = (int)json_integer_value(json_object_get(object, "is_throttled"));
    take_text(object, "limit", survey->limit, sizeof survey->limit);
    take_text(object, "limit_fault", survey->limit_fault, sizeof survey->limit_fault);
    survey->is_port_free = json_is_true(json_object_get(object, "is_port_free"));
    take_text(object, "data_xxh128", survey->data_xxh128, sizeof survey->data_xxh128);
    take_text(object, "data_fault", survey->data_fault, sizeof survey->data_fault);
    survey->clock_s = take_number(object, "clock_s");
    json_decref(object);
    return 0;
}
