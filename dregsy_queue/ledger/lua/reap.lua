-- Puts back what nobody works on: jobs of workers whose lease ended (or that said goodbye), admitted jobs that
-- nobody claimed in time, and delayed jobs whose time has come.
-- ARGV: lost workers after which a job is given up, and after which it is a suspect, a worker that leaves now ('' for none)
-- Result: {workers gone, jobs taken from them, jobs given up, jobs not claimed in time}
local give_up_after, suspect_after, leaving = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3]
local now = clock()
local gone, taken, given_up, unclaimed = {}, {}, {}, {}

local function lose(job, worker)
  let_go(job)
  local losses = worker ~= leaving and redis.call('HINCRBY', key('job', job), 'losses', 1) or 0
  if losses < give_up_after then
    -- A suspect (see admit.lua) must not hold up the jobs behind it.
    wait(job, losses < suspect_after)
  else
    local reason = 'given up: ' .. give_up_after .. ' workers ended while they ran it'
    redis.call('HSET', key('job', job), 'error', reason)
    given_up[#given_up + 1] = job
    if redis.call('HGET', key('job', job), 'kind') == 'plan' then
      local task = redis.call('HGET', key('job', job), 'task')
      end_planning(job, now, cjson.encode({source = task, target = '', status = 'failed',
        reason = 'planning', error = reason}))
    else
      end_job(job, 'failed', now)
    end
  end
  taken[#taken + 1] = job
end

local ended = redis.call('ZRANGEBYSCORE', key('workers'), '-inf', now)
if leaving ~= '' then
  ended[#ended + 1] = leaving
end
for _, worker in ipairs(ended) do
  for _, job in ipairs(redis.call('SMEMBERS', key('worker', worker, 'running'))) do
    lose(job, worker)
  end
  redis.call('ZREM', key('workers'), worker)
  redis.call('DEL', key('worker', worker), key('worker', worker, 'running'))
  gone[#gone + 1] = worker
end

for _, kind in ipairs(KINDS) do
  for _, job in ipairs(redis.call('ZRANGEBYSCORE', key('admitted', kind), '-inf', now, 'LIMIT', 0, 1000)) do
    mark_windows(job, 0, false)
    let_go(job)
    wait(job, true)
    unclaimed[#unclaimed + 1] = job
  end
end

for _, job in ipairs(redis.call('ZRANGEBYSCORE', key('delayed'), '-inf', now, 'LIMIT', 0, 1000)) do
  redis.call('ZREM', key('delayed'), job)
  wait(job, true)
end
return {gone, taken, given_up, unclaimed}
