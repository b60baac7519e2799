-- Renews a worker's lease, says what it offers, and compares what it runs with what the ledger holds for it.
-- A job that the ledger holds for this worker, but that two heartbeats in a row did not name, is run by nobody (an
-- answer was lost, or Redis came back with older data): it waits again.
-- ARGV: worker, lease in seconds, slots, kinds (comma separated), draining (1: takes no more jobs), number of this
--       heartbeat (from 1; '' when it does not say what it runs), how far its transfers are (kept as it is, for
--       readers), then what it has in hand: job, epoch, …
-- Result: {{job, epoch, … of what it has in hand and does not hold}, {jobs that wait again}}
local worker, kinds, draining = ARGV[1], ARGV[4], ARGV[5]
local lease, slots = number(ARGV[2], 0, 3600), number(ARGV[3], 0, 100000)
local beat = ARGV[6] ~= '' and number(ARGV[6], 0, 1e15)
local now = clock()
local running, missed = key('worker', worker, 'running'), key('worker', worker, 'missed')

-- What is held for it: by the index, and, where Redis lost that, by the records of the jobs that it names.
for i = 8, #ARGV, 2 do
  local state, owner = unpack(redis.call('HMGET', key('job', ARGV[i]), 'state', 'owner'))
  if state == 'running' and owner == worker then
    redis.call('SADD', running, ARGV[i])
  end
end
local held = {}
for _, job in ipairs(redis.call('SMEMBERS', running)) do
  local state, owner, epoch = unpack(redis.call('HMGET', key('job', job), 'state', 'owner', 'epoch'))
  if state == 'running' and owner == worker then
    held[job] = epoch
  else
    redis.call('SREM', running, job)
  end
end

-- The lease had ended, but the worker is alive: its losses do not count.
for _, job in ipairs(redis.call('SMEMBERS', key('lost', worker))) do
  if tonumber(redis.call('HGET', key('job', job), 'losses') or 0) > 0 then
    redis.call('HINCRBY', key('job', job), 'losses', -1)
  end
end
redis.call('DEL', key('lost', worker))

local last = tonumber(redis.call('HGET', key('worker', worker), 'beat') or 0)
redis.call('ZADD', key('workers'), now + lease, worker)
redis.call('HSET', key('worker', worker), 'slots', whole(slots), 'kinds', kinds, 'draining', draining,
  'moved', ARGV[7])
if not beat then
  return {{}, {}}
end

local named, strangers, put_back = {}, {}, {}
for i = 8, #ARGV, 2 do
  named[ARGV[i]] = ARGV[i + 1]
  if held[ARGV[i]] ~= ARGV[i + 1] then
    strangers[#strangers + 1] = ARGV[i]
    strangers[#strangers + 1] = ARGV[i + 1]
  end
end
-- A repeated or late heartbeat changes nothing.
if beat > last then
  redis.call('HSET', key('worker', worker), 'beat', whole(beat))
  local before = redis.call('HGETALL', missed)
  local missed_before = {}
  for i = 1, #before, 2 do
    missed_before[before[i]] = before[i + 1]
  end
  redis.call('DEL', missed)
  for job, epoch in pairs(held) do
    if named[job] ~= epoch then
      if missed_before[job] == epoch then
        mark_windows(job, now, false)
        let_go(job)
        if tonumber(redis.call('HGET', key('job', job), 'attempts') or 0) > 0 then
          redis.call('HINCRBY', key('job', job), 'attempts', -1)
        end
        wait(job, true)
        put_back[#put_back + 1] = job
      else
        redis.call('HSET', missed, job, epoch)
      end
    end
  end
end
return {strangers, put_back}
