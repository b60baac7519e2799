-- Blobs were seen in repositories of a target registry: of each the repositories are kept that fit, the newest first.
-- A bucket that is full loses some blobs, whichever; it is forgotten when nothing was put into it for so long.
-- ARGV: seconds kept, most blobs of a bucket, longest text of a blob, then registry, repository, blob, …
local kept_for = whole(number(ARGV[1], 1, 1e9))
local most, longest = number(ARGV[2], 8, 10000), number(ARGV[3], 0, 10000)
for i = 4, #ARGV, 3 do
  local registry, repository, blob = ARGV[i], ARGV[i + 1], ARGV[i + 2]
  local bucket, name = key('blobs', registry, string.sub(blob, 1, 2)), string.sub(blob, 3)
  local text = repository
  for other in string.gmatch(redis.call('HGET', bucket, name) or '', '%S+') do
    if other ~= repository and #text + 1 + #other <= longest then
      text = text .. ' ' .. other
    end
  end
  if redis.call('HLEN', bucket) >= most then
    redis.call('HDEL', bucket, unpack(redis.call('HRANDFIELD', bucket, whole(most / 8))))
  end
  redis.call('HSET', bucket, name, text)
  redis.call('EXPIRE', bucket, kept_for)
  redis.call('SET', key('known blobs', registry), '1', 'EX', kept_for)
end
return #ARGV
