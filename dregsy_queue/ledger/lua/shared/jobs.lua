-- Jobs: how they wait, what they hold while they are admitted or running, and who holds them.

-- Puts a job on its task's list without a look at lanes; returns the task and the list, nil for a job that is gone.
local function push(job, at_front)
  local task, kind = unpack(redis.call('HMGET', key('job', job), 'task', 'kind'))
  if not task or not kind then
    return nil
  end
  redis.call('HSET', key('job', job), 'state', 'waiting')
  redis.call('HDEL', key('job', job), 'owner', 'claim')
  local list = kind == 'plan' and 'plans' or 'backlog'
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

-- Gives back what a job holds while admitted or running: its target, and its places in the indexes.
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
