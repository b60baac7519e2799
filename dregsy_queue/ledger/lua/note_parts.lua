-- An image was seen to have these blobs. A bucket that is full loses some images, whichever.
-- ARGV: seconds kept, most images of a bucket, then manifest, names of its blobs in one text, …
local kept_for, most = whole(number(ARGV[1], 1, 1e9)), number(ARGV[2], 8, 10000)
for i = 3, #ARGV, 2 do
  local manifest = ARGV[i]
  local bucket = key('parts', string.sub(manifest, 1, 2))
  if redis.call('HLEN', bucket) >= most then
    redis.call('HDEL', bucket, unpack(redis.call('HRANDFIELD', bucket, whole(most / 8))))
  end
  redis.call('HSET', bucket, string.sub(manifest, 3), ARGV[i + 1])
  redis.call('EXPIRE', bucket, kept_for)
end
return #ARGV
