-- Plans a run that was planned before once more, for what could not be planned: what planning knew is forgotten, jobs
-- stay as they are.
-- ARGV: run
-- Result: 1, also when it is planned so already (two gave the order, or the answer was lost); 0 when nothing of it could
--         not be planned, or it is being planned as a whole, or cancelled, or another run is active
local run = ARGV[1]
local plan = run .. ':plan'
local task, state, failed, cancelled =
  unpack(redis.call('HMGET', key('run', run), 'task', 'state', 'planned.failed', 'cancelled'))
local wanted = key('run', run, 'retry')
if state == 'planning' then
  return redis.call('EXISTS', wanted)
end
local active = task and redis.call('HGET', key('task', task), 'active')
local other = active and active ~= run and redis.call('HGET', key('run', active), 'state') ~= 'done'
if not task or tonumber(failed or 0) <= 0 or (cancelled and state ~= 'done') or other then
  redis.call('UNLINK', wanted)
  return 0
end
redis.call('UNLINK', key('run', run, 'planned'), key('run', run, 'targets'))
redis.call('HDEL', key('run', run), 'planned.failed', 'planned.up-to-date', 'unlisted', 'failure', 'planned again')
forget_attempt(run)
reopen_run(run, task, 'planning')
redis.call('HSET', key('job', plan), 'task', task, 'kind', 'plan', 'attempts', 0, 'losses', 0)
redis.call('HDEL', key('job', plan), 'ended', 'error')
wait(plan, true)
return 1
