-- Looks for contradictions, a slice at a time: jobs in an index that they do not belong to, or missing in one; registries
-- and targets that count jobs which do not run; runs in which nothing can move; records that nobody knows of. Repairs and
-- reports them. The scripts never leave one; a Redis that evicts keys or lost data does.
-- ARGV: shortest time between two looks in seconds, seconds that a worker gets to come back whose lease is lost
-- Result: {what was put right, as texts, 1 when it is in the middle of a run's jobs}
local pause = number(ARGV[1], 0, 3600)

local function check_task(task)
  enroll_all(task)
  local run, source, target = unpack(redis.call('HMGET', key('task', task), 'active', 'source', 'target'))
  check_registry(source or '')
  check_registry(target or '')
  if not run then
    return
  end
  local state = redis.call('HGET', key('run', run), 'state')
  if not state then
    if see_to('fail ' .. run .. ' ' .. task) then
      repaired('run ' .. run .. ' of task ' .. task .. ' was lost')
    end
  elseif state == 'done' then
    redis.call('HDEL', key('task', task), 'active')
    repaired('run ' .. run .. ' of task ' .. task .. ' was over and still active')
  else
    look_at_run(run)
  end
end

local checking = go_on_checking()
if math.abs(now - tonumber(remembered('at') or 0)) >= pause then
  redis.call('HSET', key('audit'), 'at', tostring(now))
  check_indexes()
  for _, task in ipairs(slice('SSCAN', key('tasks'))) do
    check_task(task)
  end
  walk()
end
return {repairs, checking}
