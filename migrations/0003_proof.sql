-- Scrub -------------------------------------------------------------------------------------------------

-- Live chunks whose files were found missing, unreadable or changed: kept apart until they are sound again or go.
CREATE TABLE damaged_chunk (
    id     INTEGER PRIMARY KEY,
    found  INTEGER NOT NULL,
    detail TEXT NOT NULL
) STRICT;
