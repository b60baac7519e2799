-- What is paused, for workers to remember until they ask again.
-- Result: {registry, seconds left (0: over, but no API request has come through since), …}
local now = clock()
local pauses = {}
for _, registry in ipairs(redis.call('SMEMBERS', key('paused'))) do
  local ends, requests, transfers, began =
    unpack(redis.call('HMGET', key('pause', registry), 'until', 'requests', 'transfers', 'began'))
  if ends and began and tonumber(began) > now + 1 then
    -- Redis' clock was set back: a pause is as long as it was.
    ends = now + tonumber(ends) - tonumber(began)
    redis.call('HSET', key('pause', registry), 'began', now, 'until', ends)
  end
  if not ends or (not requests and not transfers) then
    redis.call('SREM', key('paused'), registry)
    redis.call('DEL', key('pause', registry))
  elseif requests or now < tonumber(ends) then
    pauses[#pauses + 1] = registry
    pauses[#pauses + 1] = tostring(math.max(0, tonumber(ends) - now))
  end
end
return pauses
