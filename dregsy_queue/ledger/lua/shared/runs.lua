-- Runs: how they begin, end, and are forgotten.

-- One slice of forgetting a run; returns whether it is through.
local function forget_slice(run)
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
  enroll(task, 'backlog')
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
