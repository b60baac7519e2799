-- The jobs of one run: does each move, and are the numbers of the run those of its jobs?

-- Of each run how many transfers are admitted, running or delayed; nil when there are too many to count.
local moving
local function count_moving()
  moving = {}
  local function add(jobs)
    for _, job in ipairs(jobs) do
      local run = run_of(job)
      if job ~= run .. ':plan' and not is_shard(job) then
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
