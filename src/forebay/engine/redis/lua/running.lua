--#use base sound message gates story
-- running: -> the stories of all that runs.
return stories(call('HKEYS', P .. 'run'))
