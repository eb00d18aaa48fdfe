// links.h — the network of an emulated cluster: each process of a cell in a network namespace of
// its own, behind a link of a given rate, all links on one switch.
//
//        coordinator    worker 0    worker 1        a namespace each, with eth0 and 10.77.…/16
//             │ rate        │ rate      │ rate      a veth pair, shaped (tbf) at both of its ends
//             └─────────── br0 ─────────┘           a bridge, in one more namespace
//
// The coordinator has a link like everybody else, as it has on a real switch: the models of all
// workers pass through it.
//
// The namespaces have no names. They live as long as a process in them or a descriptor of ours,
// and their links with them: whatever ends a run, kill -9 included, the kernel takes the network
// away when the last process is gone. There is nothing to sweep, and nothing of it can be seen, or
// collide with an address, on the host.
//
//     links_t *links = links_new(n_nodes, mbit, &fault);
//     links_fd(links, rank)                 process_options_t.network_fd of that process
//     links_address(LINKS_COORDINATOR, …)   where the coordinator listens
//     … links_counters(links) …
//     links_free(&links);                   after the processes have ended
//
// Needs root, and iproute2's ip and tc, which do the work.
#ifndef RUNNER_LINKS_H
#define RUNNER_LINKS_H

#include <stdbool.h>

#include "runner/fault.h"

enum {
    LINKS_COORDINATOR = -1, // in place of a rank
    LINKS_NODES_MAX = 1000, // the kernel's bridge has 1024 ports
    LINKS_ADDRESS_BYTES = 16
};

typedef struct links links_t;

// True when links of that rate can be had here: one is made, its rate read back, and let go.
// Otherwise `why` holds the sentence for the user. Blocks some milliseconds, a few seconds at most.
bool links_available(double mbit, fault_t *why);

// The network for a coordinator and so many workers. What tc set is read back: a link of another
// rate is an error. NULL: nothing is left, the fault says why.
links_t *links_new(int n_nodes, double mbit, fault_t *fault);

// Accepts NULL, sets NULL.
void links_free(links_t **links);

// The descriptor of that process's namespace; open until links_free, closed on exec.
int links_fd(const links_t *links, int rank);

// That process's address, "10.77.0.1".
void links_address(int rank, char address[LINKS_ADDRESS_BYTES]);

// What went through each link, and what was dropped, as `tc -s` tells it; the caller frees it.
char *links_counters(const links_t *links);

#endif
