-- Registries whose quota holds jobs up, and whose turn it is to be asked what is left: by one worker, with one HEAD.
-- ARGV: shortest and longest time between two probes, in seconds
-- Result: {task, source reference, …}
local shortest, longest = number(ARGV[1], 0, 1e6), number(ARGV[2], 0, 1e6)
local now = clock()

-- The first waiting transfer from this registry, as {task, spec}.
local function waiting_from(registry)
  for priority = 9, 0, -1 do
    for _, lane in ipairs(redis.call('ZRANGE', key('ring', priority), 0, SLICE)) do
      local kind, source = string.match(lane, '^%S+ (%S+) (%S*)')
      if kind ~= 'plan' and source == registry then
        local task = redis.call('ZRANGE', key('lane', lane), 0, 0)[1]
        local job = task and redis.call('LINDEX', key('backlog', task), 0)
        local spec = job and spec_of(job)
        if spec and spec.source then
          return {task, spec}
        end
      end
    end
  end
end

local probes = {}
for _, registry in ipairs(redis.call('SMEMBERS', key('quotas'))) do
  local limit, window, left, next_probe =
    unpack(redis.call('HMGET', key('quota', registry), 'limit', 'window', 'left', 'probe'))
  local reserve = redis.call('HGET', key('limits', registry), 'reserve') or 0
  if not left then
    redis.call('SREM', key('quotas'), registry)
  elseif tonumber(left) <= tonumber(reserve) and now >= tonumber(next_probe or 0) then
    local pace = (tonumber(window) or 0) / math.max(1, tonumber(limit) or 1)
    redis.call('HSET', key('quota', registry), 'probe', now + math.max(shortest, math.min(longest, pace)))
    local found = waiting_from(registry)
    if found then
      probes[#probes + 1] = found[1]
      probes[#probes + 1] = tostring(found[2].source)
    end
  end
end
return probes
