-- Which journal this is: the mark beside it names it, and a backup that was put back waits until somebody accepts it.

CREATE TABLE identity (
    id    TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('new', 'marked', 'restored'))  -- new: the mark does not name it yet
) STRICT;

INSERT INTO identity (id, state) VALUES (lower(hex(randomblob(8))), 'new');
