/* rounds.pml — joining, rounds, loss and the end, as transport/ does them, for spin to look into every order of events.
 *
 * Messages are the grammar's (transport/README.md; check.sh compares the names). What the model leaves out: bytes, texts,
 * NaN and the other things a single message is judged by; keys; rank order, which is the caller's loop over what is held.
 *
 * Checked in every reachable state: no update is counted twice or for another turn than it was made in, nor one of a worker
 * that was given up; nobody waits for ever (no deadlock but where everybody has ended, no cycle without progress).
 *
 * Time: a limit runs out only for who is dead or hangs, or by the SUSPECTS that are wrongly suspected; beats come when nothing
 * else can happen (Promela's timeout), and often enough between two events to outlast all messages that may be lost.
 * Budgets are set with -D by check.sh. */

#ifndef WORKERS
#define WORKERS 2
#endif
#ifndef ROUNDS
#define ROUNDS 2
#endif
#ifndef LOSSES
#define LOSSES 1 /* messages that vanish on the way, in either direction */
#endif
#ifndef CRASHES
#define CRASHES 1 /* workers killed */
#endif
#ifndef RESTARTS
#define RESTARTS 1 /* ... and started anew, as a newer incarnation */
#endif
#ifndef READMITS
#define READMITS (RESTARTS + 1)
#endif
#ifndef SUSPECTS
#define SUSPECTS 1 /* workers taken for dead that are only slow */
#endif
#ifndef HANGS
#define HANGS 0 /* workers that beat but do not finish a round before its limit */
#endif
#ifndef REPLAYS
#define REPLAYS 0 /* updates that were recorded and are played again at any later time */
#endif
#ifndef GIVE_UPS
#define GIVE_UPS CRASHES /* workers that say ERROR */
#endif
#ifndef KILLS
#define KILLS 0 /* coordinators killed */
#endif

#define QUEUE 4
#define BEATS (LOSSES + 1)

mtype = { HELLO, WELCOME, READY, ROUND, UPDATE, BEAT, ERROR, ABORT, DONE };
mtype = { EMPTY, LOADING, ACTIVE, LOST, GONE };

/* Flags of a worker's BEAT. */
#define NOTHING 0
#define ANSWERED 1
#define MISSED 2
#define LEAVING 4

chan down[WORKERS] = [QUEUE] of { mtype, byte, byte };     /* kind, peer (0: everybody), turn */
chan up[WORKERS] = [QUEUE] of { mtype, byte, byte, byte }; /* kind, peer, turn, flags */

byte losses = LOSSES, crashes = CRASHES, restarts = RESTARTS, suspects = SUSPECTS, hangs = HANGS, kills = KILLS, give_ups = GIVE_UPS, readmits = READMITS;
byte beats_down, beats_up[WORKERS]; /* of each since the last event; an event makes room for more */
bool coordinator_ended, coordinator_killed;
bool worker_ended[WORKERS], worker_hangs[WORKERS];
byte started[WORKERS]; /* incarnations so far */

/* The newest UPDATE of each worker, for the replay. */
byte sent_peer[WORKERS], sent_turn[WORKERS];

/* The coordinator's roster. */
mtype place[WORKERS];
byte incarnation[WORKERS];
bool answered[WORKERS], left[WORKERS];
byte counted[WORKERS]; /* a bit a turn */
byte turn;
bool in_round, ending;
mtype last_word;

#if WORKERS == 2
inline event() { beats_down = 0; beats_up[0] = 0; beats_up[1] = 0 }
#else
inline event() { beats_down = 0; beats_up[0] = 0 }
#endif

/* PUB drops what finds no room; the way may lose the rest. */
inline say(w, kind, peer, number)
{
    if
    :: full(down[w])
    :: nfull(down[w]) -> down[w]!kind, peer, number
    :: losses > 0 -> losses--
    fi
}

inline tell(w, kind, peer, number, flags)
{
    if
    :: full(up[w])
    :: nfull(up[w]) -> up[w]!kind, peer, number, flags
    :: losses > 0 -> losses--
    fi
}

#define is_there(w) (place[w] == LOADING || place[w] == ACTIVE)
#define is_awaited(w) (in_round && !answered[w] && (place[w] == EMPTY || is_there(w)))
#define is_quiet(w) (worker_ended[w] && empty(up[w]))

inline lose(w)
{
    if
    :: place[w] == EMPTY || is_there(w) -> place[w] = LOST
    :: else
    fi;
    event()
}

inline hear_hello(w, peer)
{
    if
    :: place[w] == GONE || (peer == incarnation[w] && (place[w] == LOST || place[w] == EMPTY)) ||
       peer < incarnation[w] -> say(w, ABORT, peer, 0)
    :: else ->
        if
        :: peer == incarnation[w] -> say(w, WELCOME, peer, 0)
        :: peer > incarnation[w] && place[w] == ACTIVE -> lose(w) /* started anew: the caller decides */
        :: peer > incarnation[w] && (place[w] == EMPTY || place[w] == LOADING) ->
            place[w] = LOADING;
            incarnation[w] = peer;
            left[w] = false;
            event();
            say(w, WELCOME, peer, 0)
        :: else /* lost and not decided on: it asks again */
        fi
    fi
}

inline hear_member(w, kind, number, flags)
{
    if
    :: kind == READY && place[w] == LOADING ->
        place[w] = ACTIVE;
        event();
        if
        :: ending -> say(w, last_word, incarnation[w], 0)
        :: !ending && is_awaited(w) -> say(w, ROUND, incarnation[w], turn)
        :: else
        fi
    :: kind == UPDATE ->
        if
        :: place[w] == ACTIVE && in_round && number == turn && !answered[w] ->
            assert(number == turn && peer == incarnation[w]); /* for its own turn, by who holds the place */
            assert(!(counted[w] & (1 << turn)));              /* once */
            counted[w] = counted[w] | (1 << turn);
            answered[w] = true;
            event()
        :: else /* stale, or said again: dropped */
        fi
    :: kind == BEAT ->
        if
        :: flags & LEAVING ->
            left[w] = true;
            event()
        :: !(flags & LEAVING) && ending -> say(w, last_word, incarnation[w], 0)
        :: !(flags & LEAVING) && !ending && place[w] == LOADING && number == 0 && (flags & ANSWERED) ->
            say(w, WELCOME, incarnation[w], 0)
        :: !(flags & LEAVING) && !ending && place[w] == ACTIVE && is_awaited(w) && number == turn && flags ->
            say(w, ROUND, incarnation[w], turn)
        :: else
        fi
    :: kind == ERROR -> lose(w)
    :: else
    fi
}

inline hear(w)
{
    up[w]?kind, peer, number, flags;
    if
    :: kind == HELLO -> hear_hello(w, peer)
    :: kind != HELLO && (peer != incarnation[w] || !is_there(w)) ->
        /* Of somebody lost, given up or replaced: late. */
        if
        :: flags & LEAVING ->
            if
            :: peer == incarnation[w] -> left[w] = true
            :: else
            fi
        :: else -> say(w, ABORT, peer, 0)
        fi
    :: else -> hear_member(w, kind, number, flags)
    fi;
    kind = 0; peer = 0; number = 0; flags = 0
}

/* What the caller does about a loss: continue, respawn, or fail. */
inline decide(w)
{
    if
    :: place[w] = GONE
    :: readmits > 0 -> readmits--; place[w] = EMPTY /* it is for the caller to say how often */
    :: goto fail
    fi;
    event()
}

inline begin_turn()
{
    turn++;
    in_round = true;
    event();
    w = 0;
    do
    :: w < WORKERS ->
        answered[w] = false;
        if
        :: place[w] != GONE -> say(w, ROUND, 0, turn)
        :: else
        fi;
        w++
    :: else -> break
    od;
    w = 0
}

inline beat_down()
{
    beats_down++;
    w = 0;
    do
    :: w < WORKERS -> say(w, BEAT, 0, turn); w++
    :: else -> break
    od;
    w = 0
}

#define is_watched(w) (is_awaited(w) || (!in_round && !ending && (place[w] == EMPTY || is_there(w))))

/* One step of a wait, for one worker: a message, a decision, or a limit, by right or not. */
#define WAIT_FOR(w)                                                                                                    \
    :: atomic { nempty(up[w]) -> hear(w) }                                                                             \
    :: atomic { place[w] == LOST && !ending -> decide(w) }                                                             \
    :: atomic { is_watched(w) && is_quiet(w) -> lose(w) }                                                              \
    :: atomic { is_watched(w) && worker_hangs[w] && place[w] == ACTIVE && in_round -> lose(w) }                        \
    :: atomic { is_watched(w) && suspects > 0 -> suspects--; lose(w) }

#if WORKERS == 2
#define ALL(fact) (fact(0) && fact(1))
#define WAIT_FOR_ALL WAIT_FOR(0) WAIT_FOR(1)
#else
#define ALL(fact) (fact(0))
#define WAIT_FOR_ALL WAIT_FOR(0)
#endif

#define has_joined(w) (place[w] == ACTIVE || place[w] == GONE)
#define has_answered(w) (answered[w] || place[w] == GONE)
#define has_left(w) (left[w] || !is_there(w) || is_quiet(w))

active proctype coordinator()
{
    mtype kind;
    byte peer, number, flags, w;
    atomic {
        do
        :: w < WORKERS -> place[w] = EMPTY; w++
        :: else -> break
        od;
        w = 0
    }
joining:
    do
    :: ALL(has_joined) -> break
    WAIT_FOR_ALL
    :: atomic { timeout && beats_down < BEATS -> beat_down() }
    :: kills > 0 -> kills--; goto killed
    od;
    do
    :: turn < ROUNDS ->
        atomic { begin_turn() };
        do
        :: atomic { ALL(has_answered) -> in_round = false; event(); break }
        WAIT_FOR_ALL
        :: atomic { timeout && beats_down < BEATS -> beat_down() }
        :: kills > 0 -> kills--; goto killed
        od
    :: else -> break
    od;
    last_word = DONE;
    goto end_it;
fail:
    last_word = ABORT;
end_it:
    atomic {
        in_round = false;
        ending = true;
        event();
        w = 0;
        do
        :: w < WORKERS -> say(w, last_word, 0, 0); w++
        :: else -> break
        od;
        w = 0
    };
    do
    :: ALL(has_left) -> break
    :: timeout && beats_down >= BEATS -> break /* the limit of the end */
    WAIT_FOR_ALL
    :: atomic { timeout && beats_down < BEATS -> beat_down() }
    od;
#if !CRASHES && !SUSPECTS && !HANGS && !KILLS && !GIVE_UPS
    /* Whatever gets lost on the way, it is made up for: every turn has everybody's update. */
    assert(last_word == DONE && turn == ROUNDS);
    w = 0;
    do
    :: w < WORKERS -> assert(counted[w] == (1 << (ROUNDS + 1)) - 2); w++
    :: else -> break
    od;
#endif
    goto ended;
killed:
    coordinator_killed = true;
ended:
    coordinator_ended = true
}

proctype worker(byte w)
{
    mtype kind;
    byte peer, number, me, at, hellos;
    bool has_answered_it;
start:
    atomic {
        started[w]++;
        me = started[w];
        worker_ended[w] = false;
        worker_hangs[w] = false;
        at = 0; hellos = 0; has_answered_it = false;
        do /* a new subscription hears nothing of what was said before */
        :: nempty(down[w]) -> down[w]?kind, peer, number
        :: empty(down[w]) -> break
        od;
        kind = 0; peer = 0; number = 0
    };
asking:
    do
    :: atomic { hellos == 0 -> hellos++; tell(w, HELLO, me, 0, NOTHING) }
    :: atomic { timeout && beats_up[w] < BEATS && hellos > 0 -> beats_up[w]++; tell(w, HELLO, me, 0, NOTHING) }
    :: atomic { nempty(down[w]) ->
        down[w]?kind, peer, number;
        if
        :: peer == me && kind == WELCOME ->
            event();
            kind = 0; peer = 0; number = 0;
            break
        :: peer == me && kind == ABORT -> goto ended
        :: else
        fi;
        kind = 0; peer = 0; number = 0 }
    :: timeout && beats_up[w] >= BEATS -> goto ended /* the limit of joining */
    :: coordinator_ended && empty(down[w]) -> goto ended
    :: crashes > 0 -> goto crash
    od;
    if
    :: atomic { has_answered_it = true; tell(w, READY, me, 0, NOTHING) }
    :: atomic { give_ups > 0 -> give_ups--; tell(w, ERROR, me, 0, NOTHING); goto ended } /* its data cannot be read, say */
    :: crashes > 0 -> goto crash
    fi;
waiting:
    do
    :: atomic { nempty(down[w]) ->
        down[w]?kind, peer, number;
        if
        :: peer != 0 && peer != me
        :: (peer == 0 || peer == me) && kind == WELCOME && at == 0 -> tell(w, READY, me, 0, NOTHING)
        :: (peer == 0 || peer == me) && kind == ROUND && number > at ->
            at = number;
            event();
            has_answered_it = false;
            worker_hangs[w] = false
        :: (peer == 0 || peer == me) && kind == ROUND && number == at && has_answered_it ->
            tell(w, UPDATE, me, at, NOTHING)
        :: (peer == 0 || peer == me) && kind == BEAT && number > at -> tell(w, BEAT, me, number, MISSED)
        :: (peer == 0 || peer == me) && (kind == ABORT || kind == DONE) ->
            tell(w, BEAT, me, at, LEAVING);
            goto ended
        :: else
        fi;
        kind = 0; peer = 0; number = 0 }
    :: atomic { at > 0 && !has_answered_it && !worker_hangs[w] -> /* trained */
        has_answered_it = true;
        sent_peer[w] = me;
        sent_turn[w] = at;
        tell(w, UPDATE, me, at, NOTHING) }
    :: atomic { at > 0 && !has_answered_it && !worker_hangs[w] && hangs > 0 -> hangs--; worker_hangs[w] = true }
    :: atomic { timeout && worker_hangs[w] && beats_up[w] >= BEATS -> worker_hangs[w] = false; event() } /* after all */
    :: atomic { timeout && beats_up[w] < BEATS ->
        beats_up[w]++;
        if
        :: has_answered_it -> tell(w, BEAT, me, at, ANSWERED)
        :: else -> tell(w, BEAT, me, at, NOTHING)
        fi }
    :: coordinator_ended && empty(down[w]) -> goto ended /* silence */
    :: crashes > 0 -> goto crash
    od;
crash:
    atomic {
        crashes--;
        worker_ended[w] = true;
        event();
        if
        :: restarts > 0 -> restarts--; goto start
        :: true
        fi
    };
    goto finished;
ended:
    worker_ended[w] = true;
finished:
    skip
}

#if REPLAYS
/* Records an UPDATE of worker 0, and plays it again whenever it likes. */
active proctype recorder()
{
    byte peer, number;
    do
    :: atomic { sent_turn[0] > 0 -> peer = sent_peer[0]; number = sent_turn[0]; break }
    :: coordinator_ended -> goto over
    od;
    do
    :: atomic { nfull(up[0]) -> up[0]!UPDATE, peer, number, NOTHING; break }
    :: coordinator_ended -> break
    od;
over:
    skip
}
#endif

init
{
    atomic {
        byte i;
        do
        :: i < WORKERS -> run worker(i); i++
        :: else -> break
        od
    }
}
