-- Takes the order for a run of a task, so that one role alone starts it; the order stands until the run is named.
-- ARGV: task, seconds for which it is taken, least age of the order in seconds
-- Result: id of the order; nil when there is none, or it is too young, or another has taken it
local task, lease, least = ARGV[1], number(ARGV[2], 0, 3600), number(ARGV[3], 0, 3600)
local now = clock()
local order = decode(redis.call('HGET', key('orders'), task))
-- An order from later than now is from before Redis' clock was set back.
local young, taken = order and order.at <= now and now - order.at < least, order and order.taken or 0
if not order or young or (now < taken and taken <= now + lease + 1) then
  return false
end
order.taken = now + lease
redis.call('HSET', key('orders'), task, cjson.encode(order))
return order.id
