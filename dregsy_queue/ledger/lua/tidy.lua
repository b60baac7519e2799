-- One slice of long work (forgetting a run, cancelling one, sweeping up after one), and one slice of looking for what
-- cannot be: jobs in an index that they do not belong to, places held by jobs that do not run, runs in which nothing
-- can move. Such a thing is put right and told; the scripts never leave one, an evicting or damaged Redis does.
-- ARGV: shortest time between two looks in seconds
-- Result: {what was put right, as texts, 1 when there is more long work}
local pause = number(ARGV[1], 0, 3600)
local now = clock()
local repairs = {}

local function repaired(text)
  repairs[#repairs + 1] = text
  redis.call('INCR', key('repairs'))
end

local function state_of(job)
  return redis.call('HGET', key('job', job), 'state')
end

-- Long work: each verb does one slice and returns whether it is through.

-- After a run that planned all: what it did not find has left, and neither waits nor needs a record.
local function sweep(run)
  local targets = key('run', run, 'targets')
  local task, step, cursor = unpack(redis.call('HMGET', key('run', run), 'task', 'sweep', 'sweep cursor'))
  local active = task and redis.call('HGET', key('task', task), 'active')
  if not task or (active and active ~= run) then
    redis.call('UNLINK', targets)
    return true
  end
  step = step or 'pending'
  local answer = redis.call('HSCAN', key(step, task), cursor or '0', 'COUNT', SLICE)
  for i = 1, #answer[2], 2 do
    if redis.call('SISMEMBER', targets, answer[2][i]) == 0 then
      redis.call('HDEL', key(step, task), answer[2][i])
    end
  end
  if answer[1] == '0' and step == 'records' then
    redis.call('HDEL', key('run', run), 'sweep', 'sweep cursor')
    redis.call('UNLINK', targets)
    return true
  end
  redis.call('HSET', key('run', run), 'sweep', answer[1] == '0' and 'records' or step, 'sweep cursor', answer[1])
  return false
end

-- How many jobs of a run are admitted, running or delayed; nil when there are too many to count.
local function moving(run)
  if redis.call('ZCARD', key('delayed')) > 5 * SLICE then
    return nil
  end
  local count = 0
  local function add(jobs)
    for _, job in ipairs(jobs) do
      if run_of(job) == run and not string.find(job, ':plan', 1, true) then
        count = count + 1
      end
    end
  end
  for _, kind in ipairs(KINDS) do
    add(redis.call('SMEMBERS', key('running', kind)))
    add(redis.call('ZRANGE', key('admitted', kind), 0, -1))
  end
  add(redis.call('ZRANGE', key('delayed'), 0, -1))
  return count
end

-- Makes a job wait whose record says something that is not so; true when it did.
local function put_right(job, task, text)
  local state, kind, owner = unpack(redis.call('HMGET', key('job', job), 'state', 'kind', 'owner'))
  if state == 'running' and kind and owner and redis.call('ZSCORE', key('workers'), owner)
      and redis.call('SISMEMBER', key('running', kind), job) == 1 then
    redis.call('SADD', key('worker', owner, 'running'), job)
    return false
  elseif (state == 'admitted' and kind and redis.call('ZSCORE', key('admitted', kind), job))
      or (state == 'waiting' and redis.call('ZSCORE', key('delayed'), job)) then
    return false
  elseif state and state ~= 'running' and state ~= 'admitted' and state ~= 'waiting' then
    return false
  end
  if not state or not kind then
    local spec = decode(text) or {}
    redis.call('HSET', key('job', job), 'task', task, 'kind', tostring(spec.relay or 'skopeo'), 'epoch', 0)
  end
  let_go(job)
  wait(job, false)
  repaired('job ' .. job .. ' was ' .. (state or 'lost') .. ' and nobody worked on it')
  return true
end

-- The jobs of a run whose backlog is empty while some of them are open.
local function check(run)
  local task, open, cursor, alive =
    unpack(redis.call('HMGET', key('run', run), 'task', 'open', 'check cursor', 'check alive'))
  if not task or redis.call('LLEN', key('backlog', task)) > 0 then
    redis.call('HDEL', key('run', run), 'check cursor', 'check alive')
    return true
  end
  local answer = redis.call('HSCAN', key('run', run, 'jobs'), cursor or '0', 'COUNT', SLICE)
  alive = tonumber(alive or 0)
  for i = 1, #answer[2], 2 do
    put_right(answer[2][i], task, answer[2][i + 1])
    local state = state_of(answer[2][i])
    if state == 'waiting' or state == 'admitted' or state == 'running' then
      alive = alive + 1
    end
  end
  if answer[1] ~= '0' and redis.call('LLEN', key('backlog', task)) == 0 then
    redis.call('HSET', key('run', run), 'check cursor', answer[1], 'check alive', alive)
    return false
  end
  redis.call('HDEL', key('run', run), 'check cursor', 'check alive')
  if answer[1] == '0' and alive == 0 and tonumber(open or 0) > 0 and moving(run) == 0 then
    redis.call('HSET', key('run', run), 'open', 0)
    redis.call('HINCRBY', key('run', run), 'jobs.failed', open)
    repaired('run ' .. run .. ' had lost ' .. open .. ' of its jobs')
    finish_run_if_over(run, now)
  end
  return true
end

local chores = {forget = forget_slice, sweep = sweep, check = check,
  cancel = function(run) return cancel_slice(run, now) end}
local chore = redis.call('LPOP', key('chores'))
if chore then
  local verb, run = string.match(chore, '^(%S+) (.+)$')
  if chores[verb] and not chores[verb](run) then
    redis.call('RPUSH', key('chores'), chore)
  end
end

local function more()
  return redis.call('EXISTS', key('chores'))
end

-- Looking for what cannot be.

if now - tonumber(redis.call('HGET', key('audit'), 'at') or 0) < pause then
  return {repairs, more()}
end
redis.call('HSET', key('audit'), 'at', tostring(now))

-- The next slice of a set, sorted set or hash: its members (of the latter two with their values).
local function slice(scan, name)
  local answer = redis.call(scan, name, redis.call('HGET', key('audit'), name) or '0', 'COUNT', SLICE / 4)
  if answer[1] == '0' then
    redis.call('HDEL', key('audit'), name)
  else
    redis.call('HSET', key('audit'), name, answer[1])
  end
  return answer[2]
end

local function held(job)
  local state = state_of(job)
  return state == 'admitted' or state == 'running'
end

for _, kind in ipairs(KINDS) do
  for _, job in ipairs(slice('SSCAN', key('running', kind))) do
    local state, owner, task = unpack(redis.call('HMGET', key('job', job), 'state', 'owner', 'task'))
    if state ~= 'running' then
      redis.call('SREM', key('running', kind), job)
      repaired('job ' .. job .. ' was listed as running')
    elseif not owner or not redis.call('ZSCORE', key('workers'), owner) then
      redis.call('SREM', key('running', kind), job)
      put_right(job, task, '')
    end
  end
  local deadlines = slice('ZSCAN', key('admitted', kind))
  for i = 1, #deadlines, 2 do
    if state_of(deadlines[i]) ~= 'admitted' then
      redis.call('ZREM', key('admitted', kind), deadlines[i])
      repaired('job ' .. deadlines[i] .. ' was listed as admitted')
    end
  end
end
local targets = slice('HSCAN', key('targets'))
for i = 1, #targets, 2 do
  if not held(targets[i + 1]) then
    redis.call('HDEL', key('targets'), targets[i])
    repaired('target ' .. targets[i] .. ' was held by a job that does not run')
  end
end
for _, job in ipairs(redis.call('SMEMBERS', key('suspects'))) do
  if not held(job) then
    redis.call('SREM', key('suspects'), job)
    repaired('job ' .. job .. ' was listed as a suspect')
  end
end

local checked = {}
local function check_places(registry)
  if checked[registry] then
    return
  end
  checked[registry] = true
  for _, job in ipairs(slice('SSCAN', key('using', registry))) do
    if not held(job) then
      redis.call('SREM', key('using', registry), job)
      repaired('a place at ' .. registry .. ' was held by a job that does not run')
    end
  end
end

local function check_plan(task, run)
  local plan = run .. ':plan'
  local state = state_of(plan)
  if state == 'done' or state == 'failed' or state == 'cancelled' then
    end_planning(plan, state, now, nil)
    repaired('run ' .. run .. ' was planned and did not know')
  elseif redis.call('LPOS', key('plans', task), plan) == false then
    put_right(plan, task, '{"relay":"plan"}')
  end
end

local function check_task(task)
  enroll(task, 'backlog')
  enroll(task, 'plans')
  local run, source, target = unpack(redis.call('HMGET', key('task', task), 'active', 'source', 'target'))
  for _, registry in ipairs({source or '', target or ''}) do
    check_places(registry)
  end
  if not run then
    return
  end
  local state, open, checked = unpack(redis.call('HMGET', key('run', run), 'state', 'open', 'check cursor'))
  open = tonumber(open or 0)
  if not state or state == 'done' then
    redis.call('HDEL', key('task', task), 'active')
    repaired('run ' .. run .. ' of task ' .. task .. ' was ' .. (state and 'over' or 'lost') .. ' and still active')
    if not state then
      later('forget ' .. run)
    end
    return
  end
  if state == 'planning' then
    check_plan(task, run)
  elseif open <= 0 then
    finish_run_if_over(run, now)
    repaired('run ' .. run .. ' was over and did not know')
    return
  end
  if open > 0 and not checked and redis.call('LLEN', key('backlog', task)) == 0 and moving(run) ~= open then
    redis.call('HSET', key('run', run), 'check cursor', '0', 'check alive', 0)
    later('check ' .. run)
  end
end

for _, task in ipairs(slice('SSCAN', key('tasks'))) do
  check_task(task)
end
return {repairs, more()}
