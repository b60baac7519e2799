-- Ends the planning of a run.
-- ARGV: plan job, epoch, worker, error ('' when planning went well), token (of this call: made again, it gets
--       the same answer)
-- Result: 1, or 0 when this planner no longer holds the plan
local plan, epoch, worker, failure, token = unpack(ARGV)
if not holds(plan, epoch, worker) then
  return settled_before(plan, epoch, token) and 1 or 0
end
local run = run_of(plan)
let_go(plan)
redis.call('HDEL', key('job', plan), 'owner', 'claim')
redis.call('HSET', key('job', plan), 'settled', epoch .. ' ' .. token)
if failure == '' and redis.call('EXISTS', key('run', run, 'targets')) == 1
    and redis.call('HEXISTS', key('run', run), 'failure') == 0
    and tonumber(redis.call('HGET', key('run', run), 'unlisted') or 0) == 0
    and redis.call('EXISTS', key('run', run, 'retry')) == 0 then
  -- What this run did not find has left: reap removes what is kept of it.
  later('sweep ' .. run)
else
  redis.call('UNLINK', key('run', run, 'targets'), key('run', run, 'retry'))
end
end_planning(plan, 'done', clock(), failure ~= '' and failure or nil)
return 1
