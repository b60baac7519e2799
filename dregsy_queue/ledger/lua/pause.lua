-- A registry said "too many requests": hold everything that concerns it, for all workers.
-- One pause answers all requests that began before it, however many of them were refused.
-- ARGV: registry, seconds the registry asked for ('' when it did not say), job that was refused ('' for an API
--       request), first pause in seconds, longest pause in seconds, jitter (0 to 1), seconds an API request may
--       have been under way, longest wait that a registry may ask for
-- Result: seconds of the pause that stands now, and 1 when it is a new one
local registry, job = ARGV[1], ARGV[3]
local first, longest, jitter = number(ARGV[4], 0, 1e6), number(ARGV[5], 0, 1e6), number(ARGV[6], 0, 1)
local under_way, most = number(ARGV[7], 0, 1e6), number(ARGV[8], 0, 1e7)
local asked = ARGV[2] ~= '' and number(ARGV[2], 0, most)
local now = clock()
local since = job ~= '' and tonumber(redis.call('HGET', key('job', job), 'started') or now) or now - under_way
local ends, step = unpack(redis.call('HMGET', key('pause', registry), 'until', 'step'))
ends = tonumber(ends)
if ends and since <= ends then
  -- Refused before or while this pause stands: only a longer wait that was asked for changes it.
  if asked and now + asked > ends then
    redis.call('HSET', key('pause', registry), 'until', now + asked)
    redis.call('EXPIRE', key('pause', registry), math.ceil(asked + 86400))
    return {tostring(asked), 0}
  end
  return {tostring(math.max(0, ends - now)), 0}
end
step = tonumber(step or 0)
local seconds = asked or math.min(longest, first * 2 ^ math.min(step, 20)) * (0.75 + jitter / 2)
redis.call('HSET', key('pause', registry), 'began', now, 'until', now + seconds, 'step', step + 1,
  'transfers', 1, 'requests', 1)
redis.call('SADD', key('paused'), registry)
redis.call('EXPIRE', key('pause', registry), math.ceil(seconds + 86400))
return {tostring(seconds), 1}
