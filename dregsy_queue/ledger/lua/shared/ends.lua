-- How jobs end, each as the last one may end its run, too; and how what waits is cancelled.

-- Ends a transfer job: status is copied, up-to-date, failed or cancelled.
local function end_job(job, status, now)
  local run = run_of(job)
  redis.call('HSET', key('job', job), 'state', status, 'ended', now)
  redis.call('HDEL', key('job', job), 'registries', 'losses')
  local spec = spec_of(job) or {}
  local task = redis.call('HGET', key('job', job), 'task') or ''
  tally(task, status, tostring(spec.reason or ''), 1)
  if redis.call('EXISTS', key('run', run)) == 0 then
    return
  end
  redis.call('HINCRBY', key('run', run), 'jobs.' .. status, 1)
  if (status == 'copied' or status == 'up-to-date') and spec.target then
    redis.call('HDEL', key('pending', task), tostring(spec.target))
  end
  redis.call('HINCRBY', key('run', run), 'open', -1)
  finish_run_if_over(run, now)
end

-- Ends the planning of a run. `failure` (a text, or nil): why it could not be planned as a whole; counts as one
-- failure.
local function end_planning(job, status, now, failure)
  local run = run_of(job)
  redis.call('HSET', key('job', job), 'state', failure and 'failed' or status, 'ended', now)
  if redis.call('HGET', key('run', run), 'state') ~= 'planning' then
    return
  end
  redis.call('HSET', key('run', run), 'state', 'running', 'planned', now)
  if failure or status == 'cancelled' then
    redis.call('UNLINK', key('run', run, 'targets'), key('run', run, 'retry'))
  end
  if failure and redis.call('HSETNX', key('run', run), 'failure', failure) == 1 then
    redis.call('HINCRBY', key('run', run), 'planned.failed', 1)
  end
  finish_run_if_over(run, now)
end

-- Ends a job early, as cancelled. One that waits (or was admitted and not claimed) always; a running one only with
-- `running_too`: its worker learns it from its next heartbeat and ends it. Works for transfers and plans.
-- Returns whether it was one that could be cancelled. The entry of a transfer in a backlog is left, admit drops it.
local function cancel_job(job, why, now, running_too)
  local state, kind = unpack(redis.call('HMGET', key('job', job), 'state', 'kind'))
  if state ~= 'waiting' and state ~= 'admitted' and not (state == 'running' and running_too) then
    return false
  end
  if state ~= 'waiting' then
    mark_windows(job, now, false)
  end
  let_go(job)
  redis.call('ZREM', key('delayed'), job)
  redis.call('HDEL', key('job', job), 'owner', 'claim')
  redis.call('HSET', key('job', job), 'error', why)
  if kind == 'plan' then
    redis.call('LREM', key('plans', redis.call('HGET', key('job', job), 'task') or ''), 0, job)
    end_planning(job, 'cancelled', now, nil)
  else
    end_job(job, 'cancelled', now)
  end
  return true
end

-- One slice of cancelling a run's jobs; returns whether it is through. First from the front of the backlog, where
-- they are in order, then through all jobs of the run for those that are delayed, admitted or (when wanted) running.
local function cancel_slice(run, now)
  local task, why, running_too, cursor, state =
    unpack(redis.call('HMGET', key('run', run), 'task', 'cancelled', 'cancel running', 'cancel cursor', 'state'))
  if not task or not why or state == 'done' then
    return true
  end
  local backlog = key('backlog', task)
  for _ = 1, ENDED_AT_ONCE do
    local job = redis.call('LINDEX', backlog, 0)
    if not job or run_of(job) ~= run then
      break
    end
    redis.call('LPOP', backlog)
    touch(1)
    if redis.call('HGET', key('job', job), 'state') == 'waiting' then
      cancel_job(job, why, now, false)
    end
  end
  local head = redis.call('LINDEX', backlog, 0)
  if not head or run_of(head) ~= run then
    local answer = redis.call('HSCAN', key('run', run, 'jobs'), tonumber(cursor) and cursor or '0', 'COUNT', ENDED_AT_ONCE)
    touch(#answer[2] / 2)
    for i = 1, #answer[2], 2 do
      cancel_job(answer[2][i], why, now, running_too == '1')
    end
    if redis.call('EXISTS', key('run', run)) == 1 then
      redis.call('HSET', key('run', run), 'cancel cursor', answer[1] == '0' and 'through' or answer[1])
    end
    enroll(task, 'backlog')
    return answer[1] == '0'
  end
  enroll(task, 'backlog')
  return false
end

-- Ends a run early: nothing more is planned, waiting jobs end as cancelled (running ones, too, with `running_too`);
-- the run is over with its last running job. A large run is done in slices, by those who reap.
local function cancel_run(run, why, now, running_too)
  local state, before = unpack(redis.call('HMGET', key('run', run), 'state', 'cancelled'))
  if not state or state == 'done' then
    return false
  end
  redis.call('HSET', key('run', run), 'cancelled', before or why, 'cancel cursor', '0')
  if running_too then
    redis.call('HSET', key('run', run), 'cancel running', '1')
  end
  if state == 'planning' then
    cancel_job(run .. ':plan', why, now, true)
  end
  if not cancel_slice(run, now) then
    later('cancel ' .. run)
  end
  return true
end
