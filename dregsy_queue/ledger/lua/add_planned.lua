-- Adds what a planner found: jobs to run, and images whose outcome is known already. Adding the same again
-- (a planner that was killed and began anew) changes nothing.
-- ARGV: plan job, epoch, then per image: job id, kind, spec (JSON), outcome (JSON; '' for a job to run), status
-- Result: number of jobs put on the backlog, or -1 when this planner no longer holds the plan
local plan, epoch = ARGV[1], ARGV[2]
if not holds(plan, epoch) then
  return -1
end
local run = run_of(plan)
local task = redis.call('HGET', key('run', run), 'task')
local added = 0
for i = 3, #ARGV, 5 do
  local job, kind, spec, outcome, status = ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3], ARGV[i + 4]
  if redis.call('HEXISTS', key('run', run, 'jobs'), job) == 0 then
    if outcome ~= '' then
      if redis.call('HSETNX', key('run', run, 'planned'), job, outcome) == 1 then
        redis.call('HINCRBY', key('run', run), 'planned.' .. status, 1)
        local image = cjson.decode(outcome)
        tally(task, status, image.reason, 1)
        if status == 'up-to-date' then
          redis.call('HDEL', key('pending', task), image.target)
        end
      end
    else
      redis.call('HSET', key('run', run, 'jobs'), job, spec)
      redis.call('HSET', key('job', job), 'task', task, 'kind', kind, 'epoch', 0)
      redis.call('HINCRBY', key('run', run), 'open', 1)
      -- Since when this image waits to be synced: over all runs that did not manage to.
      local target = cjson.decode(spec).target
      local first = redis.call('HGET', key('pending', task), target)
      first = first and string.match(first, '^%S+') or tostring(clock())
      redis.call('HSET', key('pending', task), target, first .. ' ' .. run)
      wait(job, false)
      added = added + 1
    end
  end
end
return added
