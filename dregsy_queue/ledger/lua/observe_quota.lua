-- A registry said how many pulls are left. Transfers under way may not be counted by it yet, so they are
-- subtracted; the next answer corrects an overcount.
-- ARGV: registry, limit, window in seconds (0: not said), pulls left
local registry = ARGV[1]
local limit, window, left = number(ARGV[2], 0, 1e12), number(ARGV[3], 0, 1e7), number(ARGV[4], -1e12, 1e12)
left = left - redis.call('SCARD', key('using', registry))
redis.call('HSET', key('quota', registry), 'limit', whole(limit), 'window', tostring(window), 'left', whole(left),
  'at', clock())
redis.call('EXPIRE', key('quota', registry), window > 0 and math.ceil(window) or 3600)
redis.call('SADD', key('quotas'), registry)
