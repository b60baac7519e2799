-- Shared by all scripts (put before each one when it is loaded): key names, clock, and moves of a job.
-- `KINDS`, a list of all kinds of jobs, is put before it.

local function key(...)
  return 'dregsy:' .. table.concat({...}, ':')
end

-- Redis' own clock, in seconds: no worker's clock decides anything.
local function clock()
  local time = redis.call('TIME')
  return tonumber(time[1]) + tonumber(time[2]) / 1000000
end

-- "17:3fa9…" -> "17"
local function run_of(job)
  return string.match(job, '^([^:]+)')
end

-- Puts a job on its task's backlog, and the task into its ring.
local function wait(job, at_front)
  local task = redis.call('HGET', key('job', job), 'task')
  redis.call('HSET', key('job', job), 'state', 'waiting')
  redis.call('HDEL', key('job', job), 'owner')
  redis.call(at_front and 'LPUSH' or 'RPUSH', key('backlog', task), job)
  if redis.call('SADD', key('ringed'), task) == 1 then
    local priority = redis.call('HGET', key('task', task), 'priority') or '5'
    redis.call('RPUSH', key('ring', priority), task)
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

-- Marks a job's place in the transfer windows of its registries: `latest` is the last moment at which its
-- requests of this attempt may have been sent. Places only move to earlier moments, `new` ones apart.
local function mark_windows(job, latest, new)
  local attempt = job .. '.' .. redis.call('HGET', key('job', job), 'epoch')
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

-- What a job holds while admitted or running: its target, and its places in the indexes.
local function let_go(job)
  local kind, owner = unpack(redis.call('HMGET', key('job', job), 'kind', 'owner'))
  for _, registry in ipairs(registries_of(job)) do
    redis.call('SREM', key('using', registry), job)
  end
  redis.call('SREM', key('suspects'), job)
  redis.call('ZREM', key('admitted', kind), job)
  redis.call('SREM', key('running', kind), job)
  if owner then
    redis.call('SREM', key('worker', owner, 'running'), job)
  end
  local spec = redis.call('HGET', key('run', run_of(job), 'jobs'), job)
  if spec then
    local target = cjson.decode(spec).target
    if redis.call('HGET', key('targets'), target) == job then
      redis.call('HDEL', key('targets'), target)
    end
  end
end

-- A run is over exactly when it is planned and its last job has ended.
local function finish_run_if_over(run, now)
  local state, open, task = unpack(redis.call('HMGET', key('run', run), 'state', 'open', 'task'))
  if state == 'running' and tonumber(open) == 0 then
    redis.call('HSET', key('run', run), 'state', 'done', 'ended', now)
    redis.call('HSET', key('task', task), 'last', run)
    local failed, unplanned = unpack(redis.call('HMGET', key('run', run), 'jobs.failed', 'planned.failed'))
    if tonumber(failed or 0) + tonumber(unplanned or 0) == 0 then
      redis.call('HSET', key('task', task), 'last good', now)
    end
    if redis.call('HGET', key('task', task), 'active') == run then
      redis.call('HDEL', key('task', task), 'active')
    end
  end
end

-- Counts outcomes since this Redis began, for metrics.
local function tally(task, status, reason, number)
  redis.call('HINCRBY', key('tally'), cjson.encode({task, status, reason}), number)
end

-- Ends a transfer job: status is copied, up-to-date or failed.
local function end_job(job, status, now)
  local run = run_of(job)
  redis.call('HSET', key('job', job), 'state', status, 'ended', now)
  redis.call('HINCRBY', key('run', run), 'jobs.' .. status, 1)
  local spec = cjson.decode(redis.call('HGET', key('run', run, 'jobs'), job))
  local task = redis.call('HGET', key('job', job), 'task')
  tally(task, status, spec.reason, 1)
  if status ~= 'failed' then
    redis.call('HDEL', key('pending', task), spec.target)
  end
  redis.call('HINCRBY', key('run', run), 'open', -1)
  finish_run_if_over(run, now)
end

-- Ends the planning of a run; `problem` (JSON or nil) counts as one failure.
local function end_planning(job, now, problem)
  local run = run_of(job)
  redis.call('HSET', key('job', job), 'state', problem and 'failed' or 'done', 'ended', now)
  redis.call('HSET', key('run', run), 'state', 'running', 'planned', now)
  if problem and redis.call('HSETNX', key('run', run, 'planned'), job, problem) == 1 then
    redis.call('HINCRBY', key('run', run), 'planned.failed', 1)
  end
  finish_run_if_over(run, now)
end

-- True when the job is running under this epoch: later claims make earlier ones void.
local function holds(job, epoch)
  local state, current = unpack(redis.call('HMGET', key('job', job), 'state', 'epoch'))
  return state == 'running' and current == epoch
end
