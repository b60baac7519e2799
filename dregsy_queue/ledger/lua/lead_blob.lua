-- Who moves a blob to a registry? One at a time, by a lease; the others wait until it is there.
-- ARGV: registry, blob, holder, seconds of the lease
-- Result: its repositories there, if it is known to be there; else 'mine': the holder has the lease (again); 'taken'
local registry, blob, holder, lease = ARGV[1], ARGV[2], ARGV[3], whole(number(ARGV[4], 1, 3600))
local moving = key('moving', registry, blob)
local found = redis.call('HGET', key('blobs', registry, string.sub(blob, 1, 2)), string.sub(blob, 3))
local owner = redis.call('GET', moving)
if owner == holder then
  redis.call('EXPIRE', moving, lease)
  return 'mine'
end
if found then
  return found
end
-- A longer lease is from before Redis' clock was set back.
if owner and redis.call('TTL', moving) <= tonumber(lease) then
  return 'taken'
end
redis.call('SET', moving, holder, 'EX', lease)
return 'mine'
