-- Looks for what cannot be, a slice at a time: jobs in an index that they do not belong to, or missing in one; places
-- held by jobs that do not run; runs in which nothing can move; records that nobody knows of. Such a thing is put right
-- and told; the scripts never leave one, an evicting or damaged Redis does.
-- ARGV: shortest time between two looks in seconds, seconds that a worker gets to come back whose lease is lost
-- Result: {what was put right, as texts, 1 when it is in the middle of a run's jobs}
local pause, grace = number(ARGV[1], 0, 3600), number(ARGV[2], 0, 3600)
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
    repaired('job ' .. job .. ' was ' .. state .. ' without its places')
  end
  return true
end

-- Runs.

-- Of each run how many transfers are admitted, running or delayed; nil when there are too many to count.
local moving
local function count_moving()
  moving = {}
  local function add(jobs)
    for _, job in ipairs(jobs) do
      local run = run_of(job)
      if job ~= run .. ':plan' then
        moving[run] = (moving[run] or 0) + 1
      end
    end
  end
  for _, kind in ipairs(KINDS) do
    add(redis.call('SMEMBERS', key('running', kind)))
    add(redis.call('ZRANGE', key('admitted', kind), 0, -1))
  end
  add(redis.call('ZRANGE', key('delayed'), 0, 5 * SLICE))
end

local function moving_in(run)
  if not moving then
    count_moving()
  end
  return moving[run] or 0
end

-- One job of a run whose backlog is empty: it moves, or has ended, or waits again from now on. Returns its state.
local function put_right(job, task, text)
  local state, kind = unpack(redis.call('HMGET', key('job', job), 'state', 'kind'))
  if not state or not kind then
    local spec = decode(text) or {}
    redis.call('HSET', key('job', job), 'task', task, 'kind', tostring(spec.relay or 'skopeo'), 'epoch', 0)
    put_back(job, state or 'lost')
  elseif state == 'waiting' then
    if not redis.call('ZSCORE', key('delayed'), job) then
      put_back(job, state)
    end
  elseif (state == 'admitted' or state == 'running') and not settle_held(job) then
    return 'waiting'
  else
    return state
  end
  return 'waiting'
end

local ENDED = {'copied', 'up-to-date', 'failed', 'cancelled'}
local function ended_of(run)
  local counts = {}
  for i, state in ipairs(ENDED) do
    counts[i] = whole(tonumber(redis.call('HGET', key('run', run), 'jobs.' .. state) or 0))
  end
  return table.concat(counts, ' ')
end

-- A run's numbers are those of its jobs again, if none ended while they were counted.
local function recount(run, seen, before)
  local jobs, all = redis.call('HLEN', key('run', run, 'jobs')), 0
  for _, count in pairs(seen) do
    all = all + count
  end
  local after = ended_of(run)
  if before ~= after or all ~= jobs then
    return
  end
  local counts, ended = {}, 0
  for i, state in ipairs(ENDED) do
    counts[i] = whole(seen[state] or 0)
    ended = ended + (seen[state] or 0)
  end
  if table.concat(counts, ' ') ~= after or tonumber(redis.call('HGET', key('run', run), 'open') or 0) ~= jobs - ended then
    for i, state in ipairs(ENDED) do
      redis.call('HSET', key('run', run), 'jobs.' .. state, counts[i])
    end
    redis.call('HSET', key('run', run), 'open', jobs - ended)
    repaired('run ' .. run .. ' had counted wrong')
  end
end

-- One slice of the jobs of a run in which something does not move; returns whether it is through: true, or 'early'
-- where some wait in the backlog again, which is looked at when it is empty.
local function check_slice(run)
  local task, open = unpack(redis.call('HMGET', key('run', run), 'task', 'open'))
  local cursor, before, text = remembered('check cursor'), remembered('check before'), remembered('check seen')
  local seen = decode(text) or {}
  if not task or redis.call('LLEN', key('backlog', task)) > 0 then
    return 'early'
  end
  local answer = redis.call('HSCAN', key('run', run, 'jobs'), cursor or '0', 'COUNT', SLICE)
  for i = 1, #answer[2], 2 do
    local state = put_right(answer[2][i], task, answer[2][i + 1])
    seen[state] = (seen[state] or 0) + 1
  end
  if answer[1] ~= '0' then
    redis.call('HSET', key('audit'), 'check cursor', answer[1], 'check seen', cjson.encode(seen))
    return false
  end
  local lost = tonumber(open or 0) > 0 and redis.call('HLEN', key('run', run, 'jobs')) == 0 and moving_in(run) == 0
  if lost then
    note_loss(run, 'Redis lost ' .. open .. ' jobs of this run: does it evict keys?')
    redis.call('HSET', key('run', run), 'open', 0)
    repaired('run ' .. run .. ' had lost ' .. open .. ' of its jobs')
  elseif redis.call('EXISTS', key('run', run, 'jobs')) == 1 then
    recount(run, seen, before)
  end
  finish_run_if_over(run, now)
  return true
end

local function go_on_checking()
  local run = remembered('check')
  local through = run and check_slice(run)
  if through then
    redis.call('HDEL', key('audit'), 'check', 'check cursor', 'check before', 'check seen')
  end
  if through == true and #repairs == 0 then
    redis.call('HSET', key('audit'), 'checked', run .. ' ' .. tostring(now))
  end
  return redis.call('HEXISTS', key('audit'), 'check')
end

local function check_plan(task, run)
  local plan = run .. ':plan'
  local state = redis.call('HGET', key('job', plan), 'state')
  if state == 'done' or state == 'failed' or state == 'cancelled' then
    end_planning(plan, state, now, nil)
    repaired('run ' .. run .. ' was planned and did not know')
  elseif redis.call('LPOS', key('plans', task), plan) == false or state ~= 'waiting' then
    put_right(plan, task, '{"relay":"plan"}')
  end
end

-- A run that is not over: somebody must work on it.
local function check_run(run, task, state, open, cancelled)
  if cancelled and redis.call('HGET', key('run', run), 'cancel cursor') ~= 'through' then
    see_to('cancel ' .. run)
  end
  if state == 'planning' then
    check_plan(task, run)
  elseif open <= 0 then
    finish_run_if_over(run, now)
    repaired('run ' .. run .. ' was over and did not know')
    return
  end
  if open > 0 and not remembered('check') and redis.call('LLEN', key('backlog', task)) == 0
      and moving_in(run) ~= open then
    local last, at = string.match(remembered('checked') or '', '^(%S+) (%S+)$')
    if last ~= run or now - tonumber(at) >= 10 then
      redis.call('HSET', key('audit'), 'check', run, 'check cursor', '0', 'check before', ended_of(run))
      redis.call('HDEL', key('audit'), 'check seen')
    end
  end
end

-- What there is of a run, and what its task knows of it.
local function look_at_run(run)
  local task, state, open, cancelled, priority, source, target = unpack(redis.call('HMGET', key('run', run),
    'task', 'state', 'open', 'cancelled', 'priority', 'source', 'target'))
  if not task then
    return
  end
  local known = redis.call('LPOS', key('task', task, 'runs'), run) ~= false
  if state == 'done' then
    if not known and see_to('forget ' .. run) then
      repaired('run ' .. run .. ' was in no list')
    end
    return
  end
  local active, known_source = unpack(redis.call('HMGET', key('task', task), 'active', 'source'))
  if not active then
    redis.call('HSET', key('task', task), 'active', run)
    repaired('run ' .. run .. ' of task ' .. task .. ' was not active')
  elseif active ~= run and not cancelled then
    cancel_run(run, 'superseded: Redis lost it for a while, and another one began', now, false)
    repaired('run ' .. run .. ' of task ' .. task .. ' was active beside another one')
  end
  if not known_source and source then
    redis.call('HSET', key('task', task), 'priority', priority, 'source', source, 'target', target)
    repaired('task ' .. task .. ' was lost')
  end
  if not known then
    redis.call('LPUSH', key('task', task, 'runs'), run)
    repaired('run ' .. run .. ' was in no list')
  end
  if redis.call('SADD', key('tasks'), task) == 1 then
    repaired('task ' .. task .. ' was in no list')
  end
  enroll(task, 'backlog')
  enroll(task, 'plans')
  check_run(run, task, state, tonumber(open or 0), cancelled)
end

-- Slices: the next members of a set, sorted set or hash (of the latter two with their values).
local function slice(scan, name)
  local answer = redis.call(scan, name, remembered(name) or '0', 'COUNT', SLICE / 4)
  if answer[1] == '0' then
    redis.call('HDEL', key('audit'), name)
  else
    redis.call('HSET', key('audit'), name, answer[1])
  end
  return answer[2]
end

local looked_at = {}
local function check_places(registry)
  if looked_at[registry] then
    return
  end
  looked_at[registry] = true
  for _, job in ipairs(slice('SSCAN', key('using', registry))) do
    if not settle_held(job) and redis.call('SREM', key('using', registry), job) == 1 then
      repaired('a place at ' .. registry .. ' was held by a job that does not run')
    end
  end
end

local function check_indexes()
  for _, kind in ipairs(KINDS) do
    for _, job in ipairs(slice('SSCAN', key('running', kind))) do
      if redis.call('HGET', key('job', job), 'state') ~= 'running' then
        redis.call('SREM', key('running', kind), job)
        repaired('job ' .. job .. ' was listed as running')
      else
        settle_held(job)
      end
    end
    local deadlines = slice('ZSCAN', key('admitted', kind))
    for i = 1, #deadlines, 2 do
      if redis.call('HGET', key('job', deadlines[i]), 'state') ~= 'admitted' then
        redis.call('ZREM', key('admitted', kind), deadlines[i])
        repaired('job ' .. deadlines[i] .. ' was listed as admitted')
      else
        settle_held(deadlines[i])
      end
    end
  end
  local targets = slice('HSCAN', key('targets'))
  for i = 1, #targets, 2 do
    local job = targets[i + 1]
    if (not settle_held(job) or redis.call('HGET', key('job', job), 'target') ~= targets[i])
        and redis.call('HGET', key('targets'), targets[i]) == job then
      redis.call('HDEL', key('targets'), targets[i])
      repaired('target ' .. targets[i] .. ' was held by a job that does not run')
    end
  end
  for _, job in ipairs(redis.call('SMEMBERS', key('suspects'))) do
    if not settle_held(job) and redis.call('SREM', key('suspects'), job) == 1 then
      repaired('job ' .. job .. ' was listed as a suspect')
    end
  end
end

local function check_task(task)
  enroll(task, 'backlog')
  enroll(task, 'plans')
  local run, source, target = unpack(redis.call('HMGET', key('task', task), 'active', 'source', 'target'))
  check_places(source or '')
  check_places(target or '')
  if not run then
    return
  end
  local state = redis.call('HGET', key('run', run), 'state')
  if not state then
    if see_to('fail ' .. run .. ' ' .. task) then
      repaired('run ' .. run .. ' of task ' .. task .. ' was lost')
    end
  elseif state == 'done' then
    redis.call('HDEL', key('task', task), 'active')
    repaired('run ' .. run .. ' of task ' .. task .. ' was over and still active')
  else
    look_at_run(run)
  end
end

-- All keys, so that nothing is left that no other key leads to.

local function unescaped(name)
  return (string.gsub(string.gsub(name, '%%3A', ':'), '%%25', '%%'))
end

-- What is left of a run whose record is gone.
local function check_rest(run)
  local task = redis.call('HGET', key('job', run .. ':plan'), 'task')
  if redis.call('EXISTS', key('run', run)) == 1 or (task and (redis.call('HGET', key('task', task), 'active') == run
      or redis.call('LPOS', key('chores'), 'fail ' .. run .. ' ' .. task) ~= false)) then
    return
  end
  if see_to('forget ' .. run) then
    repaired('something was left of run ' .. run)
  end
end

local function check_key(kind, name, more)
  if kind == 'run' and more == '' then
    look_at_run(name)
  elseif kind == 'run' then
    check_rest(name)
  elseif kind == 'job' and redis.call('EXISTS', key('run', name)) == 0 then
    local job = name .. ':' .. more
    if redis.call('HEXISTS', key('run', name, 'jobs'), job) == 1 or more == 'plan' then
      check_rest(name)
    else
      let_go(job)
      redis.call('ZREM', key('delayed'), job)
      redis.call('UNLINK', key('job', job))
      repaired('job ' .. job .. ' was of no run')
    end
  elseif kind == 'using' then
    check_places(more == '' and name or name .. ':' .. more)
  elseif kind == 'worker' and (more == '' or more == 'running') then
    give_lease(name)
  elseif kind == 'task' and more == '' and redis.call('HEXISTS', key('task', unescaped(name)), 'source') == 1
      and redis.call('SADD', key('tasks'), unescaped(name)) == 1 then
    repaired('task ' .. unescaped(name) .. ' was in no list')
  end
end

local function walk()
  local answer = redis.call('SCAN', remembered('walk') or '0', 'COUNT', SLICE / 2)
  redis.call('HSET', key('audit'), 'walk', answer[1])
  for _, name in ipairs(answer[2]) do
    if string.sub(name, 1, #PREFIX) == PREFIX then
      local kind, rest, more = string.match(string.sub(name, #PREFIX + 1), '^(%l+):([^:]+):?(.*)$')
      if kind then
        check_key(kind, rest, more)
      end
    end
  end
end

local checking = go_on_checking()
if now - tonumber(remembered('at') or 0) >= pause then
  redis.call('HSET', key('audit'), 'at', tostring(now))
  check_indexes()
  for _, task in ipairs(slice('SSCAN', key('tasks'))) do
    check_task(task)
  end
  walk()
end
return {repairs, checking}
