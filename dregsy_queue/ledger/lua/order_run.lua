-- An operator wants a run of a task; any scheduler or worker that knows the task starts it. An order that
-- stands is not given twice.
-- ARGV: task, id of the order
-- Result: id of the order that stands
local standing = decode(redis.call('HGET', key('orders'), ARGV[1]))
if standing then
  return standing.id
end
redis.call('HSET', key('orders'), ARGV[1], cjson.encode({id = ARGV[2], at = clock()}))
return ARGV[2]
