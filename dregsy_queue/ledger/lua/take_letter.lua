-- The letter that is due first, for one sender alone until its lease ends.
-- ARGV: lease in seconds
-- Result: id, text, number of this attempt (from 1); or nothing
local lease = number(ARGV[1], 1, 86400)
local due = redis.call('ZRANGEBYSCORE', key('outbox'), '-inf', clock(), 'LIMIT', 0, 1)[1]
if not due then
  return {}
end
redis.call('ZADD', key('outbox'), clock() + lease, due)
local attempt = redis.call('HINCRBY', key('letter attempts'), due, 1)
return {due, redis.call('HGET', key('letters'), due) or '', attempt}
