-- Argo CD writes the whole object back, and Lua cannot tell {} from []. Where a list holds one of these,
-- the object would come back changed.
local function holds(values)
  for key, value in pairs(values) do
    if type(value) == "table" and ((type(key) == "number" and next(value) == nil) or holds(value)) then
      return true
    end
  end
  return false
end

if holds(obj.spec) then
  error("a list in spec holds {} or [], which Argo CD would change: use kubectl annotate instead")
end

local os = require("os")
if obj.metadata.annotations == nil then
  obj.metadata.annotations = {}
end
obj.metadata.annotations["auth0-user-operator.dev/requested-at"] = os.date("!%Y-%m-%dT%H:%M:%SZ")
return obj
