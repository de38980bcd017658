"""What the Valkey store runs inside the server, where each script is one step.

The keys of a script share one hash tag, so that a cluster keeps them in one slot. A session is a
hash of its fields, each as JSON; a cut-off is the text of its time; a count is a hash. The server
drops by itself what has expired, some time after it has.
"""

__all__ = ["CHANGE", "CREATE", "CUT", "END", "LIST", "TALLY"]

_CUT = """
local function cut(key, at, ends)
  local old = redis.call('GET', key)
  if old and tonumber(old) > tonumber(at) then at = old end
  local old_ends = redis.call('PEXPIRETIME', key)
  if old_ends > tonumber(ends) then ends = old_ends end
  redis.call('SET', key, at, 'PXAT', ends)
end
"""

CREATE = """
local ends = table.remove(ARGV, 1)
redis.call('HSET', KEYS[1], unpack(ARGV))
redis.call('PEXPIREAT', KEYS[1], ends)
return 1
"""
"""KEYS: the session. ARGV: when it ends, then its fields."""

LIST = """
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', ARGV[1])
redis.call('ZADD', KEYS[1], ARGV[2], ARGV[3])
if redis.call('PEXPIRETIME', KEYS[1]) < tonumber(ARGV[2]) then
  redis.call('PEXPIREAT', KEYS[1], ARGV[2])
end
return 1
"""
"""KEYS: a subject's sessions. ARGV: now, when the new session ends at the latest, its name."""

CHANGE = """
local seen, ends = table.remove(ARGV, 1), table.remove(ARGV, 1)
if redis.call('HGET', KEYS[1], 'version') ~= seen then return 0 end
redis.call('HSET', KEYS[1], unpack(ARGV))
redis.call('PEXPIREAT', KEYS[1], ends)
return 1
"""
"""KEYS: the session. ARGV: the version that was seen, when it ends, then the changed fields."""

END = (
    _CUT
    + """
cut(KEYS[2], ARGV[3], ARGV[4])
if redis.call('HGET', KEYS[1], 'ended_at') ~= 'null' then return 0 end
redis.call('HSET', KEYS[1], 'ended_at', ARGV[1], 'end_reason', ARGV[2])
redis.call('HINCRBY', KEYS[1], 'version', 1)
return 1
"""
)
"""KEYS: the session, its cut-off. ARGV: now, the reason, the cut-off, until when it is kept."""

CUT = _CUT + "cut(KEYS[1], ARGV[1], ARGV[2])\nreturn 1\n"
"""KEYS: the cut-off. ARGV: its time, until when it is kept."""

TALLY = """
local ends = redis.call('HGET', KEYS[1], 'until')
if not ends or tonumber(ends) <= tonumber(ARGV[1]) then
  redis.call('HSET', KEYS[1], 'count', 0, 'until', ARGV[2])
  redis.call('PEXPIREAT', KEYS[1], ARGV[4])
end
return redis.call('HINCRBY', KEYS[1], 'count', ARGV[3])
"""
"""KEYS: the count. ARGV: now, when one that begins now ends, by how many, when it is dropped."""
