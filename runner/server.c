#include "runner/server.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runner/clock.h"
#include "runner/memory.h"
#include "runner/phase.h"
#include "runner/trainee.h"

enum {
    STATE_BYTES_MAX = 32 << 20, // of the velocities handed out in one message, but always one
    LOSSES_MAX = 3              // of one worker without a whole round in between
};

static bool
take_update(void *context, const coordinator_update_t *update, transport_error_t *why)
{
    server_t *server = context;
    worker_row_t row = {0};
    size_t n = network_parameter_count(server->network);
    if (update->n != (server->velocities ? 2 * n : n) ||
        worker_row_parse(update->meta, &row) != 0 || row.samples < 0) {
        transport_fail(why, TRANSPORT_REFUSED,
                       "worker %u '%s' sent an update of %zu floats that does not fit the network",
                       update->rank, update->peer->identity, update->n);
        return false;
    }
    parameter_range_t share =
        trainee_share(&server->role->experiment, n, server->nodes, (int)update->rank);
    if (share.end - share.first == n)
        average_add(server->average, update->array, (double)row.samples);
    else
        average_add_range(server->average, update->array, 1, share.first, share.end);
    if (server->velocities)
        memcpy(server->velocities + update->rank * n, update->array + n, n * sizeof(float));
    row.rank = (int)update->rank;
    row.send_s = fmax(0, update->arrived_s - row.compute_s);
    row.wait_s -= fmin(row.wait_s, server->paused_s);
    row.sent_bytes = (int64_t)update->received_bytes;
    server->rows[server->n_rows++] = row;
    return true;
}

// The answer to a state: that it was heard.
static bool
take_nothing(void *context, const coordinator_update_t *update, transport_error_t *why)
{
    (void)context;
    if (update->n == 0)
        return true;
    transport_fail(why, TRANSPORT_REFUSED, "it answered a state with an update");
    return false;
}

// Another one is to take the lost worker's place, and to do the round with the velocity it had.
static int
await_respawn(server_t *server, coordinator_fault_t *fault)
{
    if (++server->n_losses[fault->rank] > LOSSES_MAX) {
        char text[sizeof fault->error.text];
        snprintf(text, sizeof text, "%s", fault->error.text);
        transport_fail(&fault->error, TRANSPORT_LOST,
                       "%s; it was lost %d times without a whole round in between", text,
                       LOSSES_MAX + 1);
        return -1;
    }
    report_lost(&server->role->reporter, (int)fault->rank, fault->error.text);
    server->lacks_velocity[fault->rank] = true;
    server->is_redone = true;
    coordinator_readmit(server->coordinator, fault->rank);
    return 0;
}

// Goes on without the lost worker; the mean over those that are left has their weights alone.
static int
go_on_without(server_t *server, coordinator_fault_t *fault)
{
    long min = server->role->experiment.cluster.min_workers;
    coordinator_drop(server->coordinator, fault->rank);
    uint32_t n_left = coordinator_workers(server->coordinator);
    char text[sizeof fault->error.text];
    snprintf(text, sizeof text, "%s", fault->error.text);
    if (n_left >= (uint32_t)min) {
        char event[sizeof text + 64];
        snprintf(event, sizeof event, "%s; going on with %u of %d workers", text, n_left,
                 server->nodes);
        report_gone(&server->role->reporter, (int)fault->rank, event);
        return 0;
    }
    transport_fail(&fault->error, TRANSPORT_LOST, "%s; %u left, and cluster.min_workers is %ld",
                   text, n_left, min);
    return -1;
}

// Applies the experiment's on_loss. Returns 0 when the run may go on.
static int
take_loss(server_t *server, coordinator_fault_t *fault)
{
    fprintf(stderr, "%s\n", fault->error.text);
    if (fault->rank == COORDINATOR_NO_RANK)
        return -1;
    switch ((on_loss_t)server->role->experiment.cluster.on_loss) {
    case ON_LOSS_RESPAWN:
        return await_respawn(server, fault);
    case ON_LOSS_CONTINUE:
        return go_on_without(server, fault);
    case ON_LOSS_FAIL:
        break;
    }
    return -1;
}

// Words the end of a wait that did not end well, and tells the workers.
static int
fail_wait(server_t *server, int code, const coordinator_fault_t *fault)
{
    int status = STATUS_INTERRUPTED;
    const char *why = "the coordinator was interrupted";
    if (code == TRANSPORT_STOPPED) {
        role_fail(server->role, status, "interrupted");
    } else {
        why = fault->error.text;
        server->role->blamed = fault->rank == COORDINATOR_NO_RANK ? 0 : (int)fault->rank + 1;
        status = role_fail(server->role, STATUS_RUN_FAILED, "%s", why);
    }
    coordinator_abort(server->coordinator, why);
    return status;
}

int
server_join(server_t *server)
{
    coordinator_fault_t fault = {.rank = COORDINATOR_NO_RANK};
    phase_enter("joining", 0);
    int code = coordinator_join(server->coordinator, server->role->text, &fault);
    while (code == TRANSPORT_LOST && take_loss(server, &fault) == 0)
        code = coordinator_join(server->coordinator, server->role->text, &fault);
    return code == 0 ? STATUS_DONE : fail_wait(server, code, &fault);
}

// Sends the velocities of the workers that lack theirs, a message's worth of them, until nobody
// does. Everybody is sent them: one broadcast to a few is cheaper than a protocol of its own, and
// this happens once after a loss.
static int
hand_out_states(server_t *server, coordinator_fault_t *fault)
{
    size_t n = server->state.n_parameters;
    size_t room = STATE_BYTES_MAX / ((n + 1) * sizeof(float));
    float *states = memory_new((room ? room : 1) * (n + 1) * sizeof *states);
    int code = 0;
    for (int rank = 0; rank < server->nodes && code == 0;) {
        size_t count = 0;
        bool *first = &server->lacks_velocity[rank];
        for (; rank < server->nodes && (count < room || count == 0); rank++) {
            if (!server->lacks_velocity[rank])
                continue;
            float *at = states + count++ * (n + 1);
            at[0] = (float)rank;
            memcpy(at + 1, server->state.velocities + (size_t)rank * n, n * sizeof *at);
        }
        if (count > 0)
            code = coordinator_round(server->coordinator, 0, states, count * (n + 1), take_nothing,
                                     server, fault);
        for (; code == 0 && first < server->lacks_velocity + rank; first++)
            *first = false;
    }
    free(states);
    return code;
}

static bool
has_lacking(const server_t *server)
{
    for (int rank = 0; server->state.velocities && rank < server->nodes; rank++)
        if (server->lacks_velocity[rank])
            return true;
    return false;
}

// One try at a round: 0, or the transport's code.
static int
try_round(server_t *server, int round, coordinator_fault_t *fault)
{
    server->is_redone = false;
    int code = has_lacking(server) ? hand_out_states(server, fault) : 0;
    if (code != 0)
        return code;
    average_clear(server->average);
    server->n_rows = 0;
    return coordinator_round(server->coordinator, (uint32_t)round, server->block, server->n_block,
                             take_update, server, fault);
}

// A round with what losses there are. A worker that was started again was not there when the round
// began, so everybody does it again; without one, the round goes on where it stood.
static int
gather(server_t *server, int round, coordinator_fault_t *fault)
{
    int code = try_round(server, round, fault);
    while (code == TRANSPORT_LOST && take_loss(server, fault) == 0) {
        bool is_whole = server->is_redone || has_lacking(server);
        code = is_whole ? try_round(server, round, fault)
                        : coordinator_resume(server->coordinator, fault);
    }
    return code;
}

// Adds the round to the sums over all rounds.
static void
add_up(server_t *server, const round_report_t *report)
{
    checkpoint_t *state = &server->state;
    double loss = 0, samples = 0;
    for (int i = 0; i < server->n_rows; i++) {
        const worker_row_t *row = &server->rows[i];
        checkpoint_sums_t *sum = &state->sums[row->rank];
        loss += row->loss * (double)row->samples;
        samples += (double)row->samples;
        sum->compute_s += row->compute_s;
        sum->cpu_s += row->cpu_s;
        sum->throttled_s += row->throttled_s;
        sum->cores_limit = row->cores_limit;
        server->n_losses[row->rank] = 0;
    }
    transport_counters_t counters = coordinator_counters(server->coordinator);
    state->round = report->round;
    state->t_s = report->elapsed_s;
    state->samples += (int64_t)samples;
    state->train_loss = loss / samples;
    state->sent_bytes = server->resumed.sent_bytes + (int64_t)counters.sent_bytes;
    state->received_bytes = server->resumed.received_bytes + (int64_t)counters.received_bytes;
    if (server->velocities)
        memcpy(state->velocities, server->velocities,
               (size_t)server->nodes * state->n_parameters * sizeof(float));
    if (state->server_velocity)
        memcpy(state->server_velocity, server_optimizer_velocity(server->optimizer),
               state->n_parameters * sizeof(double));
}

// Makes the next round's beginning of the updates: the coordinator's step towards the mean of the
// models, and the mean itself of what is no parameter that is trained (batch-norm's statistics) and
// of the velocities.
static void
take_mean(server_t *server)
{
    float *parameters = network_parameters(server->network);
    size_t n = server->state.n_parameters;
    average_finish(server->average, server->block);
    server_optimizer_step(server->optimizer, parameters, server->block);
    const tensor_view_t *tensors = network_tensors(server->network);
    for (int i = 0; i < network_tensor_count(server->network); i++)
        if (!tensors[i].is_trained)
            memcpy(parameters + tensors[i].offset, server->block + tensors[i].offset,
                   tensors[i].count * sizeof *parameters);
    memcpy(server->block, parameters, n * sizeof *parameters);
    for (int rank = 0; server->n_block > n && rank < server->nodes; rank++)
        memcpy(server->velocities + (size_t)rank * n, server->block + n, n * sizeof *parameters);
}

// Tests the model between rounds, where that is asked for and due.
static int
seek_target(server_t *server)
{
    double before_s = server->role->evaluation_s;
    int status = role_seek_target(server->role, server->network, server->data, &server->state);
    server->paused_s = server->role->evaluation_s - before_s;
    if (status != STATUS_DONE)
        coordinator_abort(server->coordinator, "the coordinator could not test the model");
    return status;
}

int
server_round(server_t *server, int round)
{
    coordinator_fault_t fault = {.rank = COORDINATOR_NO_RANK};
    double began_s = clock_s();
    int code = gather(server, round, &fault);
    if (code != 0)
        return fail_wait(server, code, &fault);
    phase_enter("averaging", round);
    double last_s = clock_s();
    take_mean(server);
    double ended_s = clock_s();

    round_report_t report = {
        .round = round,
        .rounds = server->rounds,
        .round_s = ended_s - began_s,
        .aggregate_s = coordinator_times(server->coordinator).take_s + ended_s - last_s,
        .elapsed_s = server->resumed.t_s + ended_s - server->first_s - server->role->evaluation_s,
        .n_workers = server->n_rows,
        .workers = server->rows,
    };
    add_up(server, &report);
    phase_enter("writing", round);
    report_round(&server->role->reporter, &report);
    int status = seek_target(server);
    if (status != STATUS_DONE)
        return status;
    if (server->role->experiment.cluster.checkpoint && round < server->rounds)
        role_report_checkpoint(server->role, &server->state, network_parameters(server->network));
    return server->role->reporter.is_broken
               ? role_fail(server->role, STATUS_RUN_FAILED, "nobody reads the records any more")
               : STATUS_DONE;
}
