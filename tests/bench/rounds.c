/* rounds.c — what a round costs: 62,006 floats out and back, summed, with workers that train
 * nothing. The same bytes over bare ZeroMQ sockets (PUB/SUB out, PUSH/PULL back) are the yardstick,
 * in the same run, in turns, each side in processes of its own. With CURVE as a third. See --help.
 */
#include "transport/coordinator.h"
#include "transport/link.h"
#include "transport/start.h"
#include "transport/worker.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

enum { FLOATS = 62006, ROUNDS_MAX = 4096, TURNS = 3, TURNS_MAX = 99, SIZES_MAX = 16, WARM_UP = 5 };

/* No wait without a limit, and whoever comes to one says what for. */
enum {
    STEP_LIMIT_S = 60,  /* for one more worker to come, one more answer, the word to end */
    TURN_LIMIT_S = 170, /* for one side's turn; kept by the system, should all else fail */
};

typedef enum { BARE, DMLX, DMLX_CURVE, SIDES } side_t;

static const char *const side_names[SIDES] = {"bare sockets", "dmlx", "dmlx with CURVE"};

/* What a coordinator's process sends home, followed by n_rounds doubles: seconds a round. */
typedef struct {
    int n_rounds;
    double cpu_s;        /* of the coordinator, over these rounds */
    long rss_kib;        /* resident at the end */
    long rss_before_kib; /* before the first worker came */
} outcome_t;

static float model[FLOATS], sum[FLOATS];

static void give_up(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

static void
give_up(const char *format, ...)
{
    char text[1024];
    va_list list;
    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    fprintf(stderr, "bench_rounds: %s\n", text);
    _exit(1);
}

static void
must(bool fact, const char *what)
{
    if (!fact)
        give_up("%s: %s", what, strerror(errno));
}

/* Of this process. */
static double
cpu_s(void)
{
    struct rusage use;
    getrusage(RUSAGE_SELF, &use);
    return (double)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) +
           1e-6 * (double)(use.ru_utime.tv_usec + use.ru_stime.tv_usec);
}

static long
rss_kib(void)
{
    long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (file && fscanf(file, "%*d %ld", &pages) != 1)
        pages = 0;
    if (file)
        fclose(file);
    return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

static void
write_all(int fd, const void *data, size_t bytes)
{
    for (const char *at = data; bytes;) {
        ssize_t n = write(fd, at, bytes);
        must(n > 0, "cannot write to a pipe");
        at += n;
        bytes -= (size_t)n;
    }
}

static bool
read_all(int fd, void *data, size_t bytes)
{
    for (char *at = data; bytes;) {
        ssize_t n = read(fd, at, bytes);
        if (n <= 0)
            return false;
        at += n;
        bytes -= (size_t)n;
    }
    return true;
}

static void
add(const float *array, bool is_first)
{
    for (size_t i = 0; i < FLOATS; i++)
        sum[i] = is_first ? array[i] : sum[i] + array[i];
}

static void
average(int n)
{
    for (size_t i = 0; i < FLOATS; i++)
        model[i] = sum[i] / (float)n;
}

/* Bare sockets */

static void *
bare_socket(int type, const char *endpoint, bool is_binding)
{
    zsock_t *socket = zsock_new(type);
    /* A thousand are to hear the end. A worker that has heard it owes nothing but the word that it
     * unsubscribes, and waits for nobody who may be gone. */
    zsock_set_linger(socket, is_binding ? STEP_LIMIT_S * 1000 : 0);
    zsock_set_rcvtimeo(socket, is_binding ? STEP_LIMIT_S * 1000 : -1);
    zsock_set_backlog(socket,
                      4096); /* the default of 100 has a thousand connections wait for seconds */
    if (type == ZMQ_XPUB)
        zsock_set_xpub_verboser(socket, 1); /* all subscriptions, and their ends */
    if (type == ZMQ_SUB)
        zsock_set_subscribe(socket, "");
    must((is_binding ? zmq_bind : zmq_connect)(zsock_resolve(socket), endpoint) == 0, endpoint);
    return socket;
}

/* PUB does not wait for subscribers, and what it sends before they are there is lost. XPUB is the
 * same socket, which also lets its subscriptions be read: once there is one for each worker nothing
 * gets lost. (Sending to all, again and again, until each has said that it heard was no way: the
 * thread that accepts connections is the one that sends, and with some hundred peers it came to
 * accept so few that the others took their connections for dead after 30 s and made new ones, at
 * the end of the queue.) */
static void
bare_gather(void *out, int n_workers)
{
    for (int n = 0; n < n_workers;) {
        char what = 0; /* 1: subscribed, 0: gone */
        if (zmq_recv(out, &what, 1, 0) < 0)
            give_up("bare sockets: %d of %d workers had subscribed, and no further one within %d s",
                    n, n_workers, STEP_LIMIT_S);
        n += what ? 1 : -1;
    }
}

static void
bare_round(void *out, void *in, int n_workers, int round)
{
    must(zmq_send(out, model, sizeof model, 0) == sizeof model, "cannot send");
    for (int k = 0; k < n_workers; k++) {
        zmq_msg_t message;
        zmq_msg_init(&message);
        if (zmq_msg_recv(&message, in, 0) != sizeof model)
            give_up("bare sockets: %d of %d answers of round %d, and no further one within %d s", k,
                    n_workers, round, STEP_LIMIT_S);
        add(zmq_msg_data(&message), k == 0);
        zmq_msg_close(&message);
    }
    average(n_workers);
}

static void
bare_coordinate(const char *endpoint, int n_workers, int n_rounds, outcome_t *outcome,
                double *round_s)
{
    char down[LINK_ENDPOINT_BYTES_MAX], up[LINK_ENDPOINT_BYTES_MAX];
    link_endpoints(endpoint, down, up);
    zsock_t *publish = bare_socket(ZMQ_XPUB, down, true), *pull = bare_socket(ZMQ_PULL, up, true);
    void *out = zsock_resolve(publish), *in = zsock_resolve(pull);
    outcome->rss_before_kib = rss_kib();
    bare_gather(out, n_workers);
    double cpu_before = 0;
    for (int i = -WARM_UP; i < n_rounds; i++) {
        if (i == 0)
            cpu_before = cpu_s();
        double start = link_now_s();
        bare_round(out, in, n_workers, i + WARM_UP);
        if (i >= 0)
            round_s[i] = link_now_s() - start;
    }
    outcome->cpu_s = cpu_s() - cpu_before;
    outcome->rss_kib = rss_kib();
    zmq_send(out, "end", 3, 0);
    zsock_destroy(&publish);
    zsock_destroy(&pull);
}

static void
bare_work(const char *endpoint)
{
    char down[LINK_ENDPOINT_BYTES_MAX], up[LINK_ENDPOINT_BYTES_MAX];
    link_endpoints(endpoint, down, up);
    zsock_t *subscribe = bare_socket(ZMQ_SUB, down, false),
            *push = bare_socket(ZMQ_PUSH, up, false);
    void *in = zsock_resolve(subscribe), *out = zsock_resolve(push);
    for (;;) {
        zmq_msg_t message;
        zmq_msg_init(&message);
        must(zmq_msg_recv(&message, in, 0) >= 0, "cannot receive");
        size_t bytes = zmq_msg_size(&message);
        if (bytes == sizeof model)
            must(zmq_send(out, zmq_msg_data(&message), bytes, 0) == (int)bytes, "cannot send");
        zmq_msg_close(&message);
        if (bytes == 3)
            break;
    }
    zsock_destroy(&subscribe);
    zsock_destroy(&push);
}

/* dmlx */

static bool
take(void *context, const coordinator_update_t *update, transport_error_t *why)
{
    (void)context;
    (void)why;
    add(update->array, update->rank == 0);
    return true;
}

static void
coordinate(const char *endpoint, const keys_t *keys, int n_workers, int n_rounds,
           outcome_t *outcome, double *round_s)
{
    coordinator_config_t config = coordinator_config();
    transport_error_t error = {""};
    coordinator_fault_t fault = {.error = {""}};
    config.endpoint = endpoint;
    config.run = "bench";
    config.n_workers = (uint32_t)n_workers;
    config.keys = keys;
    config.join_ms = config.round_ms = STEP_LIMIT_S * 1000;
    config.silence_ms = 30000; /* a thousand processes on two cores take their time to come */
    coordinator_t *coordinator = coordinator_new(&config, &error);
    if (!coordinator)
        give_up("dmlx: %s", error.text);
    outcome->rss_before_kib = rss_kib();
    if (coordinator_join(coordinator, "", &fault) != 0)
        give_up("dmlx: %s", fault.error.text);
    double cpu_before = 0;
    for (int i = -WARM_UP; i < n_rounds; i++) {
        if (i == 0)
            cpu_before = cpu_s();
        double start = link_now_s();
        if (coordinator_round(coordinator, (uint32_t)(i + WARM_UP), model, FLOATS, take, NULL,
                              &fault) != 0)
            give_up("dmlx: %s", fault.error.text);
        average(n_workers);
        if (i >= 0)
            round_s[i] = link_now_s() - start;
    }
    outcome->cpu_s = cpu_s() - cpu_before;
    outcome->rss_kib = rss_kib();
    coordinator_done(coordinator, "", &fault);
    coordinator_free(coordinator);
}

static void
work(const char *endpoint, const keys_t *keys, int number)
{
    char identity[32];
    snprintf(identity, sizeof identity, "w%d", number);
    worker_config_t config = worker_config();
    config.endpoint = endpoint;
    config.identity = identity;
    config.keys = keys;
    worker_t *worker = worker_new(&config, NULL);
    worker_welcome_t welcome;
    worker_task_t task;
    transport_error_t error = {""};
    if (!worker || worker_join(worker, &welcome, &error) != 0)
        give_up("dmlx: %s: %s", identity, error.text);
    worker_ready(worker, "", NULL);
    int code;
    while ((code = worker_next(worker, &task, &error)) == 0 && task.kind == WORKER_ROUND)
        worker_update(worker, "{\"samples\":1}", task.parameters, task.n, NULL);
    if (code != 0)
        give_up("dmlx: %s: %s", identity, error.text);
    worker_free(worker);
}

/* One side once: a process for the coordinator and one for each worker. */

/* Waits for a process that has a limit of its own. False, and said, when it did not end well. */
static bool
ended_well(pid_t child, side_t side, const char *who)
{
    int status;
    must(waitpid(child, &status, 0) == child, "cannot wait for a process");
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM)
        fprintf(stderr, "bench_rounds: %s: %s was not done within %d s\n", side_names[side], who,
                TURN_LIMIT_S);
    else if (status != 0)
        fprintf(stderr, "bench_rounds: %s: %s ended with %s %d\n", side_names[side], who,
                WIFSIGNALED(status) ? "signal" : "status",
                WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
    return status == 0;
}

/* Once there is no coordinator its workers have nothing to wait for: with is_abandoned they are
 * killed. */
static bool
workers_ended_well(const pid_t *workers, int n_workers, side_t side, bool is_abandoned)
{
    bool all_well = true;
    for (int i = 0; is_abandoned && i < n_workers; i++)
        kill(workers[i], SIGKILL);
    for (int i = 0; is_abandoned && i < n_workers; i++)
        waitpid(workers[i], NULL, 0);
    for (int i = 0; !is_abandoned && i < n_workers; i++) {
        char who[64];
        snprintf(who, sizeof who, "worker %d of %d", i + 1, n_workers);
        all_well = ended_well(workers[i], side, who) && all_well;
    }
    return all_well;
}

static pid_t
fork_off(void)
{
    fflush(NULL);
    pid_t child = fork();
    must(child >= 0, "cannot fork");
    if (child == 0) { /* whatever happens, nobody stays behind */
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        alarm(TURN_LIMIT_S);
    }
    return child;
}

static void
measure(side_t side, int n_workers, int n_rounds, int port, outcome_t *outcome, double *round_s)
{
    char endpoint[64];
    snprintf(endpoint, sizeof endpoint, "tcp://127.0.0.1:%d", port);
    int pipes[2];
    must(pipe(pipes) == 0, "cannot make a pipe");
    pid_t *children = calloc((size_t)n_workers + 1, sizeof *children);
    keys_t *ours = NULL, **theirs = calloc((size_t)n_workers, sizeof *theirs);
    for (int i = 0; side == DMLX_CURVE && i < n_workers; i++) {
        char identity[32];
        snprintf(identity, sizeof identity, "w%d", i);
        ours = ours ? ours : keys_new(KEYS_COORDINATOR);
        theirs[i] = keys_new(identity);
        keys_add(ours, identity, keys_public(theirs[i]), NULL);
        keys_add(theirs[i], KEYS_COORDINATOR, keys_public(ours), NULL);
    }
    children[n_workers] = fork_off();
    if (children[n_workers] == 0) {
        transport_start();
        outcome_t found = {.n_rounds = n_rounds};
        if (side == BARE)
            bare_coordinate(endpoint, n_workers, n_rounds, &found, round_s);
        else
            coordinate(endpoint, ours, n_workers, n_rounds, &found, round_s);
        write_all(pipes[1], &found, sizeof found);
        write_all(pipes[1], round_s, (size_t)n_rounds * sizeof *round_s);
        exit(0);
    }
    close(pipes[1]);
    for (int i = 0; i < n_workers; i++) {
        children[i] = fork_off();
        if (children[i])
            continue;
        transport_start();
        if (side == BARE)
            bare_work(endpoint);
        else
            work(endpoint, theirs[i], i);
        exit(0);
    }
    bool is_whole = read_all(pipes[0], outcome, sizeof *outcome) &&
                    read_all(pipes[0], round_s, (size_t)n_rounds * sizeof *round_s);
    close(pipes[0]);
    bool all_well = ended_well(children[n_workers], side, "the coordinator");
    all_well = workers_ended_well(children, n_workers, side, !is_whole) && all_well;
    if (!all_well || !is_whole)
        exit(1);
    for (int i = 0; i < n_workers; i++)
        keys_free(theirs[i]);
    keys_free(ours);
    free(theirs);
    free(children);
}

static int
ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double
quantile(double *values, int n, double share)
{
    qsort(values, (size_t)n, sizeof *values, ascending);
    return values[(int)(share * (n - 1) + 0.5)];
}

/* Fewer rounds the longer they take; enough for a median each. */
static int
rounds_for(int n_workers)
{
    int n = 4000 / (n_workers + 1);
    return n > 600 ? 600 : n < 10 ? 10 : n;
}

static void
print_row(FILE *csv, side_t side, int n_workers, const double *median_ms, double p90_ms,
          const outcome_t *outcome, double cpu_ms)
{
    double ratio = median_ms[side] / median_ms[BARE];
    printf("%7d  %-16s %10.3f %10.3f %7.2f %10.3f %9.1f %9.1f\n", n_workers, side_names[side],
           median_ms[side], p90_ms, ratio, cpu_ms, (double)outcome->rss_kib / 1024,
           (double)(outcome->rss_kib - outcome->rss_before_kib) / n_workers);
    fflush(stdout);
    if (csv)
        fprintf(csv, "%d,%s,%d,%.6f,%.6f,%.4f,%.6f,%ld,%ld\n", n_workers, side_names[side], FLOATS,
                median_ms[side], p90_ms, ratio, cpu_ms, outcome->rss_kib, outcome->rss_before_kib);
}

static void
measure_size(int n_workers, int turns, bool with_curve, int port, FILE *csv)
{
    static double all_s[SIDES][TURNS_MAX * ROUNDS_MAX];
    int n_rounds = rounds_for(n_workers), n_all[SIDES] = {0};
    outcome_t outcome[SIDES] = {{0}};
    double cpu_ms[SIDES] = {0}, median_ms[SIDES] = {0};
    for (int turn = 0; turn < turns; turn++)
        for (side_t side = BARE; side < (with_curve ? SIDES : DMLX_CURVE); side++) {
            measure(side, n_workers, n_rounds, port, &outcome[side], all_s[side] + n_all[side]);
            n_all[side] += n_rounds;
            cpu_ms[side] += 1e3 * outcome[side].cpu_s / n_rounds / turns;
        }
    for (side_t side = BARE; side < (with_curve ? SIDES : DMLX_CURVE); side++) {
        double p90_ms = 1e3 * quantile(all_s[side], n_all[side], 0.9);
        median_ms[side] = 1e3 * quantile(all_s[side], n_all[side], 0.5);
        print_row(csv, side, n_workers, median_ms, p90_ms, &outcome[side], cpu_ms[side]);
    }
}

static void
print_help(void)
{
    puts("usage: bench_rounds [--workers 1,3,10,100,1000] [--turns 3] [--port 47310] [--no-curve] "
         "[--csv FILE]\n"
         "\n"
         "A round of 62,006 floats whose training does nothing, over loopback, each peer a process "
         "of its own, beside\n"
         "the same bytes over bare ZeroMQ sockets in turns.");
}

/* A number that an option asks for; one that cannot be had is refused, not replaced. */
static int
number_of(const char *option, const char *text, long least, long most)
{
    char *end;
    long number = strtol(text, &end, 10);
    if (*text && !*end && number >= least && number <= most)
        return (int)number;
    fprintf(stderr, "bench_rounds: %s: '%s' is not a number from %ld to %ld\n", option, text, least,
            most);
    exit(2);
}

int
main(int argc, char **argv)
{
    static const struct option options[] = {{"workers", required_argument, NULL, 'w'},
                                            {"turns", required_argument, NULL, 't'},
                                            {"port", required_argument, NULL, 'p'},
                                            {"no-curve", no_argument, NULL, 'n'},
                                            {"csv", required_argument, NULL, 'c'},
                                            {"help", no_argument, NULL, 'h'},
                                            {NULL, 0, NULL, 0}};
    int sizes[SIZES_MAX] = {1, 3, 10, 100, 1000}, n_sizes = 5, turns = TURNS, port = 47310, option;
    bool with_curve = true;
    const char *csv_path = NULL;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == 'h') {
            print_help();
            return 0;
        } else if (option == 'w') {
            n_sizes = 0;
            for (char *size = strtok(optarg, ","); size && n_sizes < SIZES_MAX;
                 size = strtok(NULL, ","))
                sizes[n_sizes++] = number_of("--workers", size, 1, 10000);
        } else if (option == 't') {
            turns = number_of("--turns", optarg, 1, TURNS_MAX);
        } else if (option == 'p') {
            port = number_of("--port", optarg, 1024, 65000);
        } else if (option == 'n') {
            with_curve = false;
        } else if (option == 'c') {
            csv_path = optarg;
        } else {
            print_help();
            return 2;
        }
    }
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max; /* a thousand workers are three thousand connections */
    setrlimit(RLIMIT_NOFILE, &files);
    FILE *csv = csv_path ? fopen(csv_path, "w") : NULL;
    must(!csv_path || csv, "cannot write the CSV");
    if (csv)
        fputs("workers,side,floats,median_ms,p90_ms,ratio,coordinator_cpu_ms_per_round,rss_kib,rss_"
              "before_kib\n",
              csv);
    struct utsname machine;
    uname(&machine);
    int major, minor, patch;
    zmq_version(&major, &minor, &patch);
    printf("%ld cores, %s %s, libzmq %d.%d.%d; %d floats a message, medians over %d turns\n\n",
           sysconf(_SC_NPROCESSORS_ONLN), machine.machine, machine.release, major, minor, patch,
           FLOATS, turns);
    puts(
        "workers  side              median ms     p90 ms   ratio     CPU ms   RSS MiB  KiB/worker");
    for (int i = 0; i < n_sizes; i++)
        measure_size(sizes[i], turns, with_curve, port, csv);
    if (csv)
        fclose(csv);
    return 0;
}
