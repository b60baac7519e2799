-- Where are blobs, as far as it is known?
-- ARGV: registry, blob, …
-- Result: for each its repositories at that registry, the newest first, separated by spaces; '': nobody knows
local found = {}
for i = 1, #ARGV, 2 do
  local blob = ARGV[i + 1]
  found[#found + 1] = redis.call('HGET', key('blobs', ARGV[i], string.sub(blob, 1, 2)), string.sub(blob, 3)) or ''
end
return found
