-- Registries whose quota holds jobs up, and whose turn it is to be asked what is left: by one worker, with one HEAD.
-- ARGV: shortest and longest time between two probes, in seconds
-- Result: {task, source reference, …}
local shortest, longest = tonumber(ARGV[1]), tonumber(ARGV[2])
local now = clock()
local probes = {}
for _, registry in ipairs(redis.call('SMEMBERS', key('quotas'))) do
  local limit, window, left, next_probe =
    unpack(redis.call('HMGET', key('quota', registry), 'limit', 'window', 'left', 'probe'))
  local reserve = redis.call('HGET', key('limits', registry), 'reserve') or 0
  if not left then
    redis.call('SREM', key('quotas'), registry)
  elseif tonumber(left) <= tonumber(reserve) and now >= tonumber(next_probe or 0) then
    local pace = window / math.max(1, tonumber(limit))
    redis.call('HSET', key('quota', registry), 'probe', now + math.max(shortest, math.min(longest, pace)))
    for _, task in ipairs(redis.call('SMEMBERS', key('ringed'))) do
      local job = redis.call('HGET', key('task', task), 'source') == registry
        and redis.call('LINDEX', key('backlog', task), 0)
      local spec = job and redis.call('HGET', key('run', run_of(job), 'jobs'), job)
      if spec then
        probes[#probes + 1] = task
        probes[#probes + 1] = cjson.decode(spec).source
        break
      end
    end
  end
end
return probes
