-- A scheduler ends: another one may lead at once.
-- ARGV: its name
-- Result: 1 when it led; 0 when another one does, or none
if redis.call('GET', key('beat', '', 'lock')) ~= ARGV[1] then
  return 0
end
return redis.call('DEL', key('beat', '', 'lock'))
