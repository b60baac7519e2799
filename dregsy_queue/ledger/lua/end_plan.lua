-- Ends the planning of a run, or of a shard. A plan with shards that have not ended waits for them, and is claimed once
-- more when they have.
-- ARGV: plan job or shard, epoch, worker, error ('' when planning went well), 1 when the task is not started again once
--       it is planned, token (of this call: made again, it gets the same answer), number of targets that the plan has
--       (0: not known)
-- Result: 1; 2 when Redis lost some of these, so that the run is planned once more; 0 when this planner no longer holds
--         the plan
local plan, epoch, worker, failure, once, token = unpack(ARGV)
local found = number(ARGV[7], 0, 1e9)
-- A run is planned once more so often, then it fails.
local MOST_OFTEN = 3
if not holds(plan, epoch, worker) then
  return settled_before(plan, epoch, token) and 1 or 0
end
local run, now = run_of(plan), clock()
if is_shard(plan) then
  end_shard(plan, failure ~= '' and failure or nil)
  return 1
end
let_go(plan)
redis.call('HDEL', key('job', plan), 'owner', 'claim')
redis.call('HSET', key('job', plan), 'settled', epoch .. ' ' .. token)
if found > 0 then
  redis.call('HSET', key('run', run), 'found', found)
end
if redis.call('EXISTS', key('run', run, 'shards')) == 1 and redis.call('HGET', key('run', run), 'state') == 'planning' then
  if failure ~= '' then
    note_loss(run, failure)
  end
  redis.call('HSET', key('run', run), 'listed', '1')
  redis.call('HSET', key('job', plan), 'state', 'waiting')
  redis.call('ZADD', key('delayed'), now + SHARDS_TAKE, plan)
  return 1
end
local made, ended, task, fingerprint, wanted, state =
  unpack(redis.call('HMGET', key('run', run), 'shards', 'shards ended', 'task', 'fingerprint', 'found', 'state'))
local lost = (made or '0') ~= (ended or '0')
  or redis.call('SCARD', key('run', run, 'targets')) < tonumber(wanted or 0)
if failure == '' and lost and state == 'planning' and redis.call('HEXISTS', key('run', run), 'failure') == 0 then
  -- It was put back to an earlier state, as by a fail-over, or evicts keys.
  if redis.call('HINCRBY', key('run', run), 'planned again', 1) <= MOST_OFTEN then
    forget_attempt(run)
    wait(plan, true)
    return 2
  end
  failure = 'Redis lost a part of what this run was to look at: does it evict keys?'
end
local good = failure == '' and redis.call('HEXISTS', key('run', run), 'failure') == 0
if good and once == '1' and task then
  redis.call('SET', key('once', task), fingerprint or '')
end
if good and redis.call('EXISTS', key('run', run, 'targets')) == 1
    and tonumber(redis.call('HGET', key('run', run), 'unlisted') or 0) == 0
    and redis.call('EXISTS', key('run', run, 'retry')) == 0 then
  -- What this run did not find has left: reap removes what is kept of it.
  later('sweep ' .. run)
else
  redis.call('UNLINK', key('run', run, 'targets'), key('run', run, 'retry'))
end
end_planning(plan, 'done', now, failure ~= '' and failure or nil)
return 1
