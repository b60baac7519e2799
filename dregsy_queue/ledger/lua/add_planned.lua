-- Adds what a planner found: jobs to run, and images whose outcome is known already. Adding the same again
-- (a planner that was killed and began again) changes nothing; what could not be planned before is replaced.
-- ARGV: plan job or shard, epoch, worker, then per image: job id, kind, target, spec (JSON), outcome (JSON; '' for a job to
--       run), status
-- Result: number of jobs put on the backlog, or -1 when this planner no longer holds the plan
local plan, epoch, worker = ARGV[1], ARGV[2], ARGV[3]
if not holds(plan, epoch, worker) then
  return -1
end
local run = run_of(plan)
local task, run_state = unpack(redis.call('HMGET', key('run', run), 'task', 'state'))
if not task or run_state ~= 'planning' then
  return -1
end
local now = clock()
local planned = key('run', run, 'planned')

-- Such an outcome stands for images that nobody knows.
local function count_unlisted(outcome, number)
  if outcome.unlisted then
    redis.call('HINCRBY', key('run', run), 'unlisted', number)
  end
end

-- Takes back an outcome that an earlier attempt at planning left.
local function forget_outcome(job)
  local before = decode(redis.call('HGET', planned, job))
  if before then
    redis.call('HDEL', planned, job)
    redis.call('HINCRBY', key('run', run), 'planned.' .. tostring(before.status), -1)
    count_unlisted(before, -1)
  end
end

local added = 0
for i = 4, #ARGV, 6 do
  local job, kind, target, spec, outcome, status = unpack(ARGV, i, i + 5)
  local image = decode(outcome ~= '' and outcome or spec)
  if image and target ~= '' then
    redis.call('SADD', key('run', run, 'targets'), target)
  end
  if image and redis.call('HEXISTS', key('run', run, 'jobs'), job) == 0 then
    if outcome == '' then
      forget_outcome(job)
      redis.call('HSET', key('run', run, 'jobs'), job, spec)
      redis.call('HSET', key('job', job), 'task', task, 'kind', kind, 'epoch', 0)
      redis.call('HINCRBY', key('run', run), 'open', 1)
      -- Since when this image waits to be synced: over all runs that did not manage to.
      local first = redis.call('HGET', key('pending', task), target)
      first = first and string.match(first, '^%S+') or tostring(now)
      redis.call('HSET', key('pending', task), target, first .. ' ' .. run)
      push(job, false)
      added = added + 1
    elseif redis.call('HGET', planned, job) ~= outcome then
      forget_outcome(job)
      redis.call('HSET', planned, job, outcome)
      redis.call('HINCRBY', key('run', run), 'planned.' .. status, 1)
      count_unlisted(image, 1)
      tally(task, status, tostring(image.reason or ''), 1)
      if status == 'up-to-date' then
        redis.call('HDEL', key('pending', task), target)
      end
    end
  end
end
enroll(task, 'backlog')
return added
