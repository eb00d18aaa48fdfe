// launch_hosts.h — the hosts() of the launchers that have a service behind them; see launcher_t.
#ifndef RUNNER_LAUNCH_HOSTS_H
#define RUNNER_LAUNCH_HOSTS_H

#include "runner/launch.h"

// The service does not answer, for the reason given: the words for that, with what to do, here and
// in prepare(). Return LAUNCH_DENIED.
int launch_swarm_deny(const cluster_t *cluster, const fault_t *why, fault_t *fault);
int launch_slurm_deny(const fault_t *why, fault_t *fault);

// All nodes of the swarm that cluster.context leads to, as its manager knows them. Those that take
// tasks run dmlx from the image, where the manager's engine has it.
int launch_swarm_hosts(const cluster_t *cluster, const survey_question_t *question,
                       launch_tell_t *tell, void *context, fault_t *fault);

// All nodes of the default partition's Slurm; dmlx is run on the idle ones.
int launch_slurm_hosts(const cluster_t *cluster, const survey_question_t *question,
                       launch_tell_t *tell, void *context, fault_t *fault);

// The host of the engine that cluster.context leads to, as it tells itself; and once more as dmlx
// finds it in a container like a worker's, where the engine has the image.
int launch_container_hosts(const cluster_t *cluster, const survey_question_t *question,
                           launch_tell_t *tell, void *context, fault_t *fault);

#endif
