-- A registry said how many pulls are left. Transfers under way may not be counted by it yet, so they are
-- subtracted; the next answer corrects what that takes too much.
-- ARGV: registry, limit, window in seconds (0: not said), pulls left
local registry, limit, window, left = unpack(ARGV)
local now = clock()
left = left - redis.call('SCARD', key('using', registry))
redis.call('HSET', key('quota', registry), 'limit', limit, 'window', window, 'left', left, 'at', now)
redis.call('EXPIRE', key('quota', registry), tonumber(window) > 0 and math.ceil(window) or 3600)
redis.call('SADD', key('quotas'), registry)
