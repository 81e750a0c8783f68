-- It answers {limit, used, others', in flight, blocked for, then of each endpoint: name, limit, blocked for}.
local k = open(0, '')
local out = { k.limit, used(k), k.foreign, k.flight, math.max(k.blocked - now, 0) }
local minutes = {}
local fields = redis.call('HGETALL', k.part(META))
for i = 1, #fields, 2 do
  local kind, endpoint = string.sub(fields[i], 1, 3), string.sub(fields[i], 4)
  if kind == 'ml:' or kind == 'mb:' then
    minutes[endpoint] = minutes[endpoint] or { 0, 0 }
    minutes[endpoint][kind == 'ml:' and 1 or 2] = num(fields[i + 1])
  end
end
for endpoint, m in pairs(minutes) do
  out[#out + 1] = endpoint
  out[#out + 1] = m[1]
  out[#out + 1] = math.max(m[2] - now, 0)
end
return out
