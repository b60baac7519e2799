-- Redis runs Lua 5.1. What is shared, and a script's parts, are put before it (dregsy_queue/ledger/scripts.py), so their
-- locals are known in each file that comes later.
local folder = "dregsy_queue/ledger/lua/"
local known = {"KINDS", "redis", "cjson", "ARGV", "KEYS"}
local function learn(file)
  for line in io.lines(folder .. file .. ".lua") do
    for name in (line:match("^local function ([%w_]+)") or line:match("^local ([%w_, ]+) =") or ""):gmatch("[%w_]+") do
      known[#known + 1] = name
    end
  end
  -- What it defines is used by the others.
  files[folder .. file .. ".lua"] = {ignore = {"211"}}
end
std = "lua51"
max_line_length = 125
-- A local of an inner block may have the name of an outer one.
ignore = {"431"}
learn("common")
for _, part in ipairs({"jobs", "counts", "runs", "indexes", "records"}) do
  learn("audit/" .. part)
end
read_globals = known
