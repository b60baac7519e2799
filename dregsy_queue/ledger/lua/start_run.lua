-- Starts a run of a task, unless its last one has not ended. One that runs under another fingerprint is superseded:
-- its waiting jobs end as cancelled, and the new run begins by itself with the end of the last running one.
-- ARGV: task, task fingerprint, priority (0 to 9), number of runs kept per task, source and target registry,
--       suffix that makes the run's id unique for ever
-- Result: {run id, 1} for a started run (2 and the active run's id: it follows this one), {id of the active run, 0}
local task, fingerprint = ARGV[1], ARGV[2]
local order = {fingerprint = fingerprint, priority = whole(number(ARGV[3], 0, 9)), kept = number(ARGV[4], 1, 1000),
  source = ARGV[5], target = ARGV[6], suffix = ARGV[7]}
local now = clock()
local active = redis.call('HGET', key('task', task), 'active')
local state, running = false, false
if active then
  state, running = unpack(redis.call('HMGET', key('run', active), 'state', 'fingerprint'))
end
if state and state ~= 'done' then
  redis.call('SADD', key('tasks'), task)
  if string.sub(active, -#order.suffix - 1) == '-' .. order.suffix then
    -- The same call again: its answer was lost.
    return {active, 1}
  end
  if running == fingerprint and redis.call('HEXISTS', key('run', active), 'cancelled') == 0 then
    return {active, 0}
  end
  redis.call('HSET', key('task', task), 'next', cjson.encode(order))
  cancel_run(active, 'superseded: the task was changed', now, false)
  active = redis.call('HGET', key('task', task), 'active')
  if active and string.sub(active, -#order.suffix - 1) == '-' .. order.suffix then
    return {active, 1}
  end
  return {active or '', 2}
end
return {begin_run(task, order, now), 1}
