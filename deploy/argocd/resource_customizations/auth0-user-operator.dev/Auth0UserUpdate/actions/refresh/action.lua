-- Argo CD writes the whole object back, and Lua can neither see nulls nor tell {} from []. The object would come
-- back without its nulls, and where a list holds {} or [], changed.
local function holds(values)
  for key, value in pairs(values) do
    if type(value) == "table" and ((type(key) == "number" and next(value) == nil) or holds(value)) then
      return true
    end
  end
  return false
end

if holds(obj.spec) then
  error("a list in spec holds {} or [], which Argo CD would change: use kubectl annotate instead", 0)
end

-- Only the operator sees the nulls, and it has to have seen those of this generation.
local status = obj.status or {}
if status.observedGeneration ~= obj.metadata.generation then
  error("Argo CD would remove nulls, and the operator has not seen yet whether spec holds any: use kubectl annotate instead", 0)
end
-- Where it cannot read the object, or the API server does not keep what it saw, it says so in Synced.
local blind = { CRDOutdated = true, InternalError = true, InvalidRequest = true }
for _, condition in ipairs(status.conditions or {}) do
  if condition.type == "Synced" and blind[condition.reason] then
    error("Argo CD would remove nulls, and the operator cannot tell whether spec holds any: use kubectl annotate instead", 0)
  end
end
if status.explicitNulls ~= nil and next(status.explicitNulls) ~= nil then
  error("Argo CD would remove the nulls of " .. table.concat(status.explicitNulls, ", ") .. ": use kubectl annotate instead", 0)
end

local os = require("os")
if obj.metadata.annotations == nil then
  obj.metadata.annotations = {}
end
obj.metadata.annotations["auth0-user-operator.dev/requested-at"] = os.date("!%Y-%m-%dT%H:%M:%SZ")
return obj
