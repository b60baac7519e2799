-- What is told of a task changes: letters go to the outbox, unless another scheduler was faster.
-- ARGV: task, what is told of it so far ('' for nothing), what is from now on, most letters kept,
--       then id and text of each letter
-- Result: 1, or 0 when something else is told of it by now
local task, before, after, most = ARGV[1], ARGV[2], ARGV[3], number(ARGV[4], 1, 1e6)
if (redis.call('HGET', key('told'), task) or '') ~= before then
  return 0
end
redis.call('HSET', key('told'), task, after)
for at = 5, #ARGV, 2 do
  redis.call('HSET', key('letters'), ARGV[at], ARGV[at + 1])
  redis.call('ZADD', key('outbox'), clock(), ARGV[at])
end
-- The oldest give way, few at a time.
local extra = math.min(100, redis.call('ZCARD', key('outbox')) - most)
for _, old in ipairs(extra > 0 and redis.call('ZRANGE', key('outbox'), 0, extra - 1) or {}) do
  redis.call('ZREM', key('outbox'), old)
  redis.call('HDEL', key('letters'), old)
  redis.call('HDEL', key('letter attempts'), old)
end
return 1
