#define _GNU_SOURCE // unshare, setns
#include "runner/links.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <math.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runner/memory.h"
#include "runner/process.h"
#include "runner/text.h"

enum {
    TOOL_LIMIT_MS = 10000,
    HEARD_BYTES = 1 << 20,
    PORTS_A_BLOCK = 250, // addresses 10.77.b.1 to 250
    SWITCH = 0,          // position of its namespace; the coordinator's is 1, worker r's r + 2
    FIRST_PORT = 1
};

// What a link may send at once before its rate holds: a millisecond's worth, and two frames.
static const double burst_s = 0.001, burst_least_bytes = 3200;
// What waits before a link, more is dropped: 50 ms worth, and what a small switch has at least.
static const double queue_s = 0.05, queue_least_bytes = 256 << 10;
// tc counts in whole bytes a second and the kernel in ticks of its own.
static const double rate_tolerance = 0.001;

struct links {
    int n_spaces; // the switch, the coordinator, the workers
    int *fds;     // (n_spaces)
    double mbit;
};

// --- ip and tc, in a namespace ---

static void
hear(process_t *process, char *text)
{
    long long until_ms = process_clock_ms() + TOOL_LIMIT_MS;
    size_t n = 0;
    for (;;) {
        long long left_ms = until_ms - process_clock_ms();
        struct pollfd fd = {.fd = process->out_fd, .events = POLLIN};
        if (left_ms <= 0 || (poll(&fd, 1, (int)left_ms) < 0 && errno != EINTR))
            break;
        ssize_t got = read(process->out_fd, text + n, HEARD_BYTES - 1 - n);
        if (got == 0 || n + 1 == HEARD_BYTES || (got < 0 && errno != EAGAIN && errno != EINTR))
            break;
        n += got > 0 ? (size_t)got : 0;
    }
    text[n] = '\0';
}

// Feeds the lines to the tool in that namespace. Gives what it said, which the caller frees; NULL
// when it did not like them.
static char *
tool(int network_fd, const char *const *argv, const char *lines, fault_t *fault)
{
    // Its complaints are to come among its answers.
    const char *wrapped[] = {"sh",    "-c", "exec \"$@\" 2>&1", "sh", argv[0], argv[1], argv[2],
                             argv[3], NULL};
    process_options_t options = {.name = argv[0],
                                 .argv = wrapped,
                                 .pipe_in = true,
                                 .pipe_out = true,
                                 .death_signal = SIGTERM,
                                 .network_fd = network_fd};
    process_t process;
    char *heard = memory_new(HEARD_BYTES);
    bool is_good = process_start(&options, &process, fault) == 0;
    if (is_good) {
        is_good = process_write(process.in_fd, lines, strlen(lines), TOOL_LIMIT_MS, fault) == 0;
        process_close_in(&process);
        hear(&process, heard);
        process_stop(&process, is_good ? TOOL_LIMIT_MS : 0, NULL);
        if (is_good && process_exit_status(process.status) != 0) {
            heard[strcspn(heard, "\n")] = '\0'; // next comes which line of the batch it was
            fault_set(fault, "the emulated network cannot be made: %s says '%s'", argv[0], heard);
            is_good = false;
        }
        process_close(&process);
    }
    if (!is_good) {
        free(heard);
        return NULL;
    }
    return heard;
}

static char *
ip_batch(int network_fd, const char *lines, fault_t *fault)
{
    const char *argv[] = {"ip", "-batch", "-", NULL};
    return tool(network_fd, argv, lines, fault);
}

static char *
tc_batch(int network_fd, const char *how, const char *lines, fault_t *fault)
{
    const char *argv[] = {"tc", how, "-batch", "-"};
    return tool(network_fd, argv, lines, fault);
}

// --- namespaces ---

static int
open_own(void)
{
    return open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
}

// Makes the namespaces and returns to our own. This thread alone is in them meanwhile.
static int
make_spaces(links_t *links, fault_t *fault)
{
    int own = open_own();
    int status = own >= 0 ? 0 : -1;
    bool has_left = false;
    for (int i = 0; i < links->n_spaces && status == 0; i++) {
        status = unshare(CLONE_NEWNET);
        has_left = has_left || status == 0;
        links->fds[i] = status == 0 ? open_own() : -1;
        if (links->fds[i] < 0)
            status = -1;
    }
    if (status != 0 && errno == EPERM)
        fault_set(fault, "cluster.emulate.link_mbit needs root, for network namespaces; run as "
                         "root, or leave it out");
    else if (status != 0)
        fault_set(fault, "no network namespace for an emulated link: %s", strerror(errno));
    if (has_left && setns(own, CLONE_NEWNET) != 0)
        abort(); // everything after it would run in the wrong network
    if (own >= 0)
        close(own);
    return status;
}

static int
wire_up(const links_t *links, fault_t *fault)
{
    text_t lines = {0};
    text_add(&lines, "link add br0 type bridge\nlink set br0 up\n");
    for (int port = FIRST_PORT; port < links->n_spaces; port++)
        text_add(&lines,
                 "link add p%d type veth peer name eth0 netns /proc/%d/fd/%d\n"
                 "link set p%d master br0 up\n",
                 port, (int)getpid(), links->fds[port], port);
    char *text = text_take(&lines);
    char *said = ip_batch(links->fds[SWITCH], text, fault);
    free(text);
    bool is_good = said != NULL;
    free(said);
    for (int port = FIRST_PORT; port < links->n_spaces && is_good; port++) {
        char address[LINKS_ADDRESS_BYTES];
        links_address(port - 2, address);
        text =
            memory_format("link set lo up\nlink set eth0 up\naddr add %s/16 dev eth0\n", address);
        said = ip_batch(links->fds[port], text, fault);
        is_good = said != NULL;
        free(said);
        free(text);
    }
    return is_good ? 0 : -1;
}

// --- rates ---

// How many links of just that rate tc's answers tell, one array of JSON behind the other.
static int
count_links(const char *answers, double bytes_per_s)
{
    int n = 0;
    const char *at = answers;
    while ((at = strchr(at, '['))) {
        json_error_t end;
        json_t *list = json_loads(at, JSON_DISABLE_EOF_CHECK, &end);
        size_t i;
        json_t *row;
        json_array_foreach(list, i, row)
        {
            const char *kind = json_string_value(json_object_get(row, "kind"));
            double rate =
                json_number_value(json_object_get(json_object_get(row, "options"), "rate"));
            n += kind && strcmp(kind, "tbf") == 0 && fabs(rate / bytes_per_s - 1) <= rate_tolerance;
        }
        at += list ? end.position : 1;
        json_decref(list);
    }
    return n;
}

// Shapes what leaves through each of the devices named, and sees that the kernel took it so.
static int
shape(const links_t *links, int space, const char *device, int first, int n, fault_t *fault)
{
    double bytes_per_s = links->mbit * 1e6 / 8;
    text_t lines = {0};
    for (int i = first; i < first + n; i++) {
        text_add(&lines, "qdisc add dev %s", device);
        if (space == SWITCH)
            text_add(&lines, "%d", i);
        text_add(&lines, " root tbf rate %.0fbit burst %.0f limit %.0f\n", links->mbit * 1e6,
                 fmax(burst_least_bytes, burst_s * bytes_per_s),
                 fmax(queue_least_bytes, queue_s * bytes_per_s));
    }
    text_add(&lines, "qdisc show\n");
    char *text = text_take(&lines);
    char *said = tc_batch(links->fds[space], "-json", text, fault);
    free(text);
    if (!said)
        return -1;
    int n_shaped = count_links(said, bytes_per_s);
    free(said);
    if (n_shaped == n)
        return 0;
    fault_set(fault, "tc made %d of %d emulated links with %g Mbit/s; this kernel cannot shape so",
              n_shaped, n, links->mbit);
    return -1;
}

static int
shape_all(const links_t *links, fault_t *fault)
{
    int status = shape(links, SWITCH, "p", FIRST_PORT, links->n_spaces - FIRST_PORT, fault);
    for (int port = FIRST_PORT; port < links->n_spaces && status == 0; port++)
        status = shape(links, port, "eth0", 0, 1, fault);
    return status;
}

// --- the doors ---

static bool
has_program(const char *name, fault_t *why)
{
    const char *folders = getenv("PATH");
    char path[4096];
    for (const char *at = folders; at && *at; at += strspn(at, ":")) {
        size_t n = strcspn(at, ":");
        snprintf(path, sizeof path, "%.*s/%s", (int)n, at, name);
        if (access(path, X_OK) == 0)
            return true;
        at += n;
    }
    fault_set(why,
              "cluster.emulate.link_mbit needs the program '%s'; apt-get install iproute2, and "
              "have /usr/sbin in PATH",
              name);
    return false;
}

bool
links_available(double mbit, fault_t *why)
{
    if (!has_program("ip", why) || !has_program("tc", why))
        return false;
    links_t *links = links_new(1, mbit, why);
    links_free(&links);
    return *why->text == '\0';
}

links_t *
links_new(int n_nodes, double mbit, fault_t *fault)
{
    if (n_nodes > LINKS_NODES_MAX) {
        fault_set(fault, "%d nodes are more than the %d that emulated links are for", n_nodes,
                  LINKS_NODES_MAX);
        return NULL;
    }
    links_t *links = memory_new(sizeof *links);
    links->mbit = mbit;
    links->n_spaces = n_nodes + 2;
    links->fds = memory_new((size_t)links->n_spaces * sizeof *links->fds);
    for (int i = 0; i < links->n_spaces; i++)
        links->fds[i] = -1;
    if (make_spaces(links, fault) != 0 || wire_up(links, fault) != 0 ||
        shape_all(links, fault) != 0)
        links_free(&links);
    return links;
}

void
links_free(links_t **links)
{
    links_t *self = *links;
    if (!self)
        return;
    for (int i = 0; i < self->n_spaces; i++)
        if (self->fds[i] >= 0)
            close(self->fds[i]);
    free(self->fds);
    free(self);
    *links = NULL;
}

int
links_fd(const links_t *links, int rank)
{
    return links->fds[rank + 2];
}

void
links_address(int rank, char address[LINKS_ADDRESS_BYTES])
{
    int number = rank + 1;
    snprintf(address, LINKS_ADDRESS_BYTES, "10.77.%d.%d", number / PORTS_A_BLOCK % 256,
             number % PORTS_A_BLOCK + 1);
}

char *
links_counters(const links_t *links)
{
    text_t text = {0};
    for (int space = 0; space < links->n_spaces; space++) {
        fault_t fault = {{0}};
        char *said = tc_batch(links->fds[space], "-statistics", "qdisc show\n", &fault);
        if (space == SWITCH)
            text_add(&text,
                     "# the switch's side of the links: p1 the coordinator's, p2 worker 0's\n");
        else if (space == FIRST_PORT)
            text_add(&text, "# coordinator\n");
        else
            text_add(&text, "# worker %d\n", space - 2);
        text_add(&text, "%s\n", said ? said : fault.text);
        free(said);
    }
    return text_take(&text);
}
