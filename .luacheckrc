-- Redis runs Lua 5.1; `common.lua` is put before each script (dregsy_queue/ledger/scripts.py), so its locals are known.
local folder = "dregsy_queue/ledger/lua/"
local shared = {"KINDS", "redis", "cjson", "ARGV", "KEYS"}
for line in io.lines(folder .. "common.lua") do
  shared[#shared + 1] = line:match("^local function ([%w_]+)") or line:match("^local ([%w_]+) =")
end
std = "lua51"
max_line_length = 125
-- A local of an inner block may have the name of an outer one.
ignore = {"431"}
read_globals = shared
-- What it defines is used by the others.
files[folder .. "common.lua"] = {ignore = {"211"}}
