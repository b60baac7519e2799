-- Moves from the backlogs what may run now: a worker slot for its kind is free, its registries have room, and
-- nobody writes its target.
-- Higher priority first; tasks of equal priority take turns.
-- ARGV: most jobs to admit, seconds within which a worker must claim, seconds a job waits for a busy target, lost
--       workers after which a job is a suspect
-- Result: {job, epoch, kind, spec (JSON, '' for a plan), …} four values per admitted job
local most, claim_within, busy_delay, suspect_after =
  tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local now = clock()

-- Free slots per kind. Kinds that share workers share these slots, so each admission counts for all of them.
local free, shares, plan_room = {}, {}, 0
for _, kind in ipairs(KINDS) do
  free[kind], shares[kind] = 0, {}
end
for _, worker in ipairs(redis.call('ZRANGEBYSCORE', key('workers'), '(' .. now, '+inf')) do
  local slots, kinds, draining = unpack(redis.call('HMGET', key('worker', worker), 'slots', 'kinds', 'draining'))
  if slots and draining ~= '1' then
    local room = math.max(0, tonumber(slots) - redis.call('SCARD', key('worker', worker, 'running')))
    -- Planners hold slots for as long as registries take to answer; at most half of a worker's slots.
    plan_room = plan_room + math.max(1, math.floor(tonumber(slots) / 2))
    for kind in string.gmatch(kinds, '[^,]+') do
      free[kind] = free[kind] + room
      for other in string.gmatch(kinds, '[^,]+') do
        shares[kind][other] = true
      end
    end
  end
end
local function occupy(kind, number)
  for other in pairs(shares[kind]) do
    free[other] = free[other] - number
  end
  if kind == 'plan' then
    plan_room = plan_room - number
  end
end
plan_room = plan_room - redis.call('SCARD', key('running', 'plan'))
for _, kind in ipairs(KINDS) do
  occupy(kind, redis.call('ZCARD', key('admitted', kind)))
end
local function has_slot(kind)
  return free[kind] > 0 and (kind ~= 'plan' or plan_room > 0)
end
local function any_slot()
  for _, kind in ipairs(KINDS) do
    if has_slot(kind) then
      return true
    end
  end
  return false
end

-- Do both registries of a task let one more job in? Each answer is yes or no for the whole task, so a job that
-- must wait holds up no other task.
local function has_room(source, target, kind)
  for place, registry in ipairs({source, target}) do
    local pause = redis.call('HMGET', key('pause', registry), 'until', 'transfers')
    if pause[1] and now < tonumber(pause[1]) then
      return false
    end
    if kind ~= 'plan' then
      -- After a pause one transfer tries whether the registry works again.
      if pause[2] and redis.call('SCARD', key('using', registry)) > 0 then
        return false
      end
      local most, number, window, reserve =
        unpack(redis.call('HMGET', key('limits', registry), 'max-concurrent', 'transfers', 'window', 'reserve'))
      if most and redis.call('SCARD', key('using', registry)) >= tonumber(most) then
        return false
      end
      if number then
        redis.call('ZREMRANGEBYSCORE', key('window', registry), '-inf', now - tonumber(window))
        if redis.call('ZCARD', key('window', registry)) >= tonumber(number) then
          return false
        end
      end
      local left = place == 1 and redis.call('HGET', key('quota', registry), 'left')
      if left and tonumber(left) <= tonumber(reserve or 0) then
        return false
      end
    end
    if target == source then
      break
    end
  end
  return true
end

-- Takes a place at each registry of an admitted job.
local function take_room(job, source, target, pulls)
  local registries = source == target and {source} or {source, target}
  redis.call('HSET', key('job', job), 'registries', table.concat(registries, ' '))
  for _, registry in ipairs(registries) do
    redis.call('SADD', key('using', registry), job)
  end
  if redis.call('EXISTS', key('quota', source)) == 1 then
    redis.call('HINCRBY', key('quota', source), 'left', -pulls)
  end
end

local admitted = {}
-- What the head of a task's backlog does on its turn: 'gone' (there is none), 'moved' or 'held'.
local function turn(task)
  local job = redis.call('LINDEX', key('backlog', task), 0)
  if not job then
    return 'gone'
  end
  local kind, state = unpack(redis.call('HMGET', key('job', job), 'kind', 'state'))
  if state ~= 'waiting' then
    redis.call('LPOP', key('backlog', task))
    return 'moved'
  end
  local source, target = unpack(redis.call('HMGET', key('task', task), 'source', 'target'))
  if not has_slot(kind) or not has_room(source or '', target or '', kind) then
    return 'held'
  end
  -- Which of the jobs that a dead worker ran has killed it is not known. Those that lost several workers run one
  -- at a time, so that no innocent one is given up with the one that does it.
  if tonumber(redis.call('HGET', key('job', job), 'losses') or 0) >= suspect_after then
    if redis.call('SCARD', key('suspects')) > 0 then
      return 'held'
    end
    redis.call('SADD', key('suspects'), job)
  end
  redis.call('LPOP', key('backlog', task))
  local spec = redis.call('HGET', key('run', run_of(job), 'jobs'), job) or ''
  local epoch = redis.call('HINCRBY', key('job', job), 'epoch', 1)
  if spec ~= '' then
    local image = cjson.decode(spec)
    if redis.call('HSETNX', key('targets'), image.target, job) == 0 then
      redis.call('SREM', key('suspects'), job)
      redis.call('ZADD', key('delayed'), now + busy_delay, job)
      return 'moved'
    end
    take_room(job, source or '', target or '', image.pulls or 1)
    mark_windows(job, now + claim_within + 30, true)
  end
  redis.call('HSET', key('job', job), 'state', 'admitted')
  redis.call('ZADD', key('admitted', kind), now + claim_within, job)
  occupy(kind, 1)
  for _, value in ipairs({job, epoch, kind, spec}) do
    admitted[#admitted + 1] = value
  end
  return 'moved'
end

for priority = 9, 0, -1 do
  local ring = key('ring', priority)
  local tasks, held = redis.call('LLEN', ring), 0
  while held < tasks and #admitted < 4 * most and any_slot() do
    local task = redis.call('LMOVE', ring, ring, 'LEFT', 'RIGHT')
    local outcome = turn(task)
    if outcome == 'gone' then
      redis.call('RPOP', ring)
      redis.call('SREM', key('ringed'), task)
      tasks = tasks - 1
    elseif outcome == 'held' then
      held = held + 1
    else
      held = 0
    end
  end
end
return admitted
