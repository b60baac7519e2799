"""Names of the Redis keys. All begin with a prefix (``DREGSY_PREFIX``, default ``dregsy:``), so that several clusters
can share one Redis database; a test compares this table with what Lua and Python name.

=============================  =====================================================================
``runs``                       counter that gives run ids
``turns``                      counter that gives turns in lanes and rings
``tasks``                      set of all tasks
``task:<task>``                hash: priority, source, target, active run, last run, lane, plan lane and shard lane,
                               next (the run that follows the active one), left (since when it is in no config)
``task:<task>:runs``           list of the task's run ids, newest first
``run:<run>``                  hash: task, fingerprint, state (planning, running, done), times, counts (open,
                               jobs.<state>, planned.<state>; unlisted: repositories and
                               mappings whose images nobody knows), failure (why it could not be planned as a whole),
                               cancelled (why it ends early), cursors of long work; of a run that several workers
                               plan: shards and shards ended (numbers), listed (mark: no shard comes any more),
                               found (number of targets of the plan), planned again (how often, as some were lost)
``run:<run>:jobs``             hash: job id → what to do (JSON, never changes)
``run:<run>:planned``          hash: job id → outcome that planning already knew (JSON)
``run:<run>:shards``           hash: shard that has not ended → its images (JSON)
``run:<run>:targets``          set of target references that planning has seen, until what has left is swept up
``job:<job>``                  hash: task, kind, state, epoch, owner, claim, settled, attempts, … (what changes)
``backlog:<task>``             list of waiting transfers, in order
``plans:<task>``               list of waiting plans
``shards:<task>``              list of waiting shards, the parts of a large plan
``lane:<lane>``                sorted set: tasks whose next job is of one kind, between two registries, with one
                               priority (``<priority> <kind> <source> <target>``), by turn
``ring:<priority>``            sorted set: lanes, by turn
``turns left``                 hash: lane → tasks that have their turn before the next lane
``delayed``                    sorted set: job → time before which it does not run
``postponed``                  sorted set: the same from before Redis' clock was set back, until it is put right
``postponed by``               by how many seconds that is
``admitted:<kind>``            sorted set: job → time by which a worker must have claimed it
``running:<kind>``             set of running jobs
``suspects``                   set: the job now running that several workers did not survive
``targets``                    hash: target reference → the one job that may write it
``workers``                    sorted set: worker → end of its lease
``worker:<worker>``            hash: slots, kinds, draining, beat (number of its last heartbeat), moved (JSON: job →
                               bytes so far, and per second)
``worker:<worker>:running``    set of its jobs
``worker:<worker>:missed``     hash: job that its last heartbeat did not name → epoch
``lost:<worker>``              set: jobs that count a loss because this worker's lease ended
``reaped``                     when somebody reaped last
``chores``                     list of long work to do in slices: ``forget|cancel|sweep <run>``,
                               ``fail <run> <task>``
``audit``                      hash: cursors of the search for what cannot be, when it was made, the run in question
``repairs``                    counter: what was found there; stays 0
``records:<task>``             hash: target reference → source digest, target digest, and platform last synced
``looked:<task>``              hash: target reference → when the target was last seen to have that (``drift-check``)
``list:<fingerprint>``         list of repositories, compressed, for as long as ``lister.cacheDuration``
``pending:<task>``             hash: target reference → since when it waits to be synced, and the run that saw it last
``tally``                      hash: number of outcomes by task, status and reason
``transfers``                  hash: task → number of transfers that ended
``transfer seconds``           hash: task → their seconds together
``transferred bytes``          hash: task → bytes sent to targets
``seen``                       mark of this Redis
``once:<task>``                fingerprint of a one-off task that was started
``scheduler:<host>``           mark of a living scheduler
``role:<kind>:<name>``         hash: since, config, … of a scheduler or worker
``roles:<kind>``               sorted set: such a role → end of its lease
``beat::schedule``             sorted set: periodic task (as ``beat:<task>``) → Unix time at which it is due
``beat::tasks``                hash: periodic task → what it was scheduled as
``beat::lock``                 name of the scheduler that leads, for as long as it says so again in time
``scheduled``                  what the leading scheduler has in store (JSON: task → interval, next run)
``run:<run>:retry``            set of sources that a retry plans once more; no others of the run
``ended``                      list of runs that ended and of which no log line tells yet
``order log``                  list of what operators ordered and no log line tells yet
``orders``                     hash: task → an operator's order to start a run (JSON: id, when, until when it is taken)
``order:<id>``                 the run that came of an order
``plan waits``                 hash: task → what its planning waits for between two tries (JSON)
``limits:<registry>``          hash: what all workers together may do with a registry
``using:<registry>``           set of jobs that read from or write to it now
``window:<registry>``          sorted set: attempt → the last moment at which it may have asked for its manifest
``requests:<registry>``        sorted set: API request → when it was answered (or must be)
``pause:<registry>``           hash: begin, end, step, what has not come through since
``level:<registry>``           hash: level (requests of all workers together under way there; none: as many as they
                               like), and state (JSON: what it is found by); forgotten a day after its last use
``level:<registry>:workers``   hash: worker → when it told last, under way, wanted, share, seconds and epoch of these
``head refusals``              hash: registry whose HEADs do not work → until when (Unix time)
``paused``                     set of registries that a refusal paused
``trying:<registry>``          mark of the one request that tries a registry whose pause is over
``holds``                      hash: ``task <task>`` or ``registry <registry>`` → since when, until when (0: for ever)
                               and why an operator paused it (JSON); admit lets nothing of it start
``quota:<registry>``           hash: pulls left by the registry's own word
``quotas``                     set of registries of which that is known
``blobs:<registry>:<bucket>``  hash: blob → repositories of a target registry that were seen to have it, newest first
``known blobs:<registry>``     mark of a target registry of which there are such
``parts:<bucket>``             hash: manifest → the blobs that it names, directly or by the manifests in it
``moving:<registry>:<blob>``   who moves a blob to a registry now: a lease
``told``                       hash: task → what the outside was told of it last (JSON)
``outbox``                     sorted set: letter → when it is due
``letters``                    hash: letter → what it says (JSON)
``letter attempts``            hash: letter → how often it was sent
=============================  =====================================================================

A job's state moves so: waiting → admitted → running → copied | up-to-date | failed | cancelled, from admitted and
running back to waiting. A waiting job is in its task's list (``backlog``, ``plans`` or ``shards``) or in ``delayed``; a
shard that ends is forgotten. A ``:`` in a task's name is written as ``%3A`` (and ``%`` as ``%25``), so that tasks ``a``
and ``a:runs`` have keys of their own.

For orders ``common.lua`` has `cancel_job(job, why, now, running_too)` and `cancel_run(run, why, now,
running_too)`, which end early what waits (and what runs); and `enroll(task, list)`, to be called after a change of a
task's hold.
"""

from __future__ import annotations

from dregsy_queue.prefix import PREFIX

#: Kinds of keys whose second part is the name of a task; Lua has the same.
_NAMED = frozenset({"task", "backlog", "plans", "shards", "records", "looked", "pending", "once"})


def key(kind: str, name: str | None = None, *more: str) -> str:
    if name is None:
        return PREFIX + kind
    if kind in _NAMED:
        name = name.replace("%", "%25").replace(":", "%3A")
    return PREFIX + ":".join((kind, name, *more))
