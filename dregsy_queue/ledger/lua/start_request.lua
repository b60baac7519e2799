-- One API request to a registry: may it be sent now?
-- A request counts from when it may be sent until its window after its answer, so that no window of the
-- registry's own clock holds more than the limit. The same call again (its answer was lost) gets the same answer.
-- ARGV: registry, request (any unique text), number, window in seconds, longest time a request takes
-- Result: seconds to wait before asking again; 0: send it
local registry, request = ARGV[1], ARGV[2]
local most, window, longest = number(ARGV[3], 0, 1e12), number(ARGV[4], 0, 1e7), number(ARGV[5], 0, 1e6)
local now = clock()
local sent = key('requests', registry)
if redis.call('ZSCORE', sent, request) then
  return '0'
end
local old = redis.call('ZRANGEBYSCORE', sent, '-inf', now - window, 'LIMIT', 0, SLICE)
if #old > 0 then
  redis.call('ZREM', sent, unpack(old))
end
if redis.call('ZCOUNT', sent, '(' .. now - window, '+inf') >= most then
  not_later(sent, now + longest, now)
  local first = redis.call('ZRANGEBYSCORE', sent, '(' .. now - window, '+inf', 'WITHSCORES', 'LIMIT', 0, 1)[2]
  -- Nobody knows when the requests under way will end.
  return tostring(math.max(0.01, math.min((first or now) + window - now, 0.25)))
end
redis.call('ZADD', sent, now + longest, request)
redis.call('EXPIRE', sent, math.ceil(window + longest))
return '0'
