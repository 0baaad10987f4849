"""What news is about: words that wake those who wait."""

CANCEL = "c"
#: A message ended, or told how far it is.
ENDED = "e"
QUEUE = "q:"
#: A slot of a meter may be free that messages of any queue may name: a provider's, say.
METER = "m:"
#: News from elsewhere is heard from now on.
HEARS = "h"
#: What nobody is ever told of.
NOTHING = "n"
#: Not to wake anybody: somebody waits for an end, of a message or (without an id after it) of any.
WATCH = "w:"
