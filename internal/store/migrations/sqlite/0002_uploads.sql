-- +goose Up
-- Uploads by tus, between their requests.
CREATE TABLE uploads (
    id         TEXT PRIMARY KEY,
    caller     TEXT NOT NULL,
    record     BLOB NOT NULL,       -- sealed
    version    BIGINT NOT NULL,
    expires_at BIGINT NOT NULL       -- microseconds since 1970
);
CREATE INDEX uploads_caller ON uploads (caller);
CREATE INDEX uploads_expires ON uploads (expires_at);
