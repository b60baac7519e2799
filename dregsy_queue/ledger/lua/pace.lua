-- One API request to a registry: may it be sent now?
-- A request counts from when it may be sent until its window after its answer, so that no window of the
-- registry's own clock holds more than the limit.
-- ARGV: registry, request (any unique text), number, window in seconds, longest time a request takes
-- Result: seconds to wait before asking again; 0: send it
local registry, request, number, window, longest = unpack(ARGV)
local now = clock()
local sent = key('requests', registry)
redis.call('ZREMRANGEBYSCORE', sent, '-inf', now - window)
if redis.call('ZCARD', sent) >= tonumber(number) then
  local first = redis.call('ZRANGE', sent, 0, 0, 'WITHSCORES')[2]
  -- Those under way end nobody knows when.
  return tostring(math.max(0.01, math.min(first + window - now, 0.25)))
end
redis.call('ZADD', sent, now + longest, request)
redis.call('EXPIRE', sent, math.ceil(window + longest))
return '0'
