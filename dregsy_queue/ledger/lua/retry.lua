-- Makes failed transfers of a run wait again, one slice of its jobs per call; a run that was over goes on.
-- ARGV: run, cursor ('0' at first)
-- Result: {next cursor ('0': through), jobs that wait again, ''}; or the id of another run of the task in the third
--         place, which is active and takes up what failed; {'', 0, ''} when there is no such run
local run, cursor = ARGV[1], ARGV[2]
local task, state = unpack(redis.call('HMGET', key('run', run), 'task', 'state'))
if not task or not state then
  return {'', 0, ''}
end
local active = redis.call('HGET', key('task', task), 'active')
if active and active ~= run and redis.call('HGET', key('run', active), 'state') ~= 'done' then
  return {'0', 0, active}
end
if state ~= 'done' and redis.call('HEXISTS', key('run', run), 'cancelled') == 1 then
  return {'0', 0, ''}
end
local answer = redis.call('HSCAN', key('run', run, 'jobs'), cursor, 'COUNT', SLICE)
local again = 0
for i = 1, #answer[2], 2 do
  local job = answer[2][i]
  if redis.call('HGET', key('job', job), 'state') == 'failed' then
    redis.call('HSET', key('job', job), 'attempts', 0, 'losses', 0)
    redis.call('HDEL', key('job', job), 'ended')
    redis.call('HINCRBY', key('run', run), 'jobs.failed', -1)
    redis.call('HINCRBY', key('run', run), 'open', 1)
    push(job, false)
    again = again + 1
  end
end
if again > 0 then
  if state == 'done' then
    reopen_run(run, task, 'running')
  end
  enroll(task, 'backlog')
end
return {answer[1], again, ''}
