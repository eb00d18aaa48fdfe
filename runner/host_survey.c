#include "runner/host_survey.h"

#include <arpa/inet.h>
#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "engine/dataset.h"
#include "runner/container.h"
#include "runner/data_find.h"
#include "runner/data_store.h"
#include "runner/limits.h"
#include "runner/version.h"

enum { ENGINE_LIMIT_MS = 5000, CONNECT_LIMIT_MS = 3000 };

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

bool
host_ports_are_free(long port)
{
    return port <= 0 || (port_is_free(port) && port_is_free(port + 1));
}

// The first engine that answers, with the version of its server.
static void
look_for_engine(host_survey_t *survey)
{
    static const char *const programs[] = {"docker", "podman"};
    static const char *const formats[] = {"{{.Server.Version}}", "{{.Client.Version}}"};
    for (int i = 0; i < 2 && !*survey->engine; i++) {
        container_engine_t engine = {.program = programs[i], .context = ""};
        const char *words[] = {"version", "--format", formats[i], NULL};
        char *version = NULL;
        fault_t why;
        if (container_call(&engine, words, NULL, ENGINE_LIMIT_MS, &version, &why) == 0) {
            int n_version = (int)strcspn(version, "+-"); // without the packager's suffix
            snprintf(survey->engine, sizeof survey->engine, "%s %.*s", programs[i], n_version,
                     version);
        }
        free(version);
    }
}

// Whether a connection to HOST:PORT comes about in time.
static bool
is_reached(const char *place)
{
    char host[256];
    const char *colon = strrchr(place, ':');
    snprintf(host, sizeof host, "%.*s", (int)(colon ? colon - place : (long)strlen(place)), place);
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM}, *found = NULL;
    if (getaddrinfo(host, colon ? colon + 1 : "443", &hints, &found) != 0)
        return false;
    int fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int reason = 0;
    socklen_t n = sizeof reason;
    struct pollfd connected = {.fd = fd, .events = POLLOUT};
    bool is_open =
        fd >= 0 && (connect(fd, found->ai_addr, found->ai_addrlen) == 0 ||
                    (errno == EINPROGRESS && poll(&connected, 1, CONNECT_LIMIT_MS) == 1 &&
                     getsockopt(fd, SOL_SOCKET, SO_ERROR, &reason, &n) == 0 && reason == 0));
    if (fd >= 0)
        close(fd);
    freeaddrinfo(found);
    return is_open;
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

static const char *const limit_kinds[] = {
    [LIMITS_V1] = "cgroup v1", [LIMITS_V2] = "cgroup v2", [LIMITS_SCOPE] = "systemd"};

// What limits can be set here, and which are set on us.
static void
look_at_limits(host_survey_t *survey)
{
    fault_t why = {{0}};
    limits_host_t host;
    limits_group_t around;
    if (limits_current("", &around, NULL) == 0 && around.cores > 0) {
        strcpy(survey->limited_by, limit_kinds[around.kind]);
        survey->limited_cores = around.cores;
    }
    survey->limited_memory_bytes = limits_memory("");
    if (limits_available(&why) && limits_probe("", &host, &why) == 0)
        snprintf(survey->limit, sizeof survey->limit, "%s", limit_kinds[host.kind]);
    else
        snprintf(survey->limit_fault, sizeof survey->limit_fault, "%.500s", why.text);
}

void
host_survey_make(const survey_question_t *question, host_survey_t *survey)
{
    struct timespec now;
    *survey = (host_survey_t){.is_port_free = true};
    clock_gettime(CLOCK_REALTIME, &now);
    survey->clock_s = (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
    snprintf(survey->version, sizeof survey->version, "%s", version_text());
    host_facts_read("", &survey->facts);
    host_sample_t sample;
    host_sample_read("", &sample);
    survey->temperature_c = sample.temperature_c;
    survey->clock_mhz = sample.clock_mhz;
    survey->throttle_flags = sample.throttle_flags;
    look_at_limits(survey);
    survey->is_port_free = host_ports_are_free(question->port);
    if (question->is_about_engines)
        look_for_engine(survey);
    if (question->registry && *question->registry)
        strcpy(survey->registry, is_reached(question->registry) ? "yes" : "no");
    if (question->data_name)
        look_at_data(question->data_name, question->data_folder, survey);
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
        "{s:s, s:s, s:s, s:s, s:s, s:s, s:i, s:o, s:I, s:o, s:o, s:o, s:i, s:s, s:s, s:s, s:f, "
        "s:I, s:b, s:s, s:s, s:f, s:s, s:s}",
        "version", survey->version, "name", facts->name, "cpu", facts->cpu, "arch", facts->arch,
        "kernel", facts->kernel, "governor", facts->governor, "n_cpus", facts->n_cpus, "cores",
        number(facts->cores), "memory_bytes", (json_int_t)facts->memory_bytes, "clock_mhz_max",
        number(facts->clock_mhz_max), "temperature_c", number(survey->temperature_c), "clock_mhz",
        number(survey->clock_mhz), "throttle_flags", survey->throttle_flags, "limit", survey->limit,
        "limit_fault", survey->limit_fault, "limited_by", survey->limited_by, "limited_cores",
        survey->limited_cores, "limited_memory_bytes", (json_int_t)survey->limited_memory_bytes,
        "is_port_free", survey->is_port_free, "data_xxh128", survey->data_xxh128, "data_fault",
        survey->data_fault, "clock_s", survey->clock_s, "engine", survey->engine, "registry",
        survey->registry);
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
    survey->throttle_flags = (int)json_integer_value(json_object_get(object, "throttle_flags"));
    take_text(object, "limit", survey->limit, sizeof survey->limit);
    take_text(object, "limit_fault", survey->limit_fault, sizeof survey->limit_fault);
    take_text(object, "limited_by", survey->limited_by, sizeof survey->limited_by);
    survey->limited_cores = json_number_value(json_object_get(object, "limited_cores"));
    survey->limited_memory_bytes =
        json_integer_value(json_object_get(object, "limited_memory_bytes"));
    survey->is_port_free = json_is_true(json_object_get(object, "is_port_free"));
    take_text(object, "data_xxh128", survey->data_xxh128, sizeof survey->data_xxh128);
    take_text(object, "data_fault", survey->data_fault, sizeof survey->data_fault);
    survey->clock_s = take_number(object, "clock_s");
    take_text(object, "engine", survey->engine, sizeof survey->engine);
    take_text(object, "registry", survey->registry, sizeof survey->registry);
    json_decref(object);
    return 0;
}
