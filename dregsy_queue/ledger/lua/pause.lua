-- A registry said "too many requests": hold everything that concerns it, for all workers.
-- One pause answers all requests that began before it, however many of them were refused.
-- ARGV: registry, seconds the registry asked for ('' when it did not say), job that was refused ('' for an API
--       request), first pause in seconds, longest pause in seconds, jitter (0 to 1), seconds an API request may
--       have been under way
-- Result: seconds of the pause that stands now, and 1 when it is a new one
local registry, asked, job, first, longest, jitter, under_way = unpack(ARGV)
local now = clock()
local since = job ~= '' and tonumber(redis.call('HGET', key('job', job), 'started') or now) or now - under_way
local began, ends, step = unpack(redis.call('HMGET', key('pause', registry), 'began', 'until', 'step'))
local seconds
if began and since <= tonumber(ends) then
  -- Refused before or while this pause stands: only a longer wait that was asked for changes it.
  if asked ~= '' and now + asked > tonumber(ends) then
    redis.call('HSET', key('pause', registry), 'until', now + asked)
    return {tostring(tonumber(asked)), 0}
  end
  return {tostring(math.max(0, tonumber(ends) - now)), 0}
end
step = tonumber(step or 0)
if asked ~= '' then
  seconds = tonumber(asked)
else
  seconds = math.min(tonumber(longest), first * 2 ^ math.min(step, 20)) * (0.75 + jitter / 2)
end
redis.call('HSET', key('pause', registry), 'began', now, 'until', now + seconds, 'step', step + 1,
  'transfers', 1, 'requests', 1)
redis.call('SADD', key('paused'), registry)
redis.call('EXPIRE', key('pause', registry), math.ceil(seconds + 86400))
return {tostring(seconds), 1}
