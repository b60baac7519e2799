-- The answer to an API request is here.
-- ARGV: registry, request, 1 when it was no refusal
local registry, request, good = unpack(ARGV)
redis.call('ZADD', key('requests', registry), 'XX', 'LT', clock(), request)
if good == '1' then
  redis.call('HDEL', key('pause', registry), 'requests')
end
