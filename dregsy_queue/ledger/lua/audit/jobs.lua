-- One job: is it where its state says? What is put right is told.
local grace = number(ARGV[2], 0, 3600)
local now = clock()
local repairs = {}

local function repaired(text)
  repairs[#repairs + 1] = text
  redis.call('INCR', key('repairs'))
end

local function remembered(name)
  return redis.call('HGET', key('audit'), name)
end

-- A chore that is not in the list yet.
local function see_to(chore)
  if redis.call('LPOS', key('chores'), chore) == false then
    later(chore)
    return true
  end
  return false
end

-- A worker that holds something has a lease, so that reap sees to it when it ends.
local function give_lease(worker)
  if not redis.call('ZSCORE', key('workers'), worker) then
    redis.call('ZADD', key('workers'), now + grace, worker)
    repaired('worker ' .. worker .. ' had no lease')
  end
end

-- Makes a job wait that nobody works on.
local function put_back(job, state)
  let_go(job)
  redis.call('ZREM', key('delayed'), job)
  wait(job, false)
  repaired('job ' .. job .. ' was ' .. state .. ' and nobody worked on it')
end

-- Puts the indexes of an admitted or running job right. Returns whether it is one.
local function settle_held(job)
  local state, kind, owner, target =
    unpack(redis.call('HMGET', key('job', job), 'state', 'kind', 'owner', 'target'))
  if state == 'admitted' and kind then
    if not redis.call('ZSCORE', key('admitted', kind), job) then
      put_back(job, state)
      return false
    end
  elseif state == 'running' and kind then
    if not owner then
      put_back(job, state)
      return false
    end
    if redis.call('SADD', key('running', kind), job) + redis.call('SADD', key('worker', owner, 'running'), job) > 0 then
      repaired('job ' .. job .. ' was running and not listed')
    end
    give_lease(owner)
  else
    return false
  end
  local missing = target and redis.call('HSETNX', key('targets'), target, job) or 0
  for _, registry in ipairs(registries_of(job)) do
    missing = missing + redis.call('SADD', key('using', registry), job)
  end
  if missing > 0 then
    repaired('job ' .. job .. ' was ' .. state .. ', and its target or registries did not count it')
  end
  return true
end

-- One job of a run whose backlog is empty: it moves, or has ended, or waits again from now on. Returns its state.
local function put_right(job, task, text)
  local state, kind = unpack(redis.call('HMGET', key('job', job), 'state', 'kind'))
  if not state or not kind then
    local spec = decode(text) or {}
    redis.call('HSET', key('job', job), 'task', task, 'kind', tostring(spec.relay or 'skopeo'), 'epoch', 0)
    put_back(job, state or 'lost')
  elseif state == 'waiting' then
    if not redis.call('ZSCORE', key('delayed'), job) and not redis.call('ZSCORE', key('postponed'), job) then
      put_back(job, state)
    end
  elseif (state == 'admitted' or state == 'running') and not settle_held(job) then
    return 'waiting'
  else
    return state
  end
  return 'waiting'
end
