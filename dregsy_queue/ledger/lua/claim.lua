-- A worker takes an admitted job. A message that is late, doubled or from before finds nothing to take.
-- ARGV: job, epoch, worker
-- Result: {task, kind, attempt (from 1), spec (JSON, '' for a plan), run's task fingerprint}, or nil
local job, epoch, worker = ARGV[1], ARGV[2], ARGV[3]
local state, current, kind, task = unpack(redis.call('HMGET', key('job', job), 'state', 'epoch', 'kind', 'task'))
if state ~= 'admitted' or current ~= epoch or not redis.call('ZSCORE', key('workers'), worker) then
  return false
end
local run = run_of(job)
redis.call('ZREM', key('admitted', kind), job)
redis.call('SADD', key('running', kind), job)
redis.call('SADD', key('worker', worker, 'running'), job)
redis.call('HSET', key('job', job), 'state', 'running', 'owner', worker, 'started', clock())
-- A relay has asked for the manifest within half a minute of its start.
mark_windows(job, clock() + 30, false)
if kind == 'plan' then
  -- A planner that begins anew finds the images again; jobs of its predecessor stay as they are.
  redis.call('DEL', key('run', run, 'planned'))
  redis.call('HDEL', key('run', run), 'planned.up-to-date', 'planned.failed')
end
return {task, kind, redis.call('HINCRBY', key('job', job), 'attempts', 1),
  redis.call('HGET', key('run', run, 'jobs'), job) or '', redis.call('HGET', key('run', run), 'fingerprint')}
