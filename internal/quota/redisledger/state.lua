-- ARGV: an endpoint, or ''. It answers {limit, used, others', in flight, blocked for, used of the endpoint's minute,
-- then of each endpoint: name, limit, blocked for}.
local k = open(0, ARGV[1])
local minute = 0
if ARGV[1] ~= '' then minute = redis.call('ZCARD', k.part(MINUTE)) end
local out = { k.limit, used(k), k.foreign, k.flight, math.max(k.blocked - now, 0), minute }
if ARGV[1] ~= '' then return out end
local minutes, n = {}, 0
local fields = redis.call('HGETALL', k.part(META))
for i = 1, #fields, 2 do
  local kind, endpoint = string.sub(fields[i], 1, 3), string.sub(fields[i], 4)
  if (kind == 'ml:' or kind == 'mb:') and #endpoint <= 128 and (minutes[endpoint] or n < ENDPOINTS_MOST) then
    if not minutes[endpoint] then n = n + 1 end
    minutes[endpoint] = minutes[endpoint] or { 0, 0 }
    minutes[endpoint][kind == 'ml:' and 1 or 2] = whole(fields[i + 1])
  end
end
for endpoint, m in pairs(minutes) do
  out[#out + 1] = endpoint
  out[#out + 1] = math.min(m[1], LIMIT_MOST)
  out[#out + 1] = math.min(math.max(m[2] - now, 0), BLOCK_MOST)
end
return out
