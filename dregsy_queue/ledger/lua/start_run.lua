-- Starts a run of a task, unless its last one has not ended; forgets the oldest runs.
-- ARGV: task, task fingerprint, priority (0 to 9), number of runs kept per task, source and target registry
-- Result: {run id, 1} for a started run, {id of the active run, 0} otherwise
local task, fingerprint, priority, kept = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
local source, target = ARGV[5], ARGV[6]
local active = redis.call('HGET', key('task', task), 'active')
if active and redis.call('EXISTS', key('run', active)) == 1 then
  return {active, 0}
end
local run = tostring(redis.call('INCR', key('runs')))
local plan = run .. ':plan'
redis.call('HSET', key('task', task), 'active', run, 'priority', priority, 'source', source,
  'target', target)
redis.call('SADD', key('tasks'), task)
redis.call('HSET', key('run', run), 'task', task, 'fingerprint', fingerprint, 'state', 'planning',
  'started', clock(), 'open', 0)
redis.call('HSET', key('job', plan), 'task', task, 'kind', 'plan', 'epoch', 0)
wait(plan, true)

local runs = key('task', task, 'runs')
redis.call('LPUSH', runs, run)
for _, old in ipairs(redis.call('LRANGE', runs, kept, -1)) do
  for _, job in ipairs(redis.call('HKEYS', key('run', old, 'jobs'))) do
    redis.call('UNLINK', key('job', job))
  end
  redis.call('UNLINK', key('run', old), key('run', old, 'jobs'), key('run', old, 'planned'), key('job', old, 'plan'))
end
redis.call('LTRIM', runs, 0, kept - 1)
return {run, 1}
