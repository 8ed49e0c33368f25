package redisstore

import (
	"crypto/sha1"
	"encoding/hex"
)

// script is a program that runs inside Redis, named by its hash: another
// release's scripts do not get in its way.
type script struct{ source, sha string }

func newScript(source string) script {
	sum := sha1.Sum([]byte(source))
	return script{source, hex.EncodeToString(sum[:])}
}

// changeScript makes the changes that were decided outside, provided that the
// state they were decided on is still there, which its token tells. Everything
// is checked before the first write: Redis undoes nothing.
//
//	KEYS  s w h, then for each entry with a body: staged, entry
//	ARGV  expected token, new state,
//	      number of sources asked for, of rows to set, of rows to drop, of heads,
//	      the sources, then source and row of each to set, sources to drop, heads
//
// It returns {1} if done; {2} if a staged entry has expired; {0, state, rows…}
// with the rows of the sources asked for if the state is another one.
var changeScript = newScript(`
local state = redis.call('GET', KEYS[1])
local asked, set, drop, heads = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local at = 6
if not state or string.sub(state, 1, 8) ~= ARGV[1] then
  local answer = {0, state}
  for i = 1, asked do answer[2 + i] = redis.call('HGET', KEYS[2], ARGV[at + i]) end
  return answer
end
for i = 4, #KEYS, 2 do
  if redis.call('EXISTS', KEYS[i]) == 0 then return {2} end
end
at = at + asked
redis.call('SET', KEYS[1], ARGV[2])
for i = 1, set do
  redis.call('HSET', KEYS[2], ARGV[at + 1], ARGV[at + 2])
  at = at + 2
end
for i = 1, drop do redis.call('HDEL', KEYS[2], ARGV[at + i]) end
at = at + drop
for i = 1, heads do redis.call('RPUSH', KEYS[3], ARGV[at + i]) end
for i = 4, #KEYS, 2 do
  redis.call('RENAME', KEYS[i], KEYS[i + 1])
  redis.call('PERSIST', KEYS[i + 1])
end
return {1}
`)

// createScript makes a vbucket unless it is there. A key of ours that is there
// without it is somebody else's: nothing is written and its name is returned.
//
//	KEYS  m s k f, then w h g r
//	ARGV  values of m s k
var createScript = newScript(`
local there = redis.call('GET', KEYS[1])
if there then return {0, there} end
for i = 2, #KEYS do
  if redis.call('EXISTS', KEYS[i]) == 1 then return {2, KEYS[i]} end
end
for i = 1, 3 do redis.call('SET', KEYS[i], ARGV[i]) end
redis.call('SET', KEYS[4], '')
return {1, ARGV[1]}
`)

var scripts = []script{changeScript, createScript}
