// cmd_image.c — dmlx image: the container image that the launchers docker, podman and swarm run.
//
// By default the image holds this very program and the libraries it is linked with here, and
// nothing else but a shell: it can be made without any network, and its workers compute exactly
// what local ones do. --source builds it from source in a container instead, for the platforms
// named.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runner/command.h"
#include "runner/container.h"
#include "runner/image_gather.sh.h"
#include "runner/memory.h"
#include "runner/options.h"
#include "runner/text.h"
#include "runner/version.h"

enum { PLATFORMS_MAX = 8 };
#define PLATFORM_BEGIN "linux/"
#define DEFAULT_BASE   "debian:bookworm-slim"

typedef struct image_options {
    const char *engine, *context, *registry, *name, *source, *base, *platforms;
    bool is_pushed;
} image_options_t;

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
    const char *words[] = {"-c", image_gather, "sh", program, root, NULL};
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

// A folder of our own, to be removed by remove_folder() and freed; NULL where there can be none.
static char *
make_folder(fault_t *fault)
{
    const char *temporary = getenv("TMPDIR");
    char *folder =
        memory_format("%s/dmlx-image-XXXXXX", temporary && *temporary == '/' ? temporary : "/tmp");
    if (mkdtemp(folder))
        return folder;
    fault_set(fault, "no folder '%s' to gather the image in", folder);
    free(folder);
    return NULL;
}

static void
remove_folder(char *folder)
{
    container_engine_t rm = {.program = "rm", .context = ""};
    const char *words[] = {"-rf", folder, NULL};
    container_call(&rm, words, NULL, CONTAINER_CALL_MS, NULL, NULL);
    free(folder);
}

static int
make_from_here(const container_engine_t *engine, const char *image, fault_t *fault)
{
    char *folder = make_folder(fault);
    if (!folder)
        return -1;
    int status = gather(folder, fault);
    if (status == 0)
        status = import(engine, folder, image, fault);
    remove_folder(folder);
    return status;
}

// "docker build" by container/FILE of the source, with the arguments that both files take, and what
// `more` has. `output` is what it printed, or NULL.
static int
build(const container_engine_t *engine, const image_options_t *options, const char *file,
      const char *const more[4], char **output, fault_t *fault)
{
    char *path = memory_format("%s/container/%s", options->source, file);
    char *base = memory_format("BASE=%s", options->base ? options->base : DEFAULT_BASE);
    char *described = container_build();
    char *version = memory_format("BUILD=%s", described);
    const char *words[13] = {"build", "-f", path, "--build-arg", base, "--build-arg", version};
    int n = 7;
    for (int i = 0; i < 4 && more[i]; i++)
        words[n++] = more[i];
    words[n] = options->source;
    int status = container_call(engine, words, NULL, 6 * CONTAINER_LONG_MS, output, fault);
    free(version);
    free(described);
    free(base);
    free(path);
    return status == 0 ? 0 : -1;
}

// Loads the archive of an image that lies in another one, and gives it its name.
static int
load_from(const container_engine_t *engine, const char *builder, const char *image, fault_t *fault)
{
    const char *create[] = {"create", builder, "/bin/true", NULL};
    char *container = NULL, *loaded = NULL, *folder = make_folder(fault);
    if (!folder || container_call(engine, create, NULL, CONTAINER_CALL_MS, &container, fault)) {
        if (folder)
            remove_folder(folder);
        return -1;
    }
    char *from = memory_format("%s:/image.tar", container);
    char *archive = memory_format("%s/image.tar", folder);
    const char *copy[] = {"cp", from, archive, NULL};
    const char *remove[] = {"rm", "-f", container, NULL};
    const char *load[] = {"load", "-q", "-i", archive, NULL};
    int status = container_call(engine, copy, NULL, CONTAINER_LONG_MS, NULL, fault);
    container_call(engine, remove, NULL, CONTAINER_CALL_MS, NULL, NULL);
    if (status == 0)
        status = container_call(engine, load, NULL, CONTAINER_LONG_MS, &loaded, fault);
    const char *id = loaded ? strstr(loaded, "sha256:") : NULL;
    const char *tag[] = {"tag", id, image, NULL};
    if (status == 0 && !id)
        fault_set(fault, "the engine loaded the image and said '%s', not its id", loaded);
    else if (status == 0)
        status = container_call(engine, tag, NULL, CONTAINER_CALL_MS, NULL, fault);
    remove_folder(folder);
    free(archive);
    free(from);
    free(container);
    status = status == 0 && id ? 0 : -1;
    free(loaded);
    return status;
}

// The image for one platform; "" is the engine's own. For arm64 on another architecture the program
// is compiled across, so that nothing foreign is run; any other needs an engine that can run it.
static int
build_for(const container_engine_t *engine, const image_options_t *options, const char *platform,
          const char *image, fault_t *fault)
{
    char own[64], host[256];
    if (container_arch(engine, own, host, fault) != 0)
        return -1;
    const char *arch = *platform ? platform + strlen(PLATFORM_BEGIN) : own;
    if (strcmp(arch, own) == 0) {
        const char *more[4] = {"-t", image};
        return build(engine, options, "Containerfile", more, NULL, fault);
    }
    if (strcmp(arch, "arm64") != 0) {
        const char *more[4] = {"-t", image, "--platform", platform};
        return build(engine, options, "Containerfile", more, NULL, fault);
    }
    const char *more[4] = {"-q"};
    char *builder = NULL;
    int status = build(engine, options, "Containerfile.cross", more, &builder, fault);
    if (status == 0)
        status = load_from(engine, builder, image, fault);
    free(builder);
    return status;
}

static int
push(const container_engine_t *engine, const char *image, fault_t *fault)
{
    const char *words[] = {"push", "-q", image, NULL};
    return container_call(engine, words, NULL, CONTAINER_LONG_MS, NULL, fault) == 0 ? 0 : -1;
}

// Whether the engine takes that registry without a certificate. The list of an image's
// architectures is the client's affair, which asks the registry itself and has to be told.
static bool
is_insecure(const container_engine_t *engine, const char *registry)
{
    static const char *const words[] = {"info", "--format",
                                        "{{range $name, $one := .RegistryConfig.IndexConfigs}}"
                                        "{{if not $one.Secure}} {{$name}} {{end}}{{end}}",
                                        NULL};
    char *list = NULL, *name = memory_format(" %s ", registry);
    bool is = container_call(engine, words, NULL, CONTAINER_CALL_MS, &list, NULL) == 0 &&
              strstr(list, name);
    free(name);
    free(list);
    return is || strncmp(registry, "127.", 4) == 0 || strncmp(registry, "localhost", 9) == 0;
}

// One name for images of several architectures that the registry has: who pulls it gets his own.
static int
join(const container_engine_t *engine, const char *registry, const char *image, char *const *names,
     int n_names, fault_t *fault)
{
    const char *forget[] = {"manifest", "rm", image, NULL};
    const char *create[PLATFORMS_MAX + 5] = {"manifest", "create"};
    const char *publish[6] = {"manifest", "push", "--purge"};
    int n = 2, n_publish = 3;
    if (is_insecure(engine, registry))
        create[n++] = publish[n_publish++] = "--insecure";
    create[n++] = publish[n_publish++] = image;
    for (int i = 0; i < n_names; i++)
        create[n++] = names[i];
    // What an earlier attempt left half done; most often there is nothing, and it complains.
    container_call(engine, forget, NULL, CONTAINER_CALL_MS, NULL, NULL);
    if (container_call(engine, create, NULL, CONTAINER_LONG_MS, NULL, fault) != 0)
        return -1;
    return container_call(engine, publish, NULL, CONTAINER_LONG_MS, NULL, fault) == 0 ? 0 : -1;
}

// The item of that number in a list with commas, or its last; the caller frees it.
static char *
item_of(const char *list, int index)
{
    const char *next;
    for (; index > 0 && (next = strchr(list, ',')); index--)
        list = next + 1;
    return memory_format("%.*s", (int)strcspn(list, ","), list);
}

// An image for each platform of the list, named after it, and where they are pushed one name for
// all of them.
static int
make_several(const container_engine_t *engine, const image_options_t *options, const char *image,
             fault_t *fault)
{
    const char *tag = strrchr(image, '/');
    const char *separator = strchr(tag ? tag : image, ':') ? "-" : ":";
    char *list = memory_text(options->platforms), *names[PLATFORMS_MAX];
    int n = 0, status = 0;
    for (char *platform = strtok(list, ","); platform && status == 0;
         platform = strtok(NULL, ",")) {
        names[n] = memory_format("%s%s%s", image, separator, platform + strlen(PLATFORM_BEGIN));
        image_options_t one = *options;
        char *base = item_of(one.base ? one.base : DEFAULT_BASE, n);
        one.base = base;
        status = build_for(engine, &one, platform, names[n], fault);
        free(base);
        if (status == 0 && options->is_pushed)
            status = push(engine, names[n], fault);
        if (status == 0)
            printf("%s\n", names[n]);
        n++;
    }
    if (status == 0 && options->is_pushed)
        status = join(engine, options->registry, image, names, n, fault);
    if (status == 0 && options->is_pushed)
        printf("%s\n", image);
    for (int i = 0; i < n; i++)
        free(names[i]);
    free(list);
    return status;
}

static int
make_one(const container_engine_t *engine, const image_options_t *options, const char *image,
         fault_t *fault)
{
    const char *platform = options->platforms ? options->platforms : "";
    int status = options->source ? build_for(engine, options, platform, image, fault)
                                 : make_from_here(engine, image, fault);
    if (status == 0 && options->is_pushed)
        status = push(engine, image, fault);
    if (status == 0)
        printf("%s\n", image);
    return status;
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
    bool are_several = options->platforms && strchr(options->platforms, ',');
    int status = are_several ? make_several(&engine, options, image, &fault)
                             : make_one(&engine, options, image, &fault);
    if (status != 0)
        say(fault.text);
    free(image);
    return status == 0 ? STATUS_DONE : STATUS_CLUSTER;
}

// What is wrong with the list of platforms, or NULL.
static const char *
fault_of_platforms(const image_options_t *options)
{
    if (!options->source)
        return "--platform: another architecture is built from --source";
    int n = 0;
    for (const char *at = options->platforms; at; n++) {
        if (strncmp(at, PLATFORM_BEGIN, strlen(PLATFORM_BEGIN)) != 0 ||
            strcspn(at, ",") <= strlen(PLATFORM_BEGIN))
            return "--platform: it is a list like linux/amd64,linux/arm64";
        at = strchr(at, ',');
        at = at ? at + 1 : NULL;
    }
    if (n > PLATFORMS_MAX)
        return "--platform: there are not as many";
    if (n > 1 && options->is_pushed && options->engine && strcmp(options->engine, "docker") != 0)
        return "--platform: docker alone gives several images one name; push them one by one";
    return NULL;
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
         "with --source: image to build on (" DEFAULT_BASE "), or a list, one a platform"},
        {"platform", 0, "LIST", OPTION_TEXT, &chosen.platforms,
         "with --source: for what (linux/amd64,linux/arm64)"},
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
    const char *fault = chosen.platforms ? fault_of_platforms(&chosen) : NULL;
    if (fault)
        return options_usage_fault(&command_image, "%s", fault);
    return make(&chosen);
}

const command_t command_image = {
    .name = "image",
    .summary = "make the container image of this dmlx, and push it to a registry",
    .usage = "[OPTION…]",
    .example = "dmlx image --registry registry:5000 --push",
    .run = run,
};
