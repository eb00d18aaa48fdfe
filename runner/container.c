#include "runner/container.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "runner/keeper.h"
#include "runner/limits.h"
#include "runner/memory.h"
#include "runner/process.h"
#include "runner/signals.h"
#include "runner/text.h"
#include "runner/version.h"

enum { WORDS_MAX = 128, PAUSE_MS = 100 };

// Reads the process's output to its end. False when the time was over, or, where a signal ends
// the call, when one came.
static bool
read_output(process_t *process, bool ends_on_signal, long long until_ms, text_t *text)
{
    for (;;) {
        char bytes[4096];
        long long left_ms = until_ms - process_clock_ms();
        struct pollfd fds[2] = {{.fd = process->out_fd, .events = POLLIN},
                                {.fd = ends_on_signal ? signals_fd() : -1, .events = POLLIN}};
        if (left_ms <= 0 || (poll(fds, 2, (int)left_ms) < 0 && errno != EINTR) ||
            (ends_on_signal && signals_stop()))
            return false;
        ssize_t n = read(process->out_fd, bytes, sizeof bytes);
        if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
            return true;
        if (n > 0)
            text_add_bytes(text, bytes, (size_t)n);
    }
}

static void
cut_newlines(char *text)
{
    size_t n = strlen(text);
    while (n > 0 && (text[n - 1] == '\n' || text[n - 1] == '\r'))
        text[--n] = 0;
}

// A file for a program's complaints, without a name: whoever is killed meanwhile leaves none. -1:
// there is no room for one.
static int
open_complaints(void)
{
    char path[] = "/tmp/dmlx-call-XXXXXX";
    int fd = mkstemp(path);
    if (fd >= 0) {
        unlink(path);
        fcntl(fd, F_SETFD, FD_CLOEXEC);
    }
    return fd;
}

int
container_call(const container_engine_t *engine, const char *const *words, const char *input,
               int timeout_ms, char **output, fault_t *fault)
{
    char log[32] = "/dev/null";
    int log_fd = open_complaints();
    if (log_fd >= 0)
        snprintf(log, sizeof log, "/proc/self/fd/%d", log_fd);
    const char *argv[WORDS_MAX] = {"sh", "-c",
                                   input ? "exec \"$@\" <\"$0\"" : "exec \"$@\" </dev/null",
                                   input ? input : "sh", engine->program};
    int n = 5;
    if (*engine->context) {
        argv[n++] = strcmp(engine->program, "podman") == 0 ? "--connection" : "--context";
        argv[n++] = engine->context;
    }
    for (int i = 0; words[i] && n < WORDS_MAX - 1; i++)
        argv[n++] = words[i];
    argv[n] = NULL;
    process_options_t options = {.name = engine->program,
                                 .argv = argv,
                                 .log_path = log,
                                 .pipe_out = true,
                                 .death_signal = SIGTERM};
    process_t process;
    text_t text = {0};
    int status = -1;
    long long until_ms = process_clock_ms() + timeout_ms;
    if (process_start(&options, &process, fault) == 0) {
        bool is_read = read_output(&process, engine->say, until_ms, &text);
        if (is_read && process_wait(&process, 1000, NULL) == 0)
            status = process_exit_status(process.status);
        else
            process_stop(&process, 0, NULL);
        process_close(&process);
        char complaint[2048];
        ssize_t n_bytes = log_fd >= 0 ? pread(log_fd, complaint, sizeof complaint - 1, 0) : 0;
        complaint[n_bytes > 0 ? n_bytes : 0] = 0;
        if (status == 127)
            fault_set(fault, "there is no '%s' on this machine; install it", engine->program);
        else if (status > 0)
            fault_set(fault, "%s", *complaint ? text_last_line(complaint) : "it said nothing");
        else if (status < 0 && engine->say && signals_stop())
            fault_set(fault, "'%s %s' was interrupted", engine->program, words[0]);
        else if (status < 0)
            fault_set(fault, "'%s %s' did not end within %d s", engine->program, words[0],
                      timeout_ms / 1000);
    }
    if (log_fd >= 0)
        close(log_fd);
    char *printed = text_take(&text);
    cut_newlines(printed);
    if (output && status == 0)
        *output = printed;
    else
        free(printed);
    return status;
}

void
container_begin(const container_engine_t *engine, launch_command_t *command)
{
    launch_command_add(command, engine->program);
    if (!*engine->context)
        return;
    launch_command_add(command,
                       strcmp(engine->program, "podman") == 0 ? "--connection" : "--context");
    launch_command_add(command, engine->context);
}

// The quota in microseconds a period, in place of --cpus, whose period is always 100 ms: gaps of
// that length would be seen in every round.
static void
add_quota(const container_role_t *role, launch_command_t *command)
{
    int period_us = role->period_us > 0 ? role->period_us : LIMITS_PERIOD_US;
    if (role->cpu_limit * period_us < 1000)
        period_us = (int)(1000 / role->cpu_limit) + 1;
    launch_command_addf(command, "--cpu-period=%d", period_us);
    launch_command_addf(command, "--cpu-quota=%.0f", role->cpu_limit * period_us);
}

// Not --volume: that makes a folder on the engine's host where there is none. The words are fields
// of CSV, so that a path may hold a comma.
static void
add_mount(const char *source, const char *target, launch_command_t *command)
{
    text_t text = {0};
    text_add(&text, "--mount=type=bind,target=%s,readonly,\"source=", target);
    for (const char *at = source; *at; at++)
        text_add(&text, *at == '"' ? "\"\"" : "%c", *at);
    text_add(&text, "\"");
    char *word = text_take(&text);
    launch_command_addf(command, "%s", word);
    free(word);
}

void
container_add_run(const container_role_t *role, const cluster_t *cluster, launch_command_t *command)
{
    char *image = container_image(cluster);
    launch_command_add(command, "run");
    launch_command_add(command, "--rm");
    if (role->is_attended)
        launch_command_add(command, "-i");
    launch_command_addf(command, "--name=%s", role->name);
    launch_command_addf(command, "--label=%s=%s", CONTAINER_RUN_LABEL, role->run_id);
    if (role->cell)
        launch_command_addf(command, "--label=dmlx.cell=%s", role->cell);
    launch_command_addf(command, "--env=%s=%s", KEEPER_VARIABLE, role->run_id);
    launch_command_add(command, "--env=XDG_CACHE_HOME=/cache");
    launch_command_add(command, "--network=host");
    launch_command_add(command, "--read-only");
    launch_command_add(command, "--tmpfs=/tmp");
    launch_command_add(command, "--cap-drop=ALL");
    launch_command_add(command, "--security-opt=no-new-privileges");
    launch_command_add(command, "--user=65534:65534");
    if (*role->data) {
        add_mount(role->data, "/data", command);
        add_mount(role->data, "/cache/dmlx/synthetic-1", command);
    }
    if (cluster->memory_mb > 0)
        launch_command_addf(command, "--memory=%ldm", cluster->memory_mb);
    if (role->cpu_limit > 0)
        add_quota(role, command);
    for (size_t i = 0; i < cluster->options.n_items; i++)
        launch_command_add(command, cluster->options.items[i]);
    launch_command_addf(command, "%s", image);
    free(image);
}

bool
container_lacks_folder(const char *complaint)
{
    return strstr(complaint, "bind source path") || strstr(complaint, "invalid mount") ||
           strstr(complaint, "statfs"); // podman's word
}

int
container_remove(const container_engine_t *engine, const char *kind, const char *label,
                 int timeout_ms, fault_t *fault)
{
    char *filter = memory_format("label=%s", label);
    const char *list[] = {kind, "ls", "-q", "--filter", filter, NULL, NULL};
    if (strcmp(kind, "container") == 0)
        list[5] = "-a";
    char *ids = NULL;
    int status = container_call(engine, list, NULL, timeout_ms, &ids, fault);
    free(filter);
    if (status != 0)
        return -1;
    const char *words[WORDS_MAX] = {kind, "rm"};
    int n = 2, n_found = 0;
    if (strcmp(kind, "container") == 0)
        words[n++] = "-f";
    char *rest = NULL; // strtok_r: attempts side by side each clear away their own
    for (char *id = strtok_r(ids, "\n", &rest); id && n < WORDS_MAX - 10;
         id = strtok_r(NULL, "\n", &rest), n_found++)
        words[n++] = id;
    words[n] = NULL;
    if (n_found > 0 && container_call(engine, words, NULL, timeout_ms, NULL, fault) != 0)
        n_found = -1;
    free(ids);
    return n_found;
}

int
container_remove_stack(const container_engine_t *engine, const char *label, int timeout_ms,
                       fault_t *fault)
{
    static const char *const kinds[] = {"service", "secret", "network"};
    long long until_ms = process_clock_ms() + timeout_ms;
    int n_found = 0;
    // When the time is over each kind was asked for once all the same: secrets above all go.
    for (int i = 0; i < 3; i++) {
        long long left_ms = 0;
        int n = 0;
        do {
            poll(NULL, 0, n < 0 ? PAUSE_MS : 0); // a refusal may come at once
            left_ms = until_ms - process_clock_ms();
            n = container_remove(engine, kinds[i], label, left_ms > 1000 ? (int)left_ms : 1000,
                                 fault);
        } while (n < 0 && left_ms > 0);
        n_found = n < 0 || n_found < 0 ? -1 : n_found + n;
    }
    return n_found;
}

char *
container_build(void)
{
    return memory_format("%s+%s", version_text(), version_revision());
}

char *
container_image(const cluster_t *cluster)
{
    char *name =
        *cluster->image ? memory_text(cluster->image) : memory_format("dmlx:%s", version_text());
    if (!*cluster->registry)
        return name;
    char *full = memory_format("%s/%s", cluster->registry, name);
    free(name);
    return full;
}

int
container_long_ms(const container_engine_t *engine)
{
    return engine->long_ms_max > 0 ? engine->long_ms_max : CONTAINER_LONG_MS;
}

void
container_say(const container_engine_t *engine, const char *format, ...)
{
    char text[512];
    va_list arguments;
    if (!engine->say)
        return;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    engine->say(text);
}

// Pulls it from the registry. What the engine says when nobody is there, and when the image is not.
static int
pull(const container_engine_t *engine, const cluster_t *cluster, const char *image, fault_t *fault)
{
    const char *words[] = {"pull", "-q", image, NULL};
    fault_t why = {{0}};
    container_say(engine, "%s pulls the image '%s'", engine->program, image);
    if (container_call(engine, words, NULL, container_long_ms(engine), NULL, &why) == 0)
        return 0;
    if (strstr(why.text, "connection refused") || strstr(why.text, "no such host") ||
        strstr(why.text, "no route") || strstr(why.text, "timeout") ||
        strstr(why.text, "deadline exceeded"))
        fault_set(fault,
                  "the registry '%s' does not answer: %s; start it, or correct "
                  "cluster.registry",
                  cluster->registry, why.text);
    else
        fault_set(fault,
                  "the registry '%s' has no image '%s' (%s); 'dmlx image --push' puts it there",
                  cluster->registry, image, why.text);
    return -1;
}

// What an engine calls an architecture, in the words of images.
static const char *
image_arch(const char *arch)
{
    return strcmp(arch, "x86_64") == 0 ? "amd64" : strcmp(arch, "aarch64") == 0 ? "arm64" : arch;
}

int
container_arch(const container_engine_t *engine, char arch[64], char host[256], fault_t *fault)
{
    static const char *const docker[] = {"info", "--format", "{{.Architecture}} {{.Name}}", NULL};
    static const char *const podman[] = {"info", "--format", "{{.Host.Arch}} {{.Host.Hostname}}",
                                         NULL};
    char *text = NULL, own[64] = "";
    bool is_podman = strcmp(engine->program, "podman") == 0;
    fault_t why = {{0}};
    if (container_call(engine, is_podman ? podman : docker, NULL, CONTAINER_CALL_MS, &text, &why) !=
        0) {
        container_deny(engine, &why, fault);
        return -1;
    }
    *host = 0;
    sscanf(text, "%63s %255s", own, host);
    snprintf(arch, 64, "%s", image_arch(own));
    free(text);
    return 0;
}

// An engine starts an image of another architecture all the same, and says "exec format error".
static int
check_arch(const container_engine_t *engine, const char *image, const char *arch, fault_t *fault)
{
    char own[64], name[256];
    if (container_arch(engine, own, name, fault) != 0)
        return -1;
    if (!*own || strcmp(own, arch) == 0)
        return 0;
    fault_set(fault,
              "the image '%s' is for %s, and host '%s' is %s; build it for both by 'dmlx image "
              "--source … --platform linux/amd64,linux/arm64'",
              image, arch, name, own);
    return -1;
}

void
container_deny(const container_engine_t *engine, const fault_t *why, fault_t *fault)
{
    bool is_podman = strcmp(engine->program, "podman") == 0;
    const char *context = engine->context;
    if (*context)
        fault_set(fault,
                  "%s by %s '%s' does not answer: %s; '%s --%s %s info' must work from here, else "
                  "correct cluster.context",
                  engine->program, is_podman ? "connection" : "context", context, why->text,
                  engine->program, is_podman ? "connection" : "context", context);
    else if (is_podman)
        fault_set(fault, "podman does not answer: %s; 'podman info' must work for this user",
                  why->text);
    else
        fault_set(fault,
                  "docker does not answer: %s; does dockerd run, and is this user in the group "
                  "docker?",
                  why->text);
}

int
container_check(const container_engine_t *engine, const cluster_t *cluster, const char *image,
                fault_t *fault)
{
    static const char *const version[] = {"version", "--format", "{{.Client.Version}}", NULL};
    fault_t why = {{0}};
    if (container_call(engine, version, NULL, CONTAINER_CALL_MS, NULL, &why) != 0) {
        container_deny(engine, &why, fault);
        return -1;
    }
    if (*cluster->registry && pull(engine, cluster, image, fault) != 0)
        return -1;
    const char *inspect[] = {
        "image",    "inspect",
        "--format", "{{.Architecture}} {{index .Config.Labels \"dmlx.version\"}}",
        image,      NULL};
    char *found = NULL;
    if (container_call(engine, inspect, NULL, CONTAINER_CALL_MS, &found, &why) != 0) {
        fault_set(fault, "%s has no image '%s' (%s); 'dmlx image' makes it", engine->program, image,
                  why.text);
        return -1;
    }
    char arch[32] = "", label[64] = "";
    int n = sscanf(found, "%31s %63s", arch, label);
    char *build = container_build();
    bool is_same = n == 2 && strcmp(label, build) == 0;
    if (!is_same)
        fault_set(fault, "the image '%s' has dmlx %s, and this is %s; make it anew by 'dmlx image'",
                  image, n == 2 ? label : "of no version", build);
    free(build);
    free(found);
    return is_same ? check_arch(engine, image, arch, fault) : -1;
}
