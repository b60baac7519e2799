"""The ledger in Redis: runs and their jobs, who may run what now, and which workers live.

Every change of state is one atomic script in ``lua/``, on Redis' own clock; the modules here are their typed
``runs``                       counter that gives run ids
``task:<task>``                hash: priority, active run, last run
``task:<task>:runs``           list of the task's run ids, newest first
``run:<run>``                  hash: task, state (planning, running, done), times, counts
``run:<run>:jobs``             hash: job id → what to do (JSON, never changes)
``run:<run>:planned``          hash: job id → outcome that planning already knew (JSON)
``job:<job>``                  hash: task, kind, state, epoch, owner, attempts, … (what changes)
``backlog:<task>``             list of waiting jobs, in order
``ring:<priority>``, ``ringed``  tasks with a backlog, in turn; and the set of them
``delayed``                    sorted set: job → time before which it does not run
``admitted:<kind>``            sorted set: job → time by which a worker must have claimed it
``running:<kind>``             set of running jobs
``suspects``                   set: the job now running that several workers did not survive
``targets``                    hash: target reference → the one job that may write it
``workers``                    sorted set: worker → end of its lease
``worker:<worker>``            hash: slots, kinds, draining; ``…:running``: set of its jobs
``role:<kind>:<name>``          hash: leads, config, … of a scheduler or worker; ``roles:<kind>``: ends of their leases
``scheduled``                  what the leading scheduler has in store (JSON: task → interval, next run)
``records:<task>``             hash: target reference → source digest and target digest last synced
``list:<fingerprint>``         list of repositories, compressed, for as long as ``lister.cacheDuration``
``pending:<task>``             hash: target reference → since when it waits to be synced, and the run that saw it last
``tally``                      hash: number of outcomes by task, status and reason
``transfers``, ``transfer seconds``, ``transferred bytes``   hashes: number, time and bytes of transfers, by task
``seen``, ``once:<task>``, ``scheduler:<host>``   marks: of this Redis, of one-off tasks, of living schedulers
``limits:<registry>``          hash: what all workers together may do with a registry
``using:<registry>``           set of jobs that read from or write to it now
``window:<registry>``          sorted set: attempt → the last moment at which it may have asked for its manifest
``requests:<registry>``        sorted set: API request → when it was answered (or must be)
``pause:<registry>``, ``paused``   hash: begin, end, step, what has not come through since; set of paused ones
``quota:<registry>``, ``quotas``   hash: pulls left by the registry's own word; set of those known
=============================  =====================================================================
=======
wrappers. ``keys.py`` has the table of keys and the states of a job.
"""
