-- What all scripts share: put before each when it is loaded. First keys, numbers from outside, and the clock; then
-- lanes, jobs, runs, and how jobs and runs end.
-- Redis does not roll back, so a script checks what it was given before its first write, takes a missing record for one
-- that is gone, and never looks at more than some hundred things.

-- Python puts its own values here when it loads a script, where they are others.
local KINDS = {'plan', 'shard', 'skopeo', 'docker', 'direct'}
local PREFIX = 'dregsy:'
-- Records looked at in one slice of long work.
local SLICE = 200
-- A relay has asked for the manifest within so many seconds of its start.
local ASKED_WITHIN = 30
-- Ending a job costs as much as so many looks; and how many are ended in one slice.
local END_COSTS, ENDED_AT_ONCE = 3, 50

-- Keys that end with the name of a task, or go on after it: ':' in the name is written as '%3A'.
local NAMED = {task = true, backlog = true, plans = true, shards = true,
  records = true, looked = true, pending = true, once = true}
local ESCAPED = {['%'] = '%25', [':'] = '%3A'}

local function key(kind, name, ...)
  if NAMED[kind] then
    name = string.gsub(name, '[%%:]', ESCAPED)
  end
  return PREFIX .. table.concat({kind, name, ...}, ':')
end

-- Redis' own clock, in seconds: no worker's clock decides anything.
local function clock()
  local time = redis.call('TIME')
  return tonumber(time[1]) + tonumber(time[2]) / 1000000
end

-- In a sorted set of times nothing lies later than `latest`, unless Redis' clock was set back since (it was wrong, or
-- another machine's Redis took over): such a thing is put at `instead`.
local function not_later(name, latest, instead)
  -- A second more: Lua writes a time with four places after the point, so that it may be less than it is.
  for _, member in ipairs(redis.call('ZRANGEBYSCORE', name, '(' .. latest + 1, '+inf', 'LIMIT', 0, SLICE)) do
    redis.call('ZADD', name, instead, member)
  end
end

-- An argument as a number between two bounds. Anything else ends the script, before it wrote anything.
local function number(text, least, most)
  local value = tonumber(text)
  if not value or value ~= value then
    error('not a number: ' .. string.sub(tostring(text), 1, 40))
  end
  return math.max(least, math.min(most, value))
end

-- A number as Redis takes it for a whole one.
local function whole(value)
  return string.format('%.0f', value)
end

-- JSON as a table; nil for any other text.
local function decode(text)
  local good, value = pcall(cjson.decode, text or '')
  return good and type(value) == 'table' and value or nil
end

-- "17-3fa9c2d1:ab04…" -> "17-3fa9c2d1"
local function run_of(job)
  return string.match(job, '^([^:]*)')
end

-- "17-3fa9c2d1:shard-1760000000000-ab04…": a part of a plan
local function is_shard(job)
  return string.match(job, ':shard%-') ~= nil
end

local function spec_of(job)
  return decode(redis.call('HGET', key('run', run_of(job), 'jobs'), job))
end

-- Records that long work has looked at in this call.
local touched = 0
local function touch(number)
  touched = touched + number
end

-- Long work, done in slices by those who reap: "verb run".
local function later(chore)
  redis.call('RPUSH', key('chores'), chore)
end

-- Counts outcomes since this Redis began, for metrics.
local function tally(task, status, reason, count)
  redis.call('HINCRBY', key('tally'), cjson.encode({task, status, reason}), count)
end

-- Does an order ("dregsy pause") hold a task or a registry now? `what` is 'task NAME' or 'registry HOST'.
local function on_hold(what)
  local hold = decode(redis.call('HGET', key('holds'), what))
  local ends = hold and tonumber(hold['until']) or 0
  return hold ~= nil and (ends == 0 or clock() < ends)
end

-- Lanes: all tasks whose next job is of one kind, from one registry to another, with one priority. Where one of them
-- must wait, all must. Tasks of a lane take turns, lanes of one priority take turns.

local function next_turn()
  local turn = redis.call('INCR', key('turns'))
  if turn == 1 then
    -- The counter is new, or was lost: later than all turns that it gave before.
    turn = math.floor(clock() * 1000)
    redis.call('SET', key('turns'), whole(turn))
  end
  return turn
end

-- Lists of waiting jobs: what is in each, and the field of a task that has its lane. All other kinds are in the backlog.
local LISTS = {plans = {'plan', 'plan lane'}, shards = {'shard', 'shard lane'}, backlog = {nil, 'lane'}}
local function list_of(kind)
  return kind == 'plan' and 'plans' or kind == 'shard' and 'shards' or 'backlog'
end

-- A plan that waits for its shards is woken by the last of them. After so many seconds a release that knows none may
-- take it, and plans all by itself.
local SHARDS_TAKE = 60

-- Puts a task into the lane of the first job of its `list`, or out of all lanes while it is on hold.
-- To be called after a change of a hold, of a list's first job, or of a task's priority or registries; audit calls it, too.
local function enroll(task, list)
  local one_kind, field = LISTS[list][1], LISTS[list][2]
  local priority, source, target, lane =
    unpack(redis.call('HMGET', key('task', task), 'priority', 'source', 'target', field))
  local job = redis.call('LINDEX', key(list, task), 0)
  local wanted = false
  -- Without its registries it has none: they are lost, and come back from the run's record (see audit.lua).
  if job and source and not on_hold('task ' .. task) then
    local kind = one_kind or redis.call('HGET', key('job', job), 'kind') or 'skopeo'
    if list_of(kind) ~= list then
      -- A release that knows no shards put one there.
      redis.call('RPUSH', key(list_of(kind), task), redis.call('LPOP', key(list, task)))
      enroll(task, list_of(kind))
      return enroll(task, list)
    end
    wanted = table.concat({priority or '5', kind, source, target or ''}, ' ')
  end
  if lane and lane ~= wanted then
    redis.call('ZREM', key('lane', lane), task)
    redis.call('HDEL', key('task', task), field)
  end
  if wanted and (lane ~= wanted or not redis.call('ZSCORE', key('lane', wanted), task)) then
    redis.call('HSET', key('task', task), field, wanted)
    redis.call('ZADD', key('lane', wanted), next_turn(), task)
  end
  if wanted and not redis.call('ZSCORE', key('ring', string.match(wanted, '^%S+')), wanted) then
    redis.call('ZADD', key('ring', string.match(wanted, '^%S+')), next_turn(), wanted)
  end
end

local function enroll_all(task)
  enroll(task, 'plans')
  enroll(task, 'shards')
  enroll(task, 'backlog')
end

-- Jobs: how they wait, what they hold while they are admitted or running, and who holds them.

-- Puts a job on its task's list without a look at lanes; returns the task and the list, nil for a job that is gone.
local function push(job, at_front)
  local task, kind = unpack(redis.call('HMGET', key('job', job), 'task', 'kind'))
  if not task or not kind then
    return nil
  end
  redis.call('HSET', key('job', job), 'state', 'waiting')
  redis.call('HDEL', key('job', job), 'owner', 'claim')
  local list = list_of(kind)
  redis.call(at_front and 'LPUSH' or 'RPUSH', key(list, task), job)
  return task, list
end

-- Makes a job wait, in its task's turn.
local function wait(job, at_front)
  local task, list = push(job, at_front)
  if task then
    enroll(task, list)
  end
end

-- The registries that a job was admitted to, as a list; none for a plan.
local function registries_of(job)
  local registries = {}
  for registry in string.gmatch(redis.call('HGET', key('job', job), 'registries') or '', '[^ ]+') do
    registries[#registries + 1] = registry
  end
  return registries
end

-- Marks a job in the transfer windows of its registries: `latest` is the last moment at which its
-- requests of this attempt may have been sent. An existing mark can only be moved earlier.
local function mark_windows(job, latest, new)
  local attempt = job .. '.' .. (redis.call('HGET', key('job', job), 'epoch') or '')
  for _, registry in ipairs(registries_of(job)) do
    if redis.call('HEXISTS', key('limits', registry), 'transfers') == 1 then
      if new then
        redis.call('ZADD', key('window', registry), latest, attempt)
      else
        redis.call('ZADD', key('window', registry), 'XX', 'LT', latest, attempt)
      end
    end
  end
end

-- Gives back what a job holds while admitted or running: its target, and its entries in the indexes.
local function let_go(job)
  local kind, owner, target = unpack(redis.call('HMGET', key('job', job), 'kind', 'owner', 'target'))
  for _, registry in ipairs(registries_of(job)) do
    redis.call('SREM', key('using', registry), job)
  end
  redis.call('SREM', key('suspects'), job)
  if kind then
    redis.call('ZREM', key('admitted', kind), job)
    redis.call('SREM', key('running', kind), job)
  end
  if owner then
    redis.call('SREM', key('worker', owner, 'running'), job)
  end
  if target then
    if redis.call('HGET', key('targets'), target) == job then
      redis.call('HDEL', key('targets'), target)
    end
    redis.call('HDEL', key('job', job), 'target')
  end
end

-- True when the job is running under this epoch for this worker: later claims make earlier ones void.
local function holds(job, epoch, worker)
  local state, current, owner = unpack(redis.call('HMGET', key('job', job), 'state', 'epoch', 'owner'))
  return state == 'running' and current == epoch and owner == worker
end

-- True when this very call settled the job before: its answer got lost, and it is made again.
local function settled_before(job, epoch, token)
  return redis.call('HGET', key('job', job), 'settled') == epoch .. ' ' .. token
end

-- Runs: how they begin, end, and are forgotten.

-- A shard goes, whatever becomes of it: a worker that runs it learns it from its next heartbeat. Its entry in the list
-- is left, admit drops it.
local function drop_shard(job)
  let_go(job)
  redis.call('ZREM', key('delayed'), job)
  redis.call('UNLINK', key('job', job))
  return redis.call('HDEL', key('run', run_of(job), 'shards'), job) == 1
end

-- One slice of the same for all shards of a run; returns whether it is through.
local function drop_shards(run)
  local some = redis.call('HRANDFIELD', key('run', run, 'shards'), ENDED_AT_ONCE)
  touch(#some)
  for _, job in ipairs(some) do
    drop_shard(job)
  end
  return redis.call('EXISTS', key('run', run, 'shards')) == 0
end

-- One slice of forgetting a run; returns whether it is through.
local function forget_slice(run)
  if not drop_shards(run) then
    return false
  end
  local jobs = key('run', run, 'jobs')
  local some = redis.call('HRANDFIELD', jobs, SLICE)
  touch(#some)
  for _, job in ipairs(some) do
    local state = redis.call('HGET', key('job', job), 'state')
    if state == 'admitted' or state == 'running' then
      let_go(job)
    elseif state == 'waiting' then
      redis.call('ZREM', key('delayed'), job)
    end
    redis.call('UNLINK', key('job', job))
  end
  if #some > 0 then
    redis.call('HDEL', jobs, unpack(some))
  end
  redis.call('UNLINK', key('run', run))
  if redis.call('EXISTS', jobs) == 1 then
    return false
  end
  redis.call('UNLINK', key('run', run, 'planned'), key('run', run, 'targets'), key('run', run, 'retry'),
    key('job', run .. ':plan'))
  return true
end

-- Begins a run; what was kept of the oldest ones is forgotten. `order` has the fields of start_run.lua.
local function begin_run(task, order, now)
  local run = whole(redis.call('INCR', key('runs'))) .. (order.suffix ~= '' and '-' .. order.suffix or '')
  local plan = run .. ':plan'
  redis.call('HSET', key('task', task), 'active', run, 'priority', order.priority, 'source', order.source,
    'target', order.target)
  redis.call('SADD', key('tasks'), task)
  redis.call('HSET', key('run', run), 'task', task, 'fingerprint', order.fingerprint, 'state', 'planning',
    'started', now, 'open', 0, 'priority', order.priority, 'source', order.source, 'target', order.target)
  redis.call('HSET', key('job', plan), 'task', task, 'kind', 'plan', 'epoch', 0)
  wait(plan, true)
  enroll_all(task)
  local runs = key('task', task, 'runs')
  redis.call('LPUSH', runs, run)
  while redis.call('LLEN', runs) > tonumber(order.kept) do
    local old = redis.call('RPOP', runs)
    if not forget_slice(old) then
      later('forget ' .. old)
    end
  end
  return run
end

-- A run that was over, or was planned, goes on: by order of an operator.
local function reopen_run(run, task, state)
  redis.call('HSET', key('run', run), 'state', state)
  redis.call('HDEL', key('run', run), 'ended', 'cancelled', 'cancel running', 'cancel cursor')
  redis.call('HSET', key('task', task), 'active', run)
end

-- A run is over exactly when it is planned and its last job has ended.
local function finish_run_if_over(run, now)
  local state, open, task = unpack(redis.call('HMGET', key('run', run), 'state', 'open', 'task'))
  if state ~= 'running' or tonumber(open or 0) > 0 then
    return
  end
  redis.call('HSET', key('run', run), 'state', 'done', 'ended', now)
  redis.call('HSET', key('task', task), 'last', run)
  redis.call('RPUSH', key('ended'), run)
  redis.call('LTRIM', key('ended'), -1000, -1)
  local bad = 0
  for _, count in ipairs({'jobs.failed', 'planned.failed', 'jobs.cancelled'}) do
    bad = bad + (tonumber(redis.call('HGET', key('run', run), count) or 0))
  end
  if bad == 0 and redis.call('HEXISTS', key('run', run), 'cancelled') == 0 then
    redis.call('HSET', key('task', task), 'last good', now)
  end
  if redis.call('HGET', key('task', task), 'active') == run then
    redis.call('HDEL', key('task', task), 'active')
    local follower = decode(redis.call('HGET', key('task', task), 'next'))
    redis.call('HDEL', key('task', task), 'next')
    if follower then
      begin_run(task, follower, now)
    end
  end
end

-- Something of a run is lost, for good: the run has failed, and says why.
local function note_loss(run, text)
  if redis.call('EXISTS', key('run', run)) == 1 and redis.call('HSETNX', key('run', run), 'failure', text) == 1 then
    redis.call('HINCRBY', key('run', run), 'planned.failed', 1)
  end
end

-- What an attempt at a plan said of its whole does not hold for the next one.
local function forget_attempt(run)
  redis.call('HDEL', key('run', run), 'listed', 'shards', 'shards ended', 'found')
end

-- Ends a shard; `failure` (a text, or nil): why its images could not be planned. With the last one the plan that waits
-- for them goes on.
local function end_shard(job, failure)
  local run = run_of(job)
  local known = drop_shard(job)
  local state, listed = unpack(redis.call('HMGET', key('run', run), 'state', 'listed'))
  if state ~= 'planning' then
    return
  end
  if known then
    redis.call('HINCRBY', key('run', run), 'shards ended', 1)
  end
  if failure then
    note_loss(run, failure)
  end
  local plan = run .. ':plan'
  if listed and redis.call('EXISTS', key('run', run, 'shards')) == 0
      and redis.call('ZREM', key('delayed'), plan) == 1 then
    wait(plan, true)
  end
end

-- How jobs end, each as the last one may end its run, too; and how what waits is cancelled.

-- Ends a transfer job: status is copied, up-to-date, failed or cancelled.
local function end_job(job, status, now)
  local run = run_of(job)
  redis.call('HSET', key('job', job), 'state', status, 'ended', now)
  redis.call('HDEL', key('job', job), 'registries', 'losses')
  local spec = spec_of(job)
  local task = redis.call('HGET', key('job', job), 'task') or ''
  tally(task, status, tostring(spec and spec.reason or ''), 1)
  -- Its run, or that it was one of its jobs, is lost: it was not counted, either.
  if not spec or redis.call('EXISTS', key('run', run)) == 0 then
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
  if failure then
    note_loss(run, failure)
  end
  if redis.call('EXISTS', key('run', run, 'shards')) == 1 then
    later('cancel ' .. run)
  end
  finish_run_if_over(run, now)
end

-- Ends a job early, as cancelled. One that waits (or was admitted and not claimed) always; a running one only with
-- `running_too`: its worker learns it from its next heartbeat and ends it. Works for transfers, plans and shards.
-- Returns whether it was one that could be cancelled. The entry of a transfer in a backlog is left, admit drops it.
local function cancel_job(job, why, now, running_too)
  local state, kind = unpack(redis.call('HMGET', key('job', job), 'state', 'kind'))
  if state ~= 'waiting' and state ~= 'admitted' and not (state == 'running' and running_too) then
    return false
  end
  if kind == 'shard' then
    drop_shard(job)
    return true
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

-- One slice of cancelling a run's jobs; returns whether it is through. Its shards, then from the front of the backlog, where
-- they are in order, then through all jobs of the run for those that are delayed, admitted or (when wanted) running.
local function cancel_slice(run, now)
  local task, why, running_too, cursor, state =
    unpack(redis.call('HMGET', key('run', run), 'task', 'cancelled', 'cancel running', 'cancel cursor', 'state'))
  if state ~= 'planning' and not drop_shards(run) then
    return false
  end
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
    touch(END_COSTS)
    if redis.call('HGET', key('job', job), 'state') == 'waiting' then
      cancel_job(job, why, now, false)
    end
  end
  local head = redis.call('LINDEX', backlog, 0)
  if not head or run_of(head) ~= run then
    local answer = redis.call('HSCAN', key('run', run, 'jobs'), tonumber(cursor) and cursor or '0', 'COUNT', ENDED_AT_ONCE)
    touch(#answer[2] / 2 * END_COSTS)
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
