-- An index of the run folders: every row can be made again from them. Digests and ids are lower-case hexadecimal,
-- times RFC 3339 in UTC. Whether a run without an outcome is alive is asked of its lock, and stands in no column.

CREATE TABLE plans (
    digest TEXT PRIMARY KEY,
    study  TEXT NOT NULL,
    toml   TEXT NOT NULL
) STRICT;

CREATE TABLE runs (
    id                 TEXT PRIMARY KEY,
    study              TEXT NOT NULL,
    arm                TEXT NOT NULL,
    role               TEXT NOT NULL,
    seed               INTEGER NOT NULL,
    attempt            INTEGER NOT NULL,
    trial_key          TEXT NOT NULL,
    plan               TEXT NOT NULL REFERENCES plans (digest),
    manifest           TEXT NOT NULL,
    split              TEXT NOT NULL,
    training_set       TEXT NOT NULL,
    validation_set     TEXT NOT NULL,
    test_set           TEXT NOT NULL,
    protocol           TEXT NOT NULL,
    synthetic          INTEGER NOT NULL CHECK (synthetic IN (0, 1)),
    created_at         TEXT NOT NULL,
    augtrial_version   TEXT NOT NULL,
    git_commit         TEXT,
    host               TEXT NOT NULL,
    device             TEXT NOT NULL,
    threads            INTEGER NOT NULL,
    events             INTEGER NOT NULL DEFAULT 0,
    training_samples   INTEGER,
    updates_per_epoch  INTEGER,
    total_updates      INTEGER,
    total_epochs       INTEGER,
    epochs             INTEGER NOT NULL DEFAULT 0,
    checkpoint_epoch   INTEGER NOT NULL DEFAULT 0,
    selected_epoch     INTEGER,
    validation_top1    REAL,
    test_openings      INTEGER NOT NULL DEFAULT 0,
    test_loss_nats     REAL,
    test_top1          REAL,
    test_samples       INTEGER,
    resumes            INTEGER NOT NULL DEFAULT 0,
    elapsed_secs       REAL NOT NULL DEFAULT 0,
    weights            TEXT,
    outcome            TEXT CHECK (outcome IN ('finished', 'failed')),
    failure            TEXT,
    ended_at           TEXT,
    UNIQUE (trial_key, attempt),
    CHECK ((outcome IS NULL) = (ended_at IS NULL)),
    CHECK ((outcome IS 'failed') = (failure IS NOT NULL))
) STRICT;

CREATE INDEX runs_by_study ON runs (study, arm, seed, attempt);
CREATE INDEX runs_by_age ON runs (created_at, study, arm, seed, attempt);
CREATE INDEX runs_by_end ON runs (trial_key, outcome, ended_at, attempt);

CREATE TABLE epochs (
    run           TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    epoch         INTEGER NOT NULL,
    split         TEXT NOT NULL CHECK (split IN ('train', 'validation', 'test')),
    loss_nats     REAL NOT NULL,
    top1          REAL NOT NULL,
    learning_rate REAL NOT NULL,
    samples       INTEGER NOT NULL,
    updates       INTEGER NOT NULL,
    elapsed_secs  REAL NOT NULL,
    PRIMARY KEY (run, epoch, split)
) STRICT, WITHOUT ROWID;

-- The whole probability vectors are in the folders.
CREATE TABLE predictions (
    run                   TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    position              INTEGER NOT NULL,
    image                 TEXT NOT NULL,
    path                  TEXT NOT NULL,
    derived               INTEGER NOT NULL CHECK (derived IN (0, 1)),
    label                 INTEGER NOT NULL,
    predicted             INTEGER NOT NULL,
    label_probability     REAL,
    predicted_probability REAL,
    PRIMARY KEY (run, position)
) STRICT, WITHOUT ROWID;
