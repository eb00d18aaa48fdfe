// fleet_errand.c — what is done on every host of a fleet: installing, copying data, asking.
#include "runner/fleet_errand.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "runner/memory.h"
#include "runner/text.h"
#include "runner/version.h"

enum { ANSWER_LIMIT_MS = 20000 };

// --- what is copied ------------------------------------------------------------------------------

// FOLDER NAME BYTES are its words; BYTES is "" for an archive. A cut connection looks like a good
// end of the input, so the bytes of a program are counted (tar knows an archive's end). What came
// has its name when it is whole, so that two who copy at once do not run half a program; until then
// it is NAME.PID.HOST, and goes with this shell. What a KILL or a power cut left goes with the next
// copy; the host is told because homes may be shared, and an older dmlx wrote none. PIPE comes when
// it complains to a connection that is gone. It is one line, without "!", for those whose login
// shell is csh.
static const char take_script[] =
    "[ -z \"$3\" ] && umask 022 || umask 077; "
    "mkdir -p \"$1\" && cd \"$1\" || exit 1; "
    "host=$(uname -n); part=$2.$$.$host; "
    "for old in \"$2\".*; do "
    "pid=${old#\"$2.\"}; pid=${pid%%.*}; "
    "[ \"$pid\" -gt 0 ] 2>/dev/null || continue; "
    "case ${old#\"$2.$pid\"} in \"\" | \".$host\") ;; *) continue;; esac; "
    "kill -0 \"$pid\" 2>/dev/null && [ \"$pid\" -ne $$ ] || rm -rf \"$old\"; "
    "done; "
    "trap \"rm -rf $part\" EXIT; trap \"exit 1\" HUP INT PIPE TERM; "
    "if [ -z \"$3\" ]; then "
    "mkdir \"$part\" && tar -xf - -C \"$part\" && : >\"$part/whole\" && "
    "{ [ -d \"$2\" ] || mv \"$part\" \"$2\"; }; exit; fi; "
    "cat >\"$part\" && chmod 700 \"$part\" && came=$(($(wc -c <\"$part\"))) || exit 1; "
    "[ $came -eq \"$3\" ] || { echo \"$came of $3 bytes came\" >&2; exit 1; }; "
    "mv -f \"$part\" \"$2\"";

char *
fleet_take_command(const char *folder, const char *name, long long n_bytes)
{
    char bytes[32] = "";
    if (n_bytes >= 0)
        snprintf(bytes, sizeof bytes, "%lld", n_bytes);
    char *script = fleet_quoted(take_script);
    char *quoted = fleet_quoted(folder);
    char *command = memory_format("exec sh -c %s sh %s %s '%s'", script, quoted, name, bytes);
    free(quoted);
    free(script);
    return command;
}

// --- the program ---------------------------------------------------------------------------------

static bool
wants_program(const fleet_host_t *host)
{
    return !host->has_program;
}

static char *
install_command(const fleet_t *fleet, const fleet_host_t *host)
{
    char *folder = memory_format("%s/bin/%s", host->cache, fleet->program_hash);
    char *command = fleet_take_command(folder, "dmlx", fleet->program_bytes);
    free(folder);
    return command;
}

static void
take_installed(fleet_t *fleet, fleet_host_t *host, const char *heard)
{
    (void)fleet;
    (void)heard;
    host->has_program = true;
}

static char *
version_command(const fleet_t *fleet, const fleet_host_t *host)
{
    (void)fleet;
    char *quoted = fleet_quoted(host->program);
    char *command = memory_format("exec %s --version", quoted);
    free(quoted);
    return command;
}

static void
take_version(fleet_t *fleet, fleet_host_t *host, const char *heard)
{
    (void)fleet;
    char version[64] = "";
    if (sscanf(heard, "dmlx %63s", version) != 1 || strcmp(version, version_text()) != 0)
        fault_set(&host->fault, "'%s' on host '%s' is dmlx %s, and this is %s; install the same",
                  host->program, host->name, *version ? version : "of no version", version_text());
}

// A program that does not start there: most likely a library is not installed.
static void
word_missing_library(fleet_host_t *host)
{
    const char *at = strstr(host->fault.text, "shared libraries: ");
    if (!at)
        return;
    char library[128];
    snprintf(library, sizeof library, "%.*s", (int)strcspn(at + 18, ":"), at + 18);
    fault_set(&host->fault,
              "host '%s' lacks the library '%s'; install there: apt-get install libczmq4 "
              "libconfig9 libblis4-pthread libjansson4 libgsl27 libmd0 libxxhash0",
              host->name, library);
}

void
fleet_install(fleet_t *fleet)
{
    const char *given = fleet->cluster->program;
    struct utsname here;
    uname(&here);
    for (int i = 0; i < fleet->n_hosts; i++) {
        fleet_host_t *host = &fleet->hosts[i];
        host->program = *given ? memory_text(given)
                               : memory_format("%s/bin/%s/dmlx", host->cache, fleet->program_hash);
        if (!*given && !*host->fault.text && strcmp(host->arch, here.machine) != 0)
            fault_set(&host->fault,
                      "host '%s' is %s and this dmlx is built for %s; install dmlx %s there and "
                      "name its path in cluster.program",
                      host->name, host->arch, here.machine, version_text());
    }
    // /proc/self would be the shell's own.
    char *script = memory_format("exec \"$@\" </proc/%ld/exe", (long)getpid());
    static const fleet_errand_t copy = {.what = "take a copy of dmlx",
                                        .advice = "see to room and rights in its cache folder",
                                        .copies = "dmlx",
                                        .wants = wants_program,
                                        .remote = install_command,
                                        .take = take_installed};
    static const fleet_errand_t ask = {.what = "run dmlx",
                                       .advice = "install there what it lacks, or name a dmlx that "
                                                 "runs there in cluster.program",
                                       .limit_ms = ANSWER_LIMIT_MS,
                                       .remote = version_command,
                                       .take = take_version};
    if (!*given)
        fleet_on_all(fleet, &copy, script);
    free(script);
    fleet_on_all(fleet, &ask, "exec \"$@\" </dev/null");
    for (int i = 0; i < fleet->n_hosts; i++)
        word_missing_library(&fleet->hosts[i]);
}

// --- data ----------------------------------------------------------------------------------------

static bool
wants_data(const fleet_host_t *host)
{
    return !host->has_data;
}

static char *
data_command(const fleet_t *fleet, const fleet_host_t *host)
{
    char *folder = memory_format("%s/data", host->cache);
    char *command = fleet_take_command(folder, fleet->data_xxh128, -1);
    free(folder);
    return command;
}

static void
take_data(fleet_t *fleet, fleet_host_t *host, const char *heard)
{
    (void)fleet;
    (void)heard;
    host->has_data = true;
}

void
fleet_copy_data(fleet_t *fleet, const char *folder)
{
    char *quoted = fleet_quoted(folder);
    char *script = memory_format("tar -C %s -chf - . | \"$@\"", quoted);
    static const fleet_errand_t copy = {.what = "take a copy of the data set",
                                        .advice = "see to room and rights in its cache folder, or "
                                                  "name where it has the data in "
                                                  "cluster.data_folder",
                                        .copies = "the data set",
                                        .wants = wants_data,
                                        .remote = data_command,
                                        .take = take_data};
    fleet_on_all(fleet, &copy, script);
    for (int i = 0; i < fleet->n_hosts; i++)
        if (fleet->hosts[i].has_data)
            fleet->hosts[i].data_folder =
                memory_format("%s/data/%s", fleet->hosts[i].cache, fleet->data_xxh128);
    free(script);
    free(quoted);
}

// --- what hosts can do ---------------------------------------------------------------------------

static const survey_question_t *question; // of the survey under way, which is one thread's

static char *
survey_command(const fleet_t *fleet, const fleet_host_t *host)
{
    text_t text = {0};
    char *program = fleet_quoted(host->program);
    const char *folder = host->data_folder              ? host->data_folder
                         : *fleet->cluster->data_folder ? fleet->cluster->data_folder
                                                        : NULL;
    text_add(&text, "exec %s doctor --facts --port %ld", program, question->port);
    if (question->data_name)
        text_add(&text, " --data-name %s", question->data_name);
    if (question->is_about_engines)
        text_add(&text, " --engines");
    if (question->registry && *question->registry) {
        char *quoted = fleet_quoted(question->registry);
        text_add(&text, " --registry %s", quoted);
        free(quoted);
    }
    if (folder) {
        char *quoted = fleet_quoted(folder);
        text_add(&text, " --data %s", quoted);
        free(quoted);
    }
    free(program);
    return text_take(&text);
}

static void
take_survey(fleet_t *fleet, fleet_host_t *host, const char *heard)
{
    (void)fleet;
    if (host_survey_parse(heard, &host->survey) != 0) {
        fault_set(&host->fault, "host '%s' answers what is no survey: '%.60s'", host->name, heard);
        return;
    }
    host->has_survey = true;
    // Not by when we read the answer: a slower host may have been waited for meanwhile.
    host->clock_offset_s = host->survey.clock_s - host->asked_s;
}

void
fleet_survey(fleet_t *fleet, const survey_question_t *asked)
{
    question = asked;
    static const fleet_errand_t ask = {.what = "say what it can do",
                                       .advice = "'dmlx doctor --facts' there tells why",
                                       .limit_ms = ANSWER_LIMIT_MS,
                                       .remote = survey_command,
                                       .take = take_survey};
    fleet_on_all(fleet, &ask, "exec \"$@\" </dev/null");
}
