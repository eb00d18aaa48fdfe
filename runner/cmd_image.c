// cmd_image.c — dmlx image: the container image that the launchers docker, podman and swarm run.
//
// By default the image holds this very program and the libraries it is linked with here, and
// nothing else but a shell: it can be made without any network, and its workers compute exactly
// what local ones do. --source builds it from source in a container instead, for the architectures
// named.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runner/command.h"
#include "runner/container.h"
#include "runner/memory.h"
#include "runner/options.h"
#include "runner/text.h"
#include "runner/version.h"

typedef struct image_options {
    const char *engine, *context, *registry, *name, *source, *base, *platforms;
    bool is_pushed;
} image_options_t;

// $1 the program, $2 the folder to fill. Libraries lie side by side: the search path names one
// folder; the loader has its own place.
static const char gather_script[] =
    "set -e; d=$2; mkdir -p $d/usr/bin $d/usr/lib/dmlx $d/bin $d/tmp $d/data "
    "$d/cache/dmlx/synthetic-1; "
    "chmod 1777 $d/tmp; cp -L \"$1\" $d/usr/bin/dmlx; cp -L /bin/sh $d/bin/sh; "
    "chmod 755 $d/usr/bin/dmlx $d/bin/sh; "
    "{ ldd \"$1\"; ldd /bin/sh; } | while read -r name arrow path rest; do "
    "case $name in /*) mkdir -p $d${name%/*}; cp -L $name $d$name; continue;; esac; "
    "case $path in /*) cp -L $path $d/usr/lib/dmlx/;; not) echo \"$name is not found\" >&2; exit "
    "1;; esac; "
    "done; tar -C $d --owner=0 --group=0 --sort=name -cf $d.tar .";

static int
say(const char *text)
{
    fprintf(stderr, "dmlx image: %s\n", text);
    return STATUS_CLUSTER;
}

// The archive of the root folder, made in `folder`; the caller removes it.
static int
gather(const char *folder, fault_t *fault)
{
    char program[64], *root = memory_format("%s/root", folder);
    snprintf(program, sizeof program, "/proc/%ld/exe", (long)getpid());
    container_engine_t shell = {.program = "sh", .context = ""};
    const char *words[] = {"-c", gather_script, "sh", program, root, NULL};
    int status = container_call(&shell, words, NULL, CONTAINER_LONG_MS, NULL, fault);
    free(root);
    return status == 0 ? 0 : -1;
}

static int
import(const container_engine_t *engine, const char *folder, const char *image, fault_t *fault)
{
    char *archive = memory_format("%s/root.tar", folder);
    char *described = container_build();
    char *label = memory_format("LABEL dmlx.version=%s", described);
    free(described);
    const char *words[] = {
        "import",           "-c", "ENV LD_LIBRARY_PATH=/usr/lib/dmlx", "-c", label, "-c",
        "USER 65534:65534", "-c", "ENTRYPOINT [\"/usr/bin/dmlx\"]",    "-",  image, NULL};
    int status = container_call(engine, words, archive, CONTAINER_LONG_MS, NULL, fault);
    free(label);
    free(archive);
    return status == 0 ? 0 : -1;
}

static void
remove_folder(const char *folder)
{
    container_engine_t rm = {.program = "rm", .context = ""};
    const char *words[] = {"-rf", folder, NULL};
    container_call(&rm, words, NULL, CONTAINER_CALL_MS, NULL, NULL);
}

static int
make_from_here(const container_engine_t *engine, const char *image, fault_t *fault)
{
    const char *temporary = getenv("TMPDIR");
    char *folder =
        memory_format("%s/dmlx-image-XXXXXX", temporary && *temporary == '/' ? temporary : "/tmp");
    int status = -1;
    if (!mkdtemp(folder))
        fault_set(fault, "no folder '%s' to gather the image in", folder);
    else if (gather(folder, fault) == 0)
        status = import(engine, folder, image, fault);
    remove_folder(folder);
    free(folder);
    return status;
}

static int
build(const container_engine_t *engine, const image_options_t *options, const char *image,
      fault_t *fault)
{
    char *file = memory_format("%s/container/Containerfile", options->source);
    char *base = memory_format("BASE=%s", options->base ? options->base : "debian:bookworm-slim");
    char *described = container_build();
    char *version = memory_format("BUILD=%s", described);
    free(described);
    const char *words[20] = {"build",       "-f",    file, "--build-arg", base,
                             "--build-arg", version, "-t", image};
    int n = 9;
    if (options->platforms) {
        words[n++] = "--platform";
        words[n++] = options->platforms;
    }
    words[n++] = options->source;
    int status = container_call(engine, words, NULL, 6 * CONTAINER_LONG_MS, NULL, fault);
    free(version);
    free(base);
    free(file);
    return status == 0 ? 0 : -1;
}

static int
make(const image_options_t *options)
{
    container_engine_t engine = {.program = options->engine ? options->engine : "docker",
                                 .context = options->context ? options->context : ""};
    cluster_t cluster = {.image = (char *)(size_t)(options->name ? options->name : ""),
                         .registry = (char *)(size_t)(options->registry ? options->registry : "")};
    char *image = container_image(&cluster);
    fault_t fault = {{0}};
    int status = options->source ? build(&engine, options, image, &fault)
                                 : make_from_here(&engine, image, &fault);
    if (status == 0 && options->is_pushed) {
        const char *push[] = {"push", "-q", image, NULL};
        status = container_call(&engine, push, NULL, CONTAINER_LONG_MS, NULL, &fault);
    }
    if (status == 0)
        printf("%s\n", image);
    else
        say(fault.text);
    free(image);
    return status == 0 ? STATUS_DONE : STATUS_CLUSTER;
}

static int
run(int argc, char **argv)
{
    image_options_t chosen = {NULL, NULL, NULL, NULL, NULL, NULL, NULL, false};
    const option_t options[] = {
        {"engine", 0, "NAME", OPTION_TEXT, &chosen.engine, "docker or podman (docker)"},
        {"context", 0, "NAME", OPTION_TEXT, &chosen.context, "the engine's context or connection"},
        {"registry", 0, "HOST:PORT", OPTION_TEXT, &chosen.registry, "the registry it is for"},
        {"name", 0, "NAME", OPTION_TEXT, &chosen.name, "the image's name (dmlx:VERSION)"},
        {"push", 0, NULL, OPTION_FLAG, &chosen.is_pushed, "push it to the registry"},
        {"source", 0, "DIR", OPTION_TEXT, &chosen.source,
         "build from the source in DIR, by its container/Containerfile"},
        {"base", 0, "IMAGE", OPTION_TEXT, &chosen.base,
         "with --source: image to build on (debian:bookworm-slim)"},
        {"platform", 0, "LIST", OPTION_TEXT, &chosen.platforms,
         "with --source: linux/amd64,linux/arm64"},
        {0},
    };
    int first = options_parse(&command_image, options, argc, argv);
    if (first < 0)
        return options_exit_status(first);
    if (first != argc)
        return options_usage_fault(&command_image, "what is '%s'? there are options only",
                                   argv[first]);
    if (chosen.is_pushed && !chosen.registry)
        return options_usage_fault(&command_image, "--push: to which --registry?");
    return make(&chosen);
}

const command_t command_image = {
    .name = "image",
    .summary = "make the container image of this dmlx, and push it to a registry",
    .usage = "[OPTION…]",
    .example = "dmlx image --registry registry:5000 --push",
    .run = run,
};
