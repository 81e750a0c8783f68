-- ARGV: caller, class.
for i = 1, #KEYS / PARTS do
  local base = (i - 1) * PARTS
  redis.call('ZREM', KEYS[base + TAGS + tonumber(ARGV[2])], ARGV[1])
  redis.call('ZREM', KEYS[base + SEEN], ARGV[2] .. ':' .. ARGV[1])
end
return 1
