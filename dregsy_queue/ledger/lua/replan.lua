-- Plans a run that was planned before once more, for what could not be planned: what planning knew is forgotten, jobs
-- stay as they are.
-- ARGV: run
-- Result: 1; 0 when nothing of it could not be planned, or it is being planned or cancelled, or another run is active
local run = ARGV[1]
local plan = run .. ':plan'
local task, state, failed, cancelled =
  unpack(redis.call('HMGET', key('run', run), 'task', 'state', 'planned.failed', 'cancelled'))
if not task or state == 'planning' or tonumber(failed or 0) <= 0 or (cancelled and state ~= 'done') then
  return 0
end
local active = redis.call('HGET', key('task', task), 'active')
if active and active ~= run and redis.call('HGET', key('run', active), 'state') ~= 'done' then
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
