-- Leaves a part of what a planner found to other planners, as a job of its own. The same again (its answer was lost)
-- changes nothing.
-- ARGV: plan job, epoch, worker, job id of the shard, spec (JSON: its images)
-- Result: 1, or -1 when this planner no longer holds the plan
local plan, epoch, worker, shard, spec = unpack(ARGV)
local run = run_of(plan)
local task, state = unpack(redis.call('HMGET', key('run', run), 'task', 'state'))
if not holds(plan, epoch, worker) or not task or state ~= 'planning' then
  return -1
end
if redis.call('HSETNX', key('run', run, 'shards'), shard, spec) == 1 then
  redis.call('HINCRBY', key('run', run), 'shards', 1)
  redis.call('HSET', key('job', shard), 'task', task, 'kind', 'shard', 'epoch', 0)
  wait(shard, false)
end
return 1
