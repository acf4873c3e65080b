-- +goose Up
-- Events: queues and the moves of their messages, how asynchronous invocations are
-- handled, what sources functions have, and what is due when.

CREATE TABLE queues (
    account TEXT NOT NULL,
    region  TEXT NOT NULL,
    name    TEXT NOT NULL,
    record  TEXT NOT NULL,
    PRIMARY KEY (account, region, name)
) WITHOUT ROWID;

CREATE TABLE move_tasks (
    account TEXT NOT NULL,
    region  TEXT NOT NULL,
    name    TEXT NOT NULL,
    handle  TEXT NOT NULL,
    record  TEXT NOT NULL,
    PRIMARY KEY (account, region, name, handle)
) WITHOUT ROWID;

CREATE TABLE event_invokes (
    account   TEXT NOT NULL,
    region    TEXT NOT NULL,
    name      TEXT NOT NULL,
    qualifier TEXT NOT NULL,
    record    TEXT NOT NULL,
    PRIMARY KEY (account, region, name, qualifier)
) WITHOUT ROWID;

CREATE TABLE mappings (
    account TEXT NOT NULL,
    region  TEXT NOT NULL,
    uuid    TEXT NOT NULL,
    record  TEXT NOT NULL,
    PRIMARY KEY (account, region, uuid)
) WITHOUT ROWID;

CREATE TABLE schedules (
    account        TEXT NOT NULL,
    region         TEXT NOT NULL,
    schedule_group TEXT NOT NULL,
    name           TEXT NOT NULL,
    record         TEXT NOT NULL,
    PRIMARY KEY (account, region, schedule_group, name)
) WITHOUT ROWID;

CREATE TABLE schedule_groups (
    account TEXT NOT NULL,
    region  TEXT NOT NULL,
    name    TEXT NOT NULL,
    record  TEXT NOT NULL,
    PRIMARY KEY (account, region, name)
) WITHOUT ROWID;

CREATE TABLE rules (
    account TEXT NOT NULL,
    region  TEXT NOT NULL,
    bus     TEXT NOT NULL,
    name    TEXT NOT NULL,
    record  TEXT NOT NULL,
    PRIMARY KEY (account, region, bus, name)
) WITHOUT ROWID;
