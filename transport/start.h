/* start.h — what a process does once before it uses transport/. */
#ifndef TRANSPORT_START_H
#define TRANSPORT_START_H

/* Readies the library below: from now on it neither touches signal handlers (SIGINT and SIGTERM
 * stay whoever's they are: the runner's) nor writes to stdout, which is the record channel. Call it
 * once, before the first coordinator_new or worker_new and before any thread is started; later
 * calls do nothing. It cannot be followed by fork() without exec(). */
void transport_start(void);

/* Ends the library's threads. Every coordinator and worker must have been freed. Called at exit if
 * not before. */
void transport_stop(void);

#endif
