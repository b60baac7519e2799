-- What blobs has an image that was copied before, and where are they at a target registry?
-- ARGV: target registry, source registry, manifest, length of a blob's name
-- Result: {blob, its repositories there, …}. Of an image that nobody knows: {'read'} where reading its manifest may
-- help, as the target registry has blobs that are known and the source is not known to count what is read; else {}
local target, source, manifest, length = ARGV[1], ARGV[2], ARGV[3], number(ARGV[4], 1, 1000)
local blobs = redis.call('HGET', key('parts', string.sub(manifest, 1, 2)), string.sub(manifest, 3))
local found = {}
if not blobs then
  local limited = redis.call('EXISTS', key('quota', source)) == 1
    or redis.call('HEXISTS', key('limits', source), 'transfers') == 1
    or redis.call('HEXISTS', key('limits', source), 'reserve') == 1
  return redis.call('EXISTS', key('known blobs', target)) == 1 and not limited and {'read'} or {}
end
for i = 1, #blobs, length do
  local blob = string.sub(blobs, i, i + length - 1)
  found[#found + 1] = blob
  found[#found + 1] = redis.call('HGET', key('blobs', target, string.sub(blob, 1, 2)), string.sub(blob, 3, 18)) or ''
end
return found
