-- ARGV: a prefix of ids, then how long ago requests were stamped, in microseconds. KEYS: the books of a key, or the
-- requests of a budget.
local args = {}
for i = 2, #ARGV do
  args[#args + 1] = now - tonumber(ARGV[i])
  args[#args + 1] = ARGV[1] .. ':' .. i
  if #args >= 2000 or i == #ARGV then
    redis.call('ZADD', KEYS[OWN], unpack(args))
    args = {}
  end
end
touch(KEYS[OWN], 2 * HOUR)
return { #ARGV - 1 }
