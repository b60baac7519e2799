-- One run: does somebody work on it, and does its task know it?

local function check_plan(task, run)
  local plan = run .. ':plan'
  local state = redis.call('HGET', key('job', plan), 'state')
  if state == 'done' or state == 'failed' or state == 'cancelled' then
    end_planning(plan, state, now, nil)
    repaired('run ' .. run .. ' was planned and did not know')
  elseif redis.call('LPOS', key('plans', task), plan) == false or state ~= 'waiting' then
    put_right(plan, task, '{"relay":"plan"}')
  end
end

-- Shards of a run: where none is in the list, each is delayed, admitted or running.
local function check_shards(task, run)
  if redis.call('LLEN', key('shards', task)) > 0 then
    return
  end
  for _, job in ipairs(redis.call('HRANDFIELD', key('run', run, 'shards'), SLICE / 4)) do
    local state = put_right(job, task, '{"relay":"shard"}')
    if state ~= 'waiting' and state ~= 'admitted' and state ~= 'running' then
      -- A release that knows no shards ended it.
      end_shard(job, redis.call('HGET', key('job', job), 'error') or state)
      repaired('shard ' .. job .. ' had ended and its run did not know')
    end
  end
end

-- A run that is not over: somebody must work on it.
local function check_run(run, task, state, open, cancelled)
  if cancelled and redis.call('HGET', key('run', run), 'cancel cursor') ~= 'through' then
    see_to('cancel ' .. run)
  end
  if state == 'planning' then
    check_plan(task, run)
    check_shards(task, run)
  elseif open <= 0 then
    finish_run_if_over(run, now)
    repaired('run ' .. run .. ' was over and did not know')
    return
  end
  if open > 0 and not remembered('check') and redis.call('LLEN', key('backlog', task)) == 0
      and moving_in(run) ~= open then
    local last, at = string.match(remembered('checked') or '', '^(%S+) (%S+)$')
    if last ~= run or math.abs(now - tonumber(at)) >= 10 then
      redis.call('HSET', key('audit'), 'check', run, 'check cursor', '0', 'check before', ended_of(run))
      redis.call('HDEL', key('audit'), 'check seen')
    end
  end
end

-- What there is of a run, and what its task knows of it.
local function look_at_run(run)
  local task, state, open, cancelled, priority, source, target = unpack(redis.call('HMGET', key('run', run),
    'task', 'state', 'open', 'cancelled', 'priority', 'source', 'target'))
  if not task then
    return
  end
  local known = redis.call('LPOS', key('task', task, 'runs'), run) ~= false
  if state == 'done' then
    if not known and see_to('forget ' .. run) then
      repaired('run ' .. run .. ' was in no list')
    end
    return
  end
  local active, known_source = unpack(redis.call('HMGET', key('task', task), 'active', 'source'))
  if not active then
    redis.call('HSET', key('task', task), 'active', run)
    repaired('run ' .. run .. ' of task ' .. task .. ' was not active')
  elseif active ~= run and not cancelled then
    cancel_run(run, 'superseded: Redis lost it for a while, and another one began', now, false)
    repaired('run ' .. run .. ' of task ' .. task .. ' was active beside another one')
  end
  if not known_source and source then
    redis.call('HSET', key('task', task), 'priority', priority, 'source', source, 'target', target)
    repaired('task ' .. task .. ' was lost')
  end
  if not known then
    redis.call('LPUSH', key('task', task, 'runs'), run)
    repaired('run ' .. run .. ' was in no list')
  end
  if redis.call('SADD', key('tasks'), task) == 1 then
    repaired('task ' .. task .. ' was in no list')
  end
  enroll_all(task)
  check_run(run, task, state, tonumber(open or 0), cancelled)
end
