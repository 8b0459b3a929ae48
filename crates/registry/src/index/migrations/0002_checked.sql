-- The stamp of a run's files when they were read: another one means that the record was changed since.
ALTER TABLE runs ADD COLUMN stamp TEXT NOT NULL DEFAULT '';

-- Runs whose record is damaged, or is of a newer version: they count for nothing until that is mended.
CREATE TABLE set_aside (
    run       TEXT PRIMARY KEY,
    trial_key TEXT,
    newer     INTEGER NOT NULL CHECK (newer IN (0, 1)),
    problem   TEXT NOT NULL,
    stamp     TEXT NOT NULL
) STRICT;
