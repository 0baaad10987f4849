--#use base sound message gates story
-- find: id ... -> their stories.
local ids = {}
for at = 3, #ARGV do
    ids[#ids + 1] = ARGV[at]
end
return stories(ids)
