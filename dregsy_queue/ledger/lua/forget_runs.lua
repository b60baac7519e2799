-- Forgets runs of a task that ended long ago; the run that ended last stays, and what has not ended.
-- ARGV: task, Unix time: what ended before it is forgotten
-- Result: {ids of these runs}
local task, before = ARGV[1], number(ARGV[2], 0, 1e12)
local runs, found = key('task', task, 'runs'), {}
local last = redis.call('HGET', key('task', task), 'last')
while redis.call('LLEN', runs) > 1 do
  local old = redis.call('LINDEX', runs, -1)
  local state, ended = unpack(redis.call('HMGET', key('run', old), 'state', 'ended'))
  if old == last or (state and (state ~= 'done' or (tonumber(ended) or 0) >= before)) then
    break
  end
  redis.call('RPOP', runs)
  redis.call('UNLINK', key('run', old))
  later('forget ' .. old)
  found[#found + 1] = old
end
return found
