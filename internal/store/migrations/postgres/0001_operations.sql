-- +goose Up
CREATE TABLE operations (
    id           TEXT PRIMARY KEY,
    kind         TEXT NOT NULL,
    team         TEXT NOT NULL,
    app          TEXT NOT NULL DEFAULT '',
    subject      TEXT NOT NULL DEFAULT '',
    caller       TEXT NOT NULL,
    claims       BYTEA,                  -- sealed
    priority     TEXT NOT NULL DEFAULT '',
    request_key  TEXT UNIQUE,            -- whose request_id named it; NULL: nobody named it
    request_sum  TEXT NOT NULL,          -- SHA-256 of the request
    running_key  TEXT UNIQUE,            -- what it is about; NULL once it is done
    state        INTEGER NOT NULL,
    arguments    BYTEA NOT NULL,         -- sealed
    progress     BYTEA,                  -- sealed
    outcome      BYTEA,                  -- sealed
    requests     INTEGER NOT NULL DEFAULT 0,
    awaiting     TEXT NOT NULL DEFAULT '',
    awaiting_key TEXT NOT NULL DEFAULT '', -- who waits for the same shares one look
    failures     INTEGER NOT NULL DEFAULT 0, -- of the last runs, one after another
    approval     TEXT NOT NULL DEFAULT '[]',
    approver     TEXT NOT NULL DEFAULT '',
    cancelled_by TEXT NOT NULL DEFAULT '',
    via          TEXT NOT NULL DEFAULT '', -- the call that asked for it, as audit names it
    version      BIGINT NOT NULL DEFAULT 1,
    wakes        BIGINT NOT NULL DEFAULT 0,
    lease        TEXT NOT NULL DEFAULT '', -- of the run that works on it
    lease_until  BIGINT NOT NULL DEFAULT 0,
    wakes_seen   BIGINT NOT NULL DEFAULT 0, -- by the last run
    job          BIGINT NOT NULL DEFAULT 0, -- River's
    next_at      BIGINT NOT NULL DEFAULT 0, -- times are microseconds since 1970; 0: none
    created_at   BIGINT NOT NULL,
    updated_at   BIGINT NOT NULL,
    ended_at     BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX operations_newest ON operations (team, created_at DESC, id DESC);
CREATE INDEX operations_ended ON operations (ended_at) WHERE ended_at > 0;

CREATE INDEX operations_awaiting ON operations (awaiting_key) WHERE awaiting_key <> '';

-- Who looks next at what several operations wait for.
CREATE TABLE waits (
    key       TEXT PRIMARY KEY,
    looked_at BIGINT NOT NULL,
    waiting   INTEGER NOT NULL
);

CREATE TABLE replays (
    id         TEXT PRIMARY KEY,
    value      BYTEA NOT NULL,
    written_at BIGINT NOT NULL
);
CREATE INDEX replays_written ON replays (written_at);
