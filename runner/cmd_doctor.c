// cmd_doctor.c — dmlx doctor: what each host of a cluster can do, and what would stop a run.
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runner/command.h"
#include "runner/data_find.h"
#include "runner/fleet.h"
#include "runner/keeper.h"
#include "runner/launch.h"
#include "runner/left_behind.h"
#include "runner/links.h"
#include "runner/memory.h"
#include "runner/options.h"
#include "runner/plan.h"
#include "runner/series.h"
#include "runner/signals.h"
#include "runner/text.h"
#include "runner/trainee.h"
#include "runner/version.h"

typedef struct doctor_options {
    option_list_t sets;
    const char *launcher;
    const char *data;
    const char *data_name;
    int port;
    const char *registry;
    bool is_facts, is_about_engines;
} doctor_options_t;

// One experiment being looked at, and what was found wrong.
typedef struct doctor {
    const doctor_options_t *options;
    experiment_t experiment;
    const launcher_t *launcher;
    char *home; // the working folder, which the keeper leaves
    plan_t *plan;
    launch_need_t need;
    char data_xxh128[DATASET_CHECKSUM_BYTES];
    char *data_folder;
    text_t problems, warnings; // a line each
    int n_problems;
    int n_told;   // hosts that the service behind the launcher told of
    text_t table; // of the hosts, told behind what is wrong with them
} doctor_t;

enum { CLOCK_TOLERANCE_S = 1, THROTTLE_BYTES = 32 };

static void add_line(text_t *text, const char *word, const char *format, va_list arguments)
    __attribute__((format(printf, 3, 0)));
static void problem(doctor_t *doctor, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void warn(doctor_t *doctor, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void
add_line(text_t *text, const char *word, const char *format, va_list arguments)
{
    char line[FAULT_TEXT_BYTES + 64];
    vsnprintf(line, sizeof line, format, arguments);
    text_add(text, "%s: %s\n", word, line);
}

static void
problem(doctor_t *doctor, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    add_line(&doctor->problems, "problem", format, arguments);
    va_end(arguments);
    doctor->n_problems++;
}

static void
warn(doctor_t *doctor, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    add_line(&doctor->warnings, "note", format, arguments);
    va_end(arguments);
}

// What takes long, told to whoever waits: the table comes last.
static void
say_step(const char *text)
{
    fprintf(stderr, "dmlx doctor: %s\n", text);
}

// ---- one host ----

// What holds a Pi's clock back, by the bits of its firmware; the same bits 16 higher say that it
// did since the host came up. "volt hot", "no".
static void
throttle_words(int flags, char words[THROTTLE_BYTES])
{
    static const char *const names[] = {"volt", "capped", "throttled", "hot"};
    int n = 0;
    *words = 0;
    for (int bit = 0; bit < 4; bit++)
        if (flags >> bit & 1)
            n += snprintf(words + n, (size_t)(THROTTLE_BYTES - n), "%s%s", n > 0 ? " " : "",
                          names[bit]);
    if (n == 0)
        strcpy(words, "no");
}

static void
judge_throttling(doctor_t *doctor, const char *name, int flags)
{
    char words[THROTTLE_BYTES];
    bool is_now = flags > 0 && (flags & 0xf);
    if (flags <= 0 || !(is_now || (flags >> 16 & 0xf)))
        return;
    throttle_words(is_now ? flags : flags >> 16, words);
    warn(doctor,
         "host '%s' %s its clock back%s (%s): where it is hot or throttled, cool it; where it "
         "lacks volts, use the supply it came with",
         name, is_now ? "holds" : "held", is_now ? "" : " since it came up", words);
}

static void
judge(doctor_t *doctor, const char *name, const host_survey_t *survey, double offset_s, bool trains)
{
    const launch_need_t *need = &doctor->need;
    if (trains && need->is_limited && !*survey->limit)
        problem(doctor, "host '%s' cannot limit CPU: %s", name, survey->limit_fault);
    if (trains && need->cores_a_node > survey->facts.cores + 1e-9)
        problem(doctor, "host '%s' has %g cores, and a node is to have %g; take fewer cores a node",
                name, survey->facts.cores, need->cores_a_node);
    if (*survey->version && strcmp(survey->version, version_text()) != 0)
        problem(doctor,
                "host '%s' has dmlx %s, and this is %s; install the same there, or name its path "
                "in cluster.program",
                name, survey->version, version_text());
    if (*survey->data_fault)
        problem(doctor, "host '%s' has no data set: %s", name, survey->data_fault);
    else if (*survey->data_xxh128 && *doctor->data_xxh128 &&
             strcmp(survey->data_xxh128, doctor->data_xxh128) != 0)
        problem(doctor,
                "host '%s' has other data (xxh128 %s) than this machine (xxh128 %s); copy one data "
                "set to all",
                name, survey->data_xxh128, doctor->data_xxh128);
    judge_throttling(doctor, name, survey->throttle_flags);
    if (*survey->facts.governor && strcmp(survey->facts.governor, "performance") != 0)
        warn(doctor, "host '%s' has the governor '%s', so its clock varies; set 'performance'",
             name, survey->facts.governor);
    if (fabs(offset_s) > CLOCK_TOLERANCE_S)
        warn(doctor, "the clock of host '%s' is %.1f s off; let it follow a time server", name,
             offset_s);
}

static void
add_number(text_t *table, double value, int n_digits)
{
    char text[32] = "-";
    if (isfinite(value))
        snprintf(text, sizeof text, "%.*f", n_digits, value);
    text_add(table, "  %8s", text);
}

static void
add_header(text_t *table)
{
    text_add(table,
             "%-16s  %-20s  %-8s  %-8s  %8s  %8s  %8s  %-12s  %8s  %-9s  %-9s  %-5s  %-16s  %-8s  "
             "%-16s  %8s\n",
             "host", "state", "dmlx", "arch", "cores", "GiB", "MHz", "governor", "deg C",
             "throttled", "limit", "ports", "engine", "registry", "data xxh128", "clock s");
}

static const char *
or_dash(const char *text)
{
    return *text ? text : "-";
}

// Of what was looked for: there is none, where nothing is told.
static const char *
or_none(const launch_host_t *host, const char *text)
{
    return *text || !host->is_asked ? or_dash(text) : "none";
}

// A row of the table. What was not asked for, or is not known, is a dash. `port` 0: any will do.
static void
add_host(text_t *table, const launch_host_t *host, long port)
{
    const host_survey_t *survey = &host->survey;
    char throttled[THROTTLE_BYTES] = "-";
    if (survey->throttle_flags >= 0)
        throttle_words(survey->throttle_flags, throttled);
    text_add(table, "%-16s  %-20s  %-8s  %-8s", survey->facts.name, or_dash(host->state),
             or_dash(survey->version), or_dash(survey->facts.arch));
    add_number(table, survey->facts.cores > 0 ? survey->facts.cores : NAN, 1);
    add_number(
        table,
        survey->facts.memory_bytes > 0 ? (double)survey->facts.memory_bytes / (1 << 30) : NAN, 1);
    add_number(table, survey->clock_mhz, 0);
    text_add(table, "  %-12s", or_dash(survey->facts.governor));
    add_number(table, survey->temperature_c, 0);
    text_add(
        table, "  %-9s  %-9s  %-5s  %-16s  %-8s  %-16.16s", throttled, or_none(host, survey->limit),
        !host->is_asked        ? "-"
        : port == 0            ? "any"
        : survey->is_port_free ? "free"
                               : "taken",
        or_none(host, survey->engine), or_dash(survey->registry), or_dash(survey->data_xxh128));
    add_number(table, host->clock_offset_s, 2);
    text_add(table, "\n");
}

// ---- a cluster ----

static void
judge_port(doctor_t *doctor, const char *host)
{
    fault_t fault;
    launch_deny_port(&doctor->experiment.cluster, host, &fault);
    problem(doctor, "%s", fault.text);
}

static survey_question_t
question_of(const doctor_t *doctor)
{
    const cluster_t *cluster = &doctor->experiment.cluster;
    return (survey_question_t){.data_name = doctor->need.data_name,
                               .data_folder = doctor->options->data,
                               .port = cluster->port,
                               .is_about_engines = true,
                               .cpu_limit = doctor->need.is_limited ? doctor->need.cores_a_node : 0,
                               .registry = cluster->registry};
}

static void
look_at_fleet(doctor_t *doctor, const fleet_t *fleet, const char *coordinator)
{
    for (int i = 0; i < fleet->n_hosts; i++) {
        const fleet_host_t *host = &fleet->hosts[i];
        launch_host_t row = {.state = "reached",
                             .is_asked = host->has_survey,
                             .clock_offset_s = host->clock_offset_s,
                             .survey = host->survey};
        snprintf(row.survey.facts.name, sizeof row.survey.facts.name, "%s", host->name);
        bool is_own = coordinator && strcmp(coordinator, "own") == 0;
        bool coordinates = coordinator && strcmp(host->name, coordinator) == 0;
        if (!host->has_survey) {
            row.clock_offset_s = row.survey.clock_mhz = row.survey.temperature_c = NAN;
            row.survey.throttle_flags = -1;
            strcpy(row.state, *host->arch ? "without dmlx" : "unreachable");
            snprintf(row.survey.facts.arch, sizeof row.survey.facts.arch, "%s", host->arch);
            add_host(&doctor->table, &row, 0);
            problem(doctor, "%s", host->fault.text);
            continue;
        }
        add_host(&doctor->table, &row, doctor->experiment.cluster.port);
        judge(doctor, host->name, &host->survey, host->clock_offset_s, !coordinates);
        if ((coordinates || is_own) && !host->survey.is_port_free)
            judge_port(doctor, host->name);
    }
}

static void
examine_fleet(doctor_t *doctor, const char *run_id)
{
    const cluster_t *cluster = &doctor->experiment.cluster;
    const char **names = memory_new((cluster->hosts.n_items + 2) * sizeof *names);
    int n = 0;
    for (; (size_t)n < cluster->hosts.n_items; n++)
        names[n] = cluster->hosts.items[n];
    bool is_here = strcmp(cluster->coordinator, "here") == 0;
    bool is_own = strcmp(cluster->coordinator, "own") == 0;
    if (!is_here && !is_own)
        names[n++] = cluster->coordinator;
    fault_t fault = {{0}};
    fleet_t *fleet = fleet_open(cluster, run_id, doctor->data_xxh128, names, n, &fault);
    free(names);
    if (!fleet) {
        problem(doctor, "%s", fault.text);
        return;
    }
    fleet_install(fleet);
    if (!*cluster->data_folder && *doctor->data_xxh128 &&
        strcmp(doctor->need.data_name, "synthetic") != 0)
        fleet_copy_data(fleet, doctor->data_folder);
    survey_question_t question = question_of(doctor);
    fleet_survey(fleet, &question);
    add_header(&doctor->table);
    look_at_fleet(doctor, fleet, is_here ? NULL : cluster->coordinator);
    fleet_close(&fleet);
    if (is_here && launch_check_port(cluster, &doctor->need, &fault) != 0)
        problem(doctor, "%s", fault.text);
}

static void
examine_this_host(doctor_t *doctor)
{
    bool is_local = doctor->experiment.cluster.launcher == LAUNCHER_LOCAL;
    launch_host_t host = {.state = "here", .is_asked = true};
    survey_question_t question = question_of(doctor);
    host_survey_make(&question, &host.survey);
    add_header(&doctor->table);
    add_host(&doctor->table, &host, doctor->experiment.cluster.port);
    if (is_local)
        judge(doctor, host.survey.facts.name, &host.survey, 0, true);
    if (is_local && !host.survey.is_port_free)
        judge_port(doctor, host.survey.facts.name);
}

// A host of the service behind a launcher. What keeps one from taking part is a note where the
// service knows it too: whether enough are left is judged by prepare().
static void
take_host(const launch_host_t *host, void *context)
{
    doctor_t *doctor = context;
    doctor->n_told++;
    add_host(&doctor->table, host, host->coordinates ? doctor->experiment.cluster.port : 0);
    if (host->is_misleading)
        problem(doctor, "%s", host->fault.text);
    else if (*host->fault.text)
        warn(doctor, "%s", host->fault.text);
    if (host->is_asked && !host->is_misleading)
        judge(doctor, host->survey.facts.name, &host->survey, host->clock_offset_s, true);
    if (host->coordinates && !host->survey.is_port_free)
        judge_port(doctor, host->survey.facts.name);
}

static void
examine_service(doctor_t *doctor)
{
    const launcher_t *launcher = doctor->launcher;
    const cluster_t *cluster = &doctor->experiment.cluster;
    survey_question_t question = question_of(doctor);
    fault_t fault = {{0}};
    int n_before = doctor->n_problems;
    question.data_folder = doctor->data_folder;
    question.run_id = doctor->need.run_id;
    question.say = doctor->need.say;
    // Where hosts() fails, prepare() would say the same, in the same words.
    if ((launcher->hosts && launcher->hosts(cluster, &question, take_host, doctor, &fault) != 0) ||
        (!signals_stop() && launcher->prepare(cluster, &doctor->need, &fault) != 0))
        problem(doctor, "%s", fault.text);
    else if (doctor->n_problems == n_before)
        text_add(&doctor->table, "launcher %s can start what the experiment asks for\n",
                 launcher->name);
}

// Where the service told of no host it started nothing, and may not even answer.
static void
clean_up(doctor_t *doctor, const char *run_id)
{
    const launcher_t *launcher = doctor->launcher;
    const cluster_t *cluster = &doctor->experiment.cluster;
    fault_t fault = {{0}};
    if (doctor->n_told == 0) {
        launcher->clean(cluster, run_id, KEEPER_LIMIT_MS, NULL);
    } else if (left_behind_remove(launcher, cluster, run_id, left_behind_limit_ms(launcher),
                                  &fault) != 0) {
        say_step(fault.text); // also when nobody will see the table
        doctor->n_problems++;
    }
}

// In the keeper, when this process has died. What would not go is written down where the next
// `dmlx run` of the experiment looks.
static void
clean_after_death(const char *run_id, int timeout_ms, void *context)
{
    const doctor_t *doctor = context;
    fault_t fault = {{0}};
    if (left_behind_remove(doctor->launcher, &doctor->experiment.cluster, run_id, timeout_ms,
                           &fault) == 0)
        return;
    char *folder = memory_format("%s/%s/%s", doctor->home, SERIES_OUTPUT, doctor->experiment.name);
    left_behind_note(folder, run_id, fault.text);
    free(folder);
}

static void
examine(doctor_t *doctor, const char *run_id)
{
    const cluster_t *cluster = &doctor->experiment.cluster;
    if (cluster->launcher == LAUNCHER_SSH) {
        examine_fleet(doctor, run_id);
        return;
    }
    fault_t fault = {{0}};
    examine_this_host(doctor);
    if (cluster->launcher != LAUNCHER_LOCAL)
        examine_service(doctor);
    else if (doctor->need.link_mbit > 0 && !links_available(doctor->need.link_mbit, &fault))
        problem(doctor, "%s", fault.text);
    clean_up(doctor, run_id);
}

static void
find_need(doctor_t *doctor, const char *run_id)
{
    launch_need_t *need = &doctor->need;
    *need = series_need(doctor->plan);
    need->run_id = run_id;
    need->say = say_step;
    fault_t fault = {{0}};
    dataset_t *data = NULL;
    char *found = data_find(need->data_name, doctor->options->data, &fault);
    if (found && trainee_open_data(&doctor->experiment, found, &data, &fault) == 0) {
        dataset_checksum(data, doctor->data_xxh128);
        doctor->data_folder = memory_text(dataset_folder(data));
    } else {
        problem(doctor, "%s", fault.text);
    }
    dataset_close(&data);
    free(found);
    need->data_folder = doctor->data_folder ? doctor->data_folder : "";
    need->data_xxh128 = doctor->data_xxh128;
}

static int
read_experiment(doctor_t *doctor, const char *path)
{
    option_list_t sets = doctor->options->sets;
    char launcher[96];
    if (doctor->options->launcher && sets.n_items < OPTIONS_LIST_MAX) {
        snprintf(launcher, sizeof launcher, "cluster.launcher=%s", doctor->options->launcher);
        sets.items[sets.n_items++] = launcher;
    }
    spec_options_t options = {.sets = sets.items, .n_sets = (size_t)sets.n_items};
    host_facts_t host;
    host_facts_read("", &host);
    diag_t *diag = diag_new();
    int status = spec_read_file(path, &options, &doctor->experiment, diag);
    if (status == 0) {
        experiment_resolve(&doctor->experiment, host.cores);
        doctor->plan = plan_new(&doctor->experiment, host.cores, diag);
        status = doctor->plan ? 0 : -1;
    }
    diag_print(diag, stderr);
    diag_free(diag);
    return status;
}

// Under a keeper: what is started to ask the hosts goes whatever happens to this process.
static void
examine_kept(doctor_t *doctor)
{
    fault_t fault = {{0}};
    doctor->launcher =
        launch_find(experiment_choice("cluster.launcher", doctor->experiment.cluster.launcher));
    doctor->home = getcwd(NULL, 0);
    keeper_t *keeper = NULL;
    if (doctor->home)
        keeper = keeper_start(clean_after_death, doctor->launcher->clean_ms_max, doctor, &fault);
    else
        fault_set(&fault, "the working folder is not known: %s", strerror(errno));
    if (keeper) {
        find_need(doctor, keeper_run_id(keeper));
        examine(doctor, keeper_run_id(keeper));
    } else {
        problem(doctor, "%s", fault.text);
    }
    keeper_end(&keeper);
    free(doctor->home);
}

// What was found before a signal came is not the whole, and is not told.
static int
tell(doctor_t *doctor, const char *path)
{
    bool is_whole = !signals_stop();
    char *problems = text_take(&doctor->problems), *warnings = text_take(&doctor->warnings);
    char *table = text_take(&doctor->table);
    if (is_whole)
        printf("%s%s%s%s", problems, warnings, *problems || *warnings ? "\n" : "", table);
    else
        say_step("interrupted");
    if (is_whole && doctor->n_problems == 0)
        printf("a run of '%s' can start\n", path);
    free(table);
    free(problems);
    free(warnings);
    return !is_whole ? STATUS_INTERRUPTED : doctor->n_problems > 0 ? STATUS_CLUSTER : STATUS_DONE;
}

static int
examine_file(const doctor_options_t *options, const char *path)
{
    doctor_t doctor = {.options = options};
    int status = STATUS_BAD_SPEC;
    if (read_experiment(&doctor, path) == 0) {
        examine_kept(&doctor);
        status = tell(&doctor, path);
    }
    free(doctor.data_folder);
    plan_free(doctor.plan);
    experiment_free(&doctor.experiment);
    return status;
}

static int
print_facts(const doctor_options_t *options)
{
    host_survey_t survey;
    survey_question_t question = {.data_name = options->data_name,
                                  .data_folder = options->data,
                                  .port = options->port,
                                  .is_about_engines = options->is_about_engines,
                                  .registry = options->registry};
    host_survey_make(&question, &survey);
    char *text = host_survey_text(&survey);
    puts(text);
    free(text);
    return STATUS_DONE;
}

static int
run(int argc, char **argv)
{
    doctor_options_t chosen = {.port = 0};
    const option_t options[] = {
        {"set", 's', "KEY=VALUE", OPTION_LIST, &chosen.sets, "change a setting: train.epochs=1"},
        {"launcher", 0, "NAME", OPTION_TEXT, &chosen.launcher, "in place of cluster.launcher"},
        {"data", 0, "DIR", OPTION_TEXT, &chosen.data,
         "where the data set lies (else $DMLX_DATA, else the cache)"},
        {"facts", 0, NULL, OPTION_FLAG, &chosen.is_facts, "this host's own facts, as JSON"},
        {"data-name", 0, "NAME", OPTION_TEXT, &chosen.data_name, NULL},
        {"port", 0, "N", OPTION_INTEGER, &chosen.port, NULL},
        {"engines", 0, NULL, OPTION_FLAG, &chosen.is_about_engines, NULL},
        {"registry", 0, "HOST:PORT", OPTION_TEXT, &chosen.registry, NULL},
        {0},
    };
    int first = options_parse(&command_doctor, options, argc, argv);
    if (first < 0)
        return options_exit_status(first);
    if (chosen.is_facts)
        return print_facts(&chosen);
    if (first == argc)
        return options_usage_fault(&command_doctor, "which experiment? name its .cfg file");
    signals_start();
    int status = STATUS_DONE;
    for (int i = first; i < argc && !signals_stop(); i++) {
        int found = examine_file(&chosen, argv[i]);
        status = found != STATUS_DONE ? found : status;
    }
    return status;
}

const command_t command_doctor = {
    .name = "doctor",
    .summary = "look at every host of a cluster: what it can do, what would stop a run",
    .usage = "[OPTION…] CFG…",
    .example = "dmlx doctor experiments/core_sweep.cfg",
    .run = run,
};
