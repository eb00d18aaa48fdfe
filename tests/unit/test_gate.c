#define _GNU_SOURCE // memmem
/* Who may come in: peers with keys, without, with the wrong ones, under others' names; and a crowd
 * of them. */
#include "transport/coordinator.h"
#include "transport/gate.h"
#include "transport/worker.h"
#include "tests/support/puppet.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

enum { N = 1000, SILENCE_MS = 2000 };

/* A coordinator with two workers' keys, and everybody's key rings. */
typedef struct {
    keys_t *coordinator_keys, *keys[2];
    coordinator_t *coordinator;
    char endpoint[LINK_ENDPOINT_BYTES_MAX];
    atomic_bool is_told; /* who used another's name, that it is refused */
} scene_t;

static const char *const names[] = {"w0", "w1"};

static int
set_up(void **state)
{
    scene_t *scene = calloc(1, sizeof *scene);
    scene->coordinator_keys = keys_new(KEYS_COORDINATOR);
    for (int i = 0; i < 2; i++) {
        scene->keys[i] = keys_new(names[i]);
        keys_add(scene->coordinator_keys, names[i], keys_public(scene->keys[i]), NULL);
        keys_add(scene->keys[i], KEYS_COORDINATOR, keys_public(scene->coordinator_keys), NULL);
    }
    coordinator_config_t config = coordinator_config();
    config.endpoint = "tcp://*:0"; /* with keys, open to the network */
    config.run = "run-1";
    config.n_workers = 2;
    config.identities = names;
    config.keys = scene->coordinator_keys;
    config.silence_ms = SILENCE_MS;
    config.frame_bytes_max = 100000;
    transport_error_t error = {""};
    scene->coordinator = coordinator_new(&config, &error);
    if (!scene->coordinator)
        fprintf(stderr, "%s\n", error.text);
    MUST(scene->coordinator);
    const char *port = strrchr(coordinator_endpoint(scene->coordinator), ':');
    snprintf(scene->endpoint, sizeof scene->endpoint, "tcp://127.0.0.1%s", port);
    *state = scene;
    return 0;
}

static int
tear_down(void **state)
{
    scene_t *scene = *state;
    coordinator_free(scene->coordinator);
    for (int i = 0; i < 2; i++)
        keys_free(scene->keys[i]);
    keys_free(scene->coordinator_keys);
    free(scene);
    return 0;
}

/* A worker in a thread: joins, works until it is done. */
typedef struct {
    const char *endpoint, *identity;
    const keys_t *keys;
    int64_t join_ms;
    int code;
    transport_error_t error;
} member_t;

static void *
work(void *argument)
{
    member_t *member = argument;
    worker_config_t config = worker_config();
    config.endpoint = member->endpoint;
    config.identity = member->identity;
    config.keys = member->keys;
    config.join_ms = member->join_ms ? member->join_ms : 20000;
    worker_t *worker = worker_new(&config, &member->error);
    if (!worker)
        return NULL;
    worker_welcome_t welcome;
    worker_task_t task;
    member->code = worker_join(worker, &welcome, &member->error);
    if (member->code == 0)
        worker_ready(worker, "", NULL);
    while (member->code == 0 && (member->code = worker_next(worker, &task, &member->error)) == 0 &&
           task.kind == WORKER_ROUND)
        MUST(worker_update(worker, "", task.parameters, task.n, NULL) == 0);
    worker_free(worker);
    return NULL;
}

static bool
take(void *context, const coordinator_update_t *update, transport_error_t *why)
{
    (void)why;
    *(double *)context += update->array[0];
    return true;
}

static void
assert_round(scene_t *scene, uint32_t number)
{
    static const float parameters[N] = {1};
    double sum = 0;
    coordinator_fault_t fault;
    if (coordinator_round(scene->coordinator, number, parameters, N, take, &sum, &fault) != 0)
        fail_msg("%s", fault.error.text);
    assert_true(sum == 2.0);
}

/* The two true workers come, and rounds are done while `during` says so. */
static void
run_rounds(scene_t *scene, bool (*is_enough)(scene_t *), int rounds_min)
{
    member_t members[2];
    script_t scripts[2];
    for (int i = 0; i < 2; i++) {
        members[i] =
            (member_t){.endpoint = scene->endpoint, .identity = names[i], .keys = scene->keys[i]};
        scripts[i] = script_start(work, &members[i]);
    }
    coordinator_fault_t fault;
    if (coordinator_join(scene->coordinator, "", &fault) != 0)
        fail_msg("%s", fault.error.text);
    int64_t deadline = link_now_ms() + 60000;
    uint32_t number = 1;
    while ((int)number <= rounds_min || (!is_enough(scene) && link_now_ms() < deadline))
        assert_round(scene, number++);
    assert_true(is_enough(scene));
    assert_int_equal(coordinator_done(scene->coordinator, "", &fault), 0);
    for (int i = 0; i < 2; i++) {
        script_join(&scripts[i]);
        assert_int_equal(members[i].code, 0);
    }
}

static uint64_t
dropped(scene_t *scene, drop_t reason)
{
    return coordinator_counters(scene->coordinator).dropped[reason];
}

static bool
always(scene_t *scene)
{
    (void)scene;
    return true;
}

static bool
somebody_was_refused(scene_t *scene)
{
    return dropped(scene, DROP_KEY) > 0;
}

static bool
somebody_knew_no_keys(scene_t *scene)
{
    return dropped(scene, DROP_PLAIN) > 0;
}

static bool
somebody_meant_another(scene_t *scene)
{
    return dropped(scene, DROP_HANDSHAKE) > 0;
}

static bool
somebody_used_anothers_name(scene_t *scene)
{
    return dropped(scene, DROP_IDENTITY) > 0 && scene->is_told;
}

static void
workers_with_their_keys_come_in(void **state)
{
    scene_t *scene = *state;
    run_rounds(scene, always, 20);
    for (int reason = 0; reason < DROP_REASONS; reason++)
        assert_int_equal(dropped(scene, reason), 0);
}

static void
a_key_that_is_not_on_the_list_is_refused_and_told_at_once(void **state)
{
    scene_t *scene = *state;
    keys_t *stranger = keys_new("w0"); /* the name is right, the key is not */
    keys_add(stranger, KEYS_COORDINATOR, keys_public(scene->coordinator_keys), NULL);
    member_t member = {.endpoint = scene->endpoint, .identity = "w0", .keys = stranger};
    script_t script = script_start(work, &member);
    run_rounds(scene, somebody_was_refused, 1);
    script_join(&script);
    assert_int_equal(member.code, TRANSPORT_REFUSED);
    assert_non_null(strstr(member.error.text, "refused the key of 'w0'"));
    keys_free(stranger);
}

static void
without_a_key_nobody_comes_in(void **state)
{
    scene_t *scene = *state;
    member_t member = {.endpoint = scene->endpoint, .identity = "w0", .join_ms = 600};
    script_t script = script_start(work, &member);
    run_rounds(scene, somebody_knew_no_keys, 1);
    script_join(&script);
    assert_int_equal(dropped(scene, DROP_KEY), 0);
    assert_true(member.code == TRANSPORT_TIMEOUT || member.code == TRANSPORT_REFUSED);
}

static void
a_worker_does_not_speak_with_a_coordinator_that_is_not_its_own(void **state)
{
    scene_t *scene = *state;
    keys_t *other = keys_new(KEYS_COORDINATOR), *keys = keys_new("w0");
    keys_add(keys, KEYS_COORDINATOR, keys_public(other), NULL);
    member_t member = {.endpoint = scene->endpoint, .identity = "w0", .keys = keys, .join_ms = 600};
    script_t script = script_start(work, &member);
    run_rounds(scene, somebody_meant_another, 1);
    script_join(&script);
    assert_int_equal(member.code, TRANSPORT_TIMEOUT);
    assert_non_null(strstr(member.error.text, "we do not agree on keys"));
    keys_free(other);
    keys_free(keys);
}

/* A puppet with a good key of its own. */
static puppet_t
puppet_with(const scene_t *scene, const keys_t *keys, uint64_t incarnation)
{
    puppet_t puppet = {.is_worker = true, .incarnation = incarnation};
    char down[LINK_ENDPOINT_BYTES_MAX], up[LINK_ENDPOINT_BYTES_MAX];
    link_endpoints(scene->endpoint, down, up);
    memcpy(puppet.run, "run-1", sizeof "run-1");
    puppet.in = zsock_new(ZMQ_SUB);
    puppet.out = zsock_new(ZMQ_PUSH);
    zsock_set_linger(puppet.out, PUPPET_LINGER_MS);
    gate_show(puppet.in, keys);
    gate_show(puppet.out, keys);
    unsigned char topic[WIRE_TOPIC_BYTES];
    wire_topic(incarnation, topic);
    zmq_setsockopt(zsock_resolve(puppet.in), ZMQ_SUBSCRIBE, topic, sizeof topic);
    MUST(zmq_connect(zsock_resolve(puppet.in), down) == 0 &&
         zmq_connect(zsock_resolve(puppet.out), up) == 0);
    return puppet;
}

/* Worker 1, by its own key, calls itself worker 0; and speaks for worker 0's rank. The coordinator
 * answers while it does rounds, which last until the answer is there: the first may come before
 * this one's subscription has. */
static void *
pretend(void *argument)
{
    scene_t *scene = argument;
    puppet_t puppet = puppet_with(scene, scene->keys[1], UINT64_MAX);
    puppet_say(&puppet,
               (wire_message_t){.kind = WIRE_ERROR, .rank = 0, .peer = 1, .text = "down with w0"},
               NULL);
    wire_message_t hello = {.kind = WIRE_HELLO, .identity = "w0"};
    int64_t deadline = link_now_ms() + 60000;
    while (!scene->is_told && link_now_ms() < deadline) {
        puppet_say(&puppet, hello, NULL);
        link_wait(zsock_resolve(puppet.in), NULL, -1, 20);
        parcel_t parcel;
        drop_t reason;
        uint64_t peer;
        while (link_receive(zsock_resolve(puppet.in), false, 1 << 20, &parcel, &reason, &peer) ==
               LINK_GOT) {
            if (parcel.message.kind == WIRE_ABORT &&
                strstr(parcel.message.text, "is not that of the key"))
                scene->is_told = true;
            parcel_free(&parcel);
        }
    }
    puppet_close(&puppet);
    return NULL;
}

static void
a_worker_under_anothers_name_is_refused_whatever_it_says(void **state)
{
    scene_t *scene = *state;
    script_t script = script_start(pretend, scene);
    run_rounds(scene, somebody_used_anothers_name, 20);
    script_join(&script);
}

static void
identities_without_keys_are_told_before_anything_starts(void **state)
{
    scene_t *scene = *state;
    transport_error_t error;
    worker_config_t config = worker_config();
    config.endpoint = scene->endpoint;
    config.identity = "w0";
    config.keys = scene->keys[1];
    assert_null(worker_new(&config, &error));
    assert_string_equal(error.text, "the keys are those of 'w1', not of 'w0'");
    coordinator_free(scene->coordinator);
    coordinator_config_t listening = coordinator_config();
    listening.endpoint = "tcp://127.0.0.1:0";
    listening.run = "run-1";
    listening.n_workers = 1;
    listening.identities = (const char *const[]){"w7"};
    listening.keys = scene->coordinator_keys;
    scene->coordinator = coordinator_new(&listening, &error);
    assert_null(scene->coordinator);
    assert_string_equal(error.text, "no key for worker 'w7'");
}

/* The crowd: raw TCP, in a process of its own, so that its memory and descriptors are its own. */

enum { CROWD = 10000, AT_ONCE = 500 };

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { GROWTH_KIB_MAX = 512 * 1024 }; /* sanitizers keep what is freed for a while */
#else
enum { GROWTH_KIB_MAX = 16 * 1024 };
#endif

static int
connect_to(int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) != 0) {
        close(fd);
        fd = -1;
    }
    return fd;
}

/* Whether the other end hangs up, and says nothing before but a greeting. Who is let in is cut off
 * too, after five seconds, but has heard beats by then. */
static bool
is_hung_up(int fd)
{
    enum { LIMIT_MS = 20000 };
    char bytes[256];
    for (;;) {
        struct pollfd ready = {.fd = fd, .events = POLLIN};
        if (poll(&ready, 1, LIMIT_MS) <= 0)
            return false;
        ssize_t n = read(fd, bytes, sizeof bytes);
        if (n <= 0)
            return true;
        if (memmem(bytes, (size_t)n, "DMLX", 4))
            return false;
    }
}

/* libzmq 4.3.4 aborts the process when such a peer comes while a PUB socket is being closed. */
static void
who_speaks_an_old_protocol_is_hung_up_on_without_keys_too(void **state)
{
    (void)state;
    static const unsigned char first[] = {1, 0}; /* ZMTP 1: an empty routing id */
    static const unsigned char second[] = {0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0x7f, 1, 2, 0, 0};
    coordinator_config_t config = coordinator_config();
    config.endpoint = "tcp://127.0.0.1:0";
    config.run = "run-1";
    config.n_workers = 1;
    config.silence_ms = 300;
    transport_error_t error = {""};
    coordinator_t *coordinator = coordinator_new(&config, &error);
    assert_non_null(coordinator);
    int port = atoi(strrchr(coordinator_endpoint(coordinator), ':') + 1);
    for (int i = 0; i < 4; i++) {
        int fd = connect_to(port + i % 2);
        assert_true(fd >= 0);
        bool is_first = i < 2;
        size_t n = is_first ? sizeof first : sizeof second;
        assert_int_equal(send(fd, is_first ? first : second, n, MSG_NOSIGNAL), n);
        assert_true(is_hung_up(fd));
        close(fd);
    }
    coordinator_free(coordinator);
}

/* Says nothing, rubbish, a greeting and then rubbish, or a greeting of the wrong mechanism and an
 * endless message. */
static void
be_hostile(int fd, int manner)
{
    static const unsigned char greeting[64] = {0xff, 0,    0, 0, 0,   0,   0,   0,
                                               1,    0x7f, 3, 0, 'N', 'U', 'L', 'L'};
    static unsigned char rubbish[65536];
    memset(rubbish, 0xa5, sizeof rubbish);
    ssize_t sent = 0;
    if (manner % 4 == 1)
        sent = send(fd, rubbish, 4096, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (manner % 4 >= 2)
        sent = send(fd, greeting, sizeof greeting, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (manner % 4 == 3)
        sent = send(fd, rubbish, sizeof rubbish, MSG_NOSIGNAL | MSG_DONTWAIT);
    (void)sent;
}

static void
crowd(int port, int report_fd)
{
    int fds[AT_ONCE], n_connected = 0;
    memset(fds, -1, sizeof fds);
    for (int i = 0; i < CROWD; i++) {
        int place = i % AT_ONCE;
        if (fds[place] >= 0)
            close(fds[place]);
        fds[place] = connect_to(port + i % 2);
        n_connected += fds[place] >= 0;
        if (fds[place] >= 0)
            be_hostile(fds[place], i / 2);
    }
    ssize_t written = write(report_fd, &n_connected, sizeof n_connected);
    _exit(written == sizeof n_connected ? 0 : 1);
}

static long
resident_kib(void)
{
    long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    MUST(file && fscanf(file, "%*d %ld", &pages) == 1);
    fclose(file);
    return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

static int crowd_fd;
static int crowd_connected;

static bool
crowd_is_gone(scene_t *scene)
{
    (void)scene;
    struct pollfd ready = {.fd = crowd_fd, .events = POLLIN};
    if (crowd_connected == 0 && poll(&ready, 1, 0) > 0)
        MUST(read(crowd_fd, &crowd_connected, sizeof crowd_connected) == sizeof crowd_connected);
    return crowd_connected > 0;
}

static void
ten_thousand_hostile_connections_change_nothing_and_cost_little_memory(void **state)
{
    scene_t *scene = *state;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    int port = atoi(strrchr(scene->endpoint, ':') + 1);
    long before_kib = resident_kib();
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        alarm(100);
        crowd(port, ends[1]);
    }
    close(ends[1]);
    crowd_fd = ends[0];
    crowd_connected = 0;
    run_rounds(scene, crowd_is_gone, 50);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    close(ends[0]);
    long growth_kib = resident_kib() - before_kib;
    print_message("%d of %d hostile connections were made; memory grew by %ld KiB; %" PRIu64
                  " were noted\n",
                  crowd_connected, CROWD, growth_kib,
                  dropped(scene, DROP_PLAIN) + dropped(scene, DROP_HANDSHAKE));
    assert_in_range(crowd_connected, CROWD * 9 / 10, CROWD);
    assert_true(growth_kib < GROWTH_KIB_MAX);
}

#define ON_SCENE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int
main(void)
{
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max < 20000 ? files.rlim_max : 20000;
    setrlimit(RLIMIT_NOFILE, &files);
    const struct CMUnitTest tests[] = {
        ON_SCENE(workers_with_their_keys_come_in),
        ON_SCENE(a_key_that_is_not_on_the_list_is_refused_and_told_at_once),
        ON_SCENE(without_a_key_nobody_comes_in),
        ON_SCENE(a_worker_does_not_speak_with_a_coordinator_that_is_not_its_own),
        ON_SCENE(a_worker_under_anothers_name_is_refused_whatever_it_says),
        ON_SCENE(identities_without_keys_are_told_before_anything_starts),
        cmocka_unit_test(who_speaks_an_old_protocol_is_hung_up_on_without_keys_too),
        ON_SCENE(ten_thousand_hostile_connections_change_nothing_and_cost_little_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
