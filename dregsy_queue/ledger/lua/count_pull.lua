-- A manifest was read outside any job. Registries count that as a pull, so it counts in the window of transfers.
-- ARGV: registry, name of the pull (any unique text)
-- Result: 1 when the registry has such a limit
local registry = ARGV[1]
if redis.call('HEXISTS', key('limits', registry), 'transfers') == 0 then
  return 0
end
redis.call('ZADD', key('window', registry), clock(), 'pull.' .. ARGV[2])
return 1
