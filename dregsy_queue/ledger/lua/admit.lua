-- Moves from the backlogs what may run now: a worker slot for its kind is free, its registries have room, and
-- nobody writes its target.
-- Higher priority first; lanes of equal priority take turns, each for one job of each of its tasks. A lane that must
-- wait is one look, however many tasks and jobs are in it; a call takes a bounded number of looks, the next one goes
-- on behind them.
-- ARGV: most jobs to admit, seconds within which a worker must claim, seconds a job waits for a busy target, lost
--       workers after which a job is a suspect, most looks per priority
-- Result: {job, epoch, kind, spec (JSON, '' for a plan or a shard), …} four values per admitted job
local most, claim_within, busy_delay = number(ARGV[1], 1, 1000), number(ARGV[2], 0, 3600), number(ARGV[3], 0, 3600)
local suspect_after, most_looks = number(ARGV[4], 1, 100), number(ARGV[5], 1, 10000)
local now = clock()

-- Free slots per kind. Kinds that share workers share these slots, so each admission counts for all of them.
local free, shares, plan_room, shard_room = {}, {}, 0, 0
-- One alone keeps a worker's processor busy; of two, one goes on while the other one ends.
local SHARDS_PER_WORKER = 2
for _, kind in ipairs(KINDS) do
  free[kind], shares[kind] = 0, {}
end
for _, worker in ipairs(redis.call('ZRANGEBYSCORE', key('workers'), '(' .. now, '+inf')) do
  local slots, kinds, draining = unpack(redis.call('HMGET', key('worker', worker), 'slots', 'kinds', 'draining'))
  slots = tonumber(slots)
  if slots and draining ~= '1' then
    local room = math.max(0, slots - redis.call('SCARD', key('worker', worker, 'running')))
    -- Planners hold slots for as long as registries take to answer; at most half of a worker's slots.
    local planners = math.max(1, math.floor(slots / 2))
    plan_room = plan_room + planners
    for kind in string.gmatch(kinds or '', '[^,]+') do
      if kind == 'shard' then
        shard_room = shard_room + math.min(SHARDS_PER_WORKER, planners)
      end
      if free[kind] then
        free[kind] = free[kind] + room
        for other in string.gmatch(kinds, '[^,]+') do
          shares[kind][other] = true
        end
      end
    end
  end
end
local function occupy(kind, count)
  for other in pairs(shares[kind]) do
    if free[other] then
      free[other] = free[other] - count
    end
  end
  if kind == 'plan' or kind == 'shard' then
    plan_room = plan_room - count
  end
  if kind == 'shard' then
    shard_room = shard_room - count
  end
end
local shards_running = redis.call('SCARD', key('running', 'shard'))
plan_room = plan_room - redis.call('SCARD', key('running', 'plan')) - shards_running
shard_room = shard_room - shards_running
for _, kind in ipairs(KINDS) do
  occupy(kind, redis.call('ZCARD', key('admitted', kind)))
end
local function has_slot(kind)
  if kind == 'plan' or kind == 'shard' then
    return (free[kind] or 0) > 0 and plan_room > 0 and (kind == 'plan' or shard_room > 0)
  end
  return (free[kind] or 0) > 0
end
local function any_slot()
  for _, kind in ipairs(KINDS) do
    if has_slot(kind) then
      return true
    end
  end
  return false
end

-- Lets one registry one more job of this kind in?
local function lets_in(registry, is_source, kind)
  if on_hold('registry ' .. registry) then
    return false
  end
  local pause = redis.call('HMGET', key('pause', registry), 'until', 'transfers')
  if pause[1] and now < tonumber(pause[1]) then
    return false
  end
  if kind == 'plan' or kind == 'shard' then
    return true
  end
  -- After a pause one transfer tries whether the registry works again.
  if pause[2] and redis.call('SCARD', key('using', registry)) > 0 then
    return false
  end
  local most_there, transfers, window, reserve =
    unpack(redis.call('HMGET', key('limits', registry), 'max-concurrent', 'transfers', 'window', 'reserve'))
  local level = tonumber(redis.call('HGET', key('level', registry), 'level'))
  local room = math.min(tonumber(most_there) or math.huge, level and math.max(1, math.floor(level + 0.5)) or math.huge)
  if room < math.huge and redis.call('SCARD', key('using', registry)) >= room then
    return false
  end
  if transfers and window then
    local began = now - tonumber(window)
    local old = redis.call('ZRANGEBYSCORE', key('window', registry), '-inf', began, 'LIMIT', 0, SLICE)
    if #old > 0 then
      redis.call('ZREM', key('window', registry), unpack(old))
    end
    if redis.call('ZCOUNT', key('window', registry), '(' .. began, '+inf') >= tonumber(transfers) then
      not_later(key('window', registry), now + claim_within + ASKED_WITHIN, now)
      return false
    end
  end
  local left = is_source and redis.call('HGET', key('quota', registry), 'left')
  return not (left and tonumber(left) <= tonumber(reserve or 0))
end

-- Both registries of a lane: each answer is yes or no for the whole lane, and a no stays one during this call.
local closed = {}
local function has_room(source, target, kind)
  for _, side in ipairs({{source, true}, {target, source == target}}) do
    local name = table.concat({side[1], tostring(side[2]), list_of(kind) == 'backlog' and 'transfer' or 'plan'}, ' ')
    if closed[name] then
      return false
    elseif not lets_in(side[1], side[2], kind) then
      closed[name] = true
      return false
    end
  end
  return true
end

-- Counts an admitted job at its registries.
local function take_room(job, source, target, pulls)
  local registries = source == target and {source} or {source, target}
  redis.call('HSET', key('job', job), 'registries', table.concat(registries, ' '))
  for _, registry in ipairs(registries) do
    redis.call('SADD', key('using', registry), job)
  end
  local left = tonumber(redis.call('HGET', key('quota', source), 'left'))
  if left then
    redis.call('HSET', key('quota', source), 'left', whole(left - pulls))
  end
end

-- What stands in the way of the first job of a list: 'gone', 'cancel', 'lost', 'shards', 'busy' or nothing.
local function obstacle(job, kind, spec, losses)
  local run = run_of(job)
  local run_state, cancelled = unpack(redis.call('HMGET', key('run', run), 'state', 'cancelled'))
  if not run_state then
    return 'gone'
  elseif cancelled then
    return 'cancel'
  end
  if kind == 'shard' then
    local wanted = run_state == 'planning' and redis.call('HEXISTS', key('run', run, 'shards'), job) == 1
    if not wanted then
      return 'gone'
    end
  elseif kind == 'plan' and redis.call('EXISTS', key('run', run, 'shards')) == 1 then
    return 'shards'
  elseif kind ~= 'plan' and not (spec and spec.target) then
    return 'lost'
  end
  -- We cannot tell which job killed a worker. Jobs that were on several dead workers run one at a time, so that
  -- only the guilty one reaches the limit.
  if losses >= suspect_after and redis.call('SCARD', key('suspects')) > 0 then
    return 'busy'
  end
  local writer = spec and redis.call('HGET', key('targets'), spec.target)
  return writer and writer ~= job and 'busy' or nil
end

local LOST = 'Redis lost what jobs of this run were to do: does it evict keys?'
local admitted = {}

local function admit(job, kind, source, target, epoch, text, spec, losses)
  if losses >= suspect_after then
    redis.call('SADD', key('suspects'), job)
  end
  -- Never the same twice, not even after Redis came back with what it knew an hour ago.
  epoch = math.max((tonumber(epoch) or 0) + 1, math.floor(now * 1000))
  redis.call('HSET', key('job', job), 'state', 'admitted', 'epoch', whole(epoch))
  if spec then
    redis.call('HSET', key('targets'), spec.target, job)
    redis.call('HSET', key('job', job), 'target', spec.target)
    take_room(job, source, target, math.max(0, math.min(1000, tonumber(spec.pulls) or 1)))
    mark_windows(job, now + claim_within + ASKED_WITHIN, true)
  end
  redis.call('ZADD', key('admitted', kind), now + claim_within, job)
  occupy(kind, 1)
  for _, value in ipairs({job, epoch, kind, text}) do
    admitted[#admitted + 1] = value
  end
end

-- The turn of a task in a lane: its first job is admitted, or gets out of the way.
local function turn(task, list, lane_kind, source, target)
  local job = redis.call('LPOP', key(list, task))
  if not job then
    return
  end
  local kind, state, losses, epoch = unpack(redis.call('HMGET', key('job', job), 'kind', 'state', 'losses', 'epoch'))
  if state ~= 'waiting' or not kind then
    return
  end
  if kind ~= lane_kind then
    redis.call('LPUSH', key(list, task), job)
    return
  end
  losses = tonumber(losses or 0)
  local text = redis.call('HGET', key('run', run_of(job), 'jobs'), job) or ''
  local spec = kind ~= 'plan' and kind ~= 'shard' and decode(text) or nil
  local why = obstacle(job, kind, spec, losses)
  if why == 'gone' and kind == 'shard' then
    drop_shard(job)
  elseif why == 'shards' then
    local listed = redis.call('HEXISTS', key('run', run_of(job)), 'listed') == 1
    redis.call('ZADD', key('delayed'), now + (listed and SHARDS_TAKE or busy_delay), job)
  elseif why == 'cancel' then
    cancel_job(job, redis.call('HGET', key('run', run_of(job)), 'cancelled'), now, false)
  elseif why == 'lost' then
    redis.call('HSET', key('job', job), 'error', LOST)
    note_loss(run_of(job), LOST)
    end_job(job, 'failed', now)
  elseif why == 'busy' then
    redis.call('ZADD', key('delayed'), now + busy_delay, job)
  elseif not why then
    admit(job, kind, source, target, epoch, text, spec, losses)
  end
end

local turns = 0

local function has_time()
  return #admitted < 4 * most and turns < 4 * most_looks and any_slot()
end

-- The turn of a lane: one turn for each of its tasks. Returns whether it may have another one.
local function visit(priority, lane)
  local kind, source, target = string.match(lane, '^%S+ (%S+) (%S*) (%S*)$')
  local list = list_of(kind)
  local left = tonumber(redis.call('HGET', key('turns left'), lane) or redis.call('ZCARD', key('lane', lane)))
  while left > 0 and has_time() do
    if not has_slot(kind) or not has_room(source, target, kind) then
      redis.call('HDEL', key('turns left'), lane)
      redis.call('ZADD', key('ring', priority), next_turn(), lane)
      return false
    end
    local task = redis.call('ZRANGE', key('lane', lane), 0, 0)[1]
    if not task then
      break
    end
    turns = turns + 1
    left = left - 1
    turn(task, list, kind, source, target)
    enroll(task, list)
    if redis.call('HGET', key('task', task), LISTS[list][2]) ~= lane then
      -- It has another one, or had this one before Redis lost its record.
      redis.call('ZREM', key('lane', lane), task)
    elseif redis.call('ZSCORE', key('lane', lane), task) then
      redis.call('ZADD', key('lane', lane), next_turn(), task)
    end
  end
  if left > 0 and redis.call('EXISTS', key('lane', lane)) == 1 then
    -- The lane stays in front, so the next call goes on here.
    redis.call('HSET', key('turns left'), lane, left)
    return false
  end
  redis.call('HDEL', key('turns left'), lane)
  if redis.call('EXISTS', key('lane', lane)) == 0 then
    redis.call('ZREM', key('ring', priority), lane)
    return false
  end
  redis.call('ZADD', key('ring', priority), next_turn(), lane)
  return true
end

for priority = 9, 0, -1 do
  local lanes = has_time() and redis.call('ZRANGE', key('ring', priority), 0, most_looks - 1) or {}
  while #lanes > 0 and has_time() do
    local again = {}
    for _, lane in ipairs(lanes) do
      if has_time() and visit(priority, lane) then
        again[#again + 1] = lane
      end
    end
    lanes = again
  end
end
return admitted
