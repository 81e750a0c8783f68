-- It discards what no gateway writes: keys of another type, and the books of what others must not set. The hour
-- itself stays. It answers how many keys it discarded.
local n = 0
for i = 1, #KEYS do
  local part = (i - 1) % PARTS + 1
  local want = part == META and 'hash' or 'zset'
  local is = redis.call('TYPE', KEYS[i]).ok
  if is ~= 'none' and (is ~= want or part >= META and part ~= MINUTE) then n = n + redis.call('UNLINK', KEYS[i]) end
end
return n
