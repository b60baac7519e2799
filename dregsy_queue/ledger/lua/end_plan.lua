-- Ends the planning of a run.
-- ARGV: plan job, epoch, problem (JSON; '' when planning went well)
-- Result: 1, or 0 when this planner no longer holds the plan
if not holds(ARGV[1], ARGV[2]) then
  return 0
end
let_go(ARGV[1])
if ARGV[3] == '' then
  -- What this run did not find any more waits no longer.
  local run = run_of(ARGV[1])
  local task = redis.call('HGET', key('run', run), 'task')
  local pending = redis.call('HGETALL', key('pending', task))
  for i = 1, #pending, 2 do
    if string.match(pending[i + 1], '%S+$') ~= run then
      redis.call('HDEL', key('pending', task), pending[i])
    end
  end
end
end_planning(ARGV[1], clock(), ARGV[3] ~= '' and ARGV[3] or nil)
return 1
