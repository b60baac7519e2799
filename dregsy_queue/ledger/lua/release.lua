-- Takes back a hold; of a registry also the pause after refusals.
-- ARGV: 'task' or 'registry', its name
-- Result: 1 when something was paused
local kind, name = ARGV[1], ARGV[2]
local found = redis.call('HDEL', key('holds'), kind .. ' ' .. name)
if kind == 'registry' then
  redis.call('SREM', key('paused'), name)
  redis.call('DEL', key('trying', name))
  return math.max(found, redis.call('DEL', key('pause', name)))
end
enroll_all(name)
return found
