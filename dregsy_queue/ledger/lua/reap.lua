-- Puts back what nobody works on: jobs of workers whose lease ended (or that said goodbye), admitted jobs that
-- nobody claimed in time, and delayed jobs whose time has come.
-- ARGV: lost workers after which a job is given up, and after which it is a suspect, a worker that leaves now ('' for
--       none), seconds without anybody reaping after which a lapsed lease says nothing about its worker, and the
--       seconds that such a worker gets to come back
-- Result: {workers gone, jobs taken from them, jobs given up, jobs not claimed in time}
local give_up_after, suspect_after, leaving = number(ARGV[1], 1, 1000), number(ARGV[2], 1, 1000), ARGV[3]
local stood_still, grace = number(ARGV[4], 0, 1e6), number(ARGV[5], 0, 1e6)
local now = clock()
local gone, taken, given_up, unclaimed = {}, {}, {}, {}

local function give_up(job, kind)
  local reason = 'given up: ' .. give_up_after .. ' workers ended while they ran it'
  redis.call('HSET', key('job', job), 'error', reason)
  given_up[#given_up + 1] = job
  if kind == 'plan' then
    end_planning(job, 'failed', now, reason)
  elseif kind == 'shard' then
    end_shard(job, reason)
  else
    end_job(job, 'failed', now)
  end
end

local function lose(job, worker)
  local state, owner, kind = unpack(redis.call('HMGET', key('job', job), 'state', 'owner', 'kind'))
  if state ~= 'running' or owner ~= worker then
    return
  end
  let_go(job)
  local losses = 0
  if worker ~= leaving then
    losses = redis.call('HINCRBY', key('job', job), 'losses', 1)
    redis.call('SADD', key('lost', worker), job)
    redis.call('EXPIRE', key('lost', worker), 3600)
  end
  local cancelled = redis.call('HGET', key('run', run_of(job)), 'cancelled')
  if losses >= give_up_after then
    give_up(job, kind)
  else
    -- A suspect (see admit.lua) must not hold up the jobs behind it.
    wait(job, losses < suspect_after)
    if cancelled then
      cancel_job(job, cancelled, now, false)
    end
  end
  taken[#taken + 1] = job
end

-- Redis' clock was set back: who waits, waits no longer for that.
local function clock_was_set_back(seconds)
  not_later(key('workers'), now + stood_still + grace, now + stood_still + grace)
  for _, kind in ipairs(KINDS) do
    not_later(key('admitted', kind), now + grace, now + grace)
  end
  not_later(key('outbox'), now, now)
  if redis.call('EXISTS', key('delayed')) == 1 then
    redis.call('ZUNIONSTORE', key('postponed'), 2, key('postponed'), key('delayed'))
    redis.call('DEL', key('delayed'))
  end
  redis.call('SET', key('postponed by'), tostring(seconds + tonumber(redis.call('GET', key('postponed by')) or 0)))
  local holds = redis.call('HGETALL', key('holds'))
  for i = 1, #holds, 2 do
    local hold = decode(holds[i + 1])
    if hold and hold.since > now and hold['until'] > 0 then
      hold.since, hold['until'] = hold.since - seconds, hold['until'] - seconds
      redis.call('HSET', key('holds'), holds[i], cjson.encode(hold))
    end
  end
end

-- A part of what was delayed before that.
local function bring_nearer()
  local by = tonumber(redis.call('GET', key('postponed by')) or 0)
  local some = redis.call('ZPOPMIN', key('postponed'), 5 * SLICE)
  for i = 1, #some, 2 do
    redis.call('ZADD', key('delayed'), tonumber(some[i + 1]) - by, some[i])
  end
  if redis.call('EXISTS', key('postponed')) == 0 then
    redis.call('DEL', key('postponed by'))
  end
end

local last = tonumber(redis.call('GET', key('reaped')))
redis.call('SET', key('reaped'), tostring(now))
local back = last and last - now or 0
if back > 1 then
  clock_was_set_back(back)
end
if redis.call('EXISTS', key('postponed')) == 1 then
  bring_nearer()
end
local ended = redis.call('ZRANGEBYSCORE', key('workers'), '-inf', now, 'LIMIT', 0, SLICE)
if last and now - last > stood_still then
  -- Redis was away or stood still, so no worker could renew its lease.
  for _, worker in ipairs(ended) do
    redis.call('ZADD', key('workers'), now + grace, worker)
  end
  ended = {}
end
if leaving ~= '' then
  ended[#ended + 1] = leaving
end
for _, worker in ipairs(ended) do
  if #taken >= SLICE then
    break
  end
  for _, job in ipairs(redis.call('SMEMBERS', key('worker', worker, 'running'))) do
    lose(job, worker)
  end
  redis.call('ZREM', key('workers'), worker)
  redis.call('DEL', key('worker', worker), key('worker', worker, 'running'), key('worker', worker, 'missed'))
  gone[#gone + 1] = worker
end

for _, kind in ipairs(KINDS) do
  for _, job in ipairs(redis.call('ZRANGEBYSCORE', key('admitted', kind), '-inf', now, 'LIMIT', 0, SLICE / 4)) do
    redis.call('ZREM', key('admitted', kind), job)
    if redis.call('HGET', key('job', job), 'state') == 'admitted' then
      mark_windows(job, 0, false)
      let_go(job)
      wait(job, true)
      unclaimed[#unclaimed + 1] = job
    end
  end
end

for _, job in ipairs(redis.call('ZRANGEBYSCORE', key('delayed'), '-inf', now, 'LIMIT', 0, SLICE)) do
  redis.call('ZREM', key('delayed'), job)
  if redis.call('HGET', key('job', job), 'state') == 'waiting' then
    wait(job, true)
  end
end
return {gone, taken, given_up, unclaimed}
