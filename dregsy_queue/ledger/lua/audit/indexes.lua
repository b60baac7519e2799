-- All indexes of jobs: does what they name belong there?

-- A slice: the next members of a set, sorted set or hash (of the latter two with their values).
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
local function check_registry(registry)
  if looked_at[registry] then
    return
  end
  looked_at[registry] = true
  for _, job in ipairs(slice('SSCAN', key('using', registry))) do
    if not settle_held(job) and redis.call('SREM', key('using', registry), job) == 1 then
      repaired('registry ' .. registry .. ' counted a job that does not run')
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
