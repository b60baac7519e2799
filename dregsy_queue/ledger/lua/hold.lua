-- An operator pauses a task or a registry: nothing of it starts any more, what runs goes on. A hold that stands is
-- replaced.
-- ARGV: 'task' or 'registry', its name, seconds (0: until it is resumed), reason
local kind, name, seconds, reason = ARGV[1], ARGV[2], number(ARGV[3], 0, 1e9), ARGV[4]
local now = clock()
local ends = seconds > 0 and now + seconds or 0
redis.call('HSET', key('holds'), kind .. ' ' .. name,
  cjson.encode({since = now, ['until'] = ends, reason = reason}))
if kind == 'task' then
  enroll_all(name)
end
