-- An order was carried out.
-- ARGV: task, id of the order, run that was started (or was active), seconds for which this is remembered
local task, id, run, remembered = ARGV[1], ARGV[2], ARGV[3], number(ARGV[4], 1, 86400)
local order = decode(redis.call('HGET', key('orders'), task))
if order and order.id == id then
  redis.call('HDEL', key('orders'), task)
end
redis.call('SET', key('order', id), run, 'EX', whole(remembered))
