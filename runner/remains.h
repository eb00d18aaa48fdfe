// remains.h — finding and removing what a run has left; the inside of keeper.h.
#ifndef RUNNER_REMAINS_H
#define RUNNER_REMAINS_H

// Removes a folder and all in it, without following links. Returns 1 when it is gone and was
// there, 0 when there was none, -1 when something would not go.
int remains_remove_tree(const char *path);

#endif
