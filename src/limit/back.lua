-- Gives one back: the whole quota is free one interval sooner. KEYS[1] the number; ARGV[1] the interval in microseconds. What
-- is not there, or is no number, says that nothing was taken.
local kept = redis.pcall('GET', KEYS[1])
local free = type(kept) == 'string' and tonumber(kept)
local left = redis.call('PTTL', KEYS[1])
if not free or free ~= free or left <= 0 then return 0 end
redis.call('SET', KEYS[1], string.format('%.0f', free - tonumber(ARGV[1])), 'PX', left)
return 1
