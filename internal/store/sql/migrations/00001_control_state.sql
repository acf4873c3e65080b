-- +goose Up
-- One table for each kind of record of store.Tx: the key in columns of its
-- own, the record beside it as JSON. Keys compare byte by byte.

CREATE TABLE functions (
    account TEXT NOT NULL,
    region  TEXT NOT NULL,
    name    TEXT NOT NULL,
    record  TEXT NOT NULL,
    PRIMARY KEY (account, region, name)
) WITHOUT ROWID;

CREATE TABLE versions (
    account TEXT NOT NULL,
    region  TEXT NOT NULL,
    name    TEXT NOT NULL,
    version TEXT NOT NULL,
    record  TEXT NOT NULL,
    PRIMARY KEY (account, region, name, version)
) WITHOUT ROWID;

CREATE TABLE aliases (
    account TEXT NOT NULL,
    region  TEXT NOT NULL,
    name    TEXT NOT NULL,
    alias   TEXT NOT NULL,
    record  TEXT NOT NULL,
    PRIMARY KEY (account, region, name, alias)
) WITHOUT ROWID;

CREATE TABLE urls (
    account   TEXT NOT NULL,
    region    TEXT NOT NULL,
    name      TEXT NOT NULL,
    qualifier TEXT NOT NULL,
    record    TEXT NOT NULL,
    PRIMARY KEY (account, region, name, qualifier)
) WITHOUT ROWID;

CREATE TABLE layers (
    account TEXT NOT NULL,
    region  TEXT NOT NULL,
    name    TEXT NOT NULL,
    version TEXT NOT NULL,
    record  TEXT NOT NULL,
    PRIMARY KEY (account, region, name, version)
) WITHOUT ROWID;

CREATE TABLE policies (
    account  TEXT NOT NULL,
    region   TEXT NOT NULL,
    resource TEXT NOT NULL,
    record   TEXT NOT NULL,
    PRIMARY KEY (account, region, resource)
) WITHOUT ROWID;

CREATE TABLE apis (
    account TEXT NOT NULL,
    region  TEXT NOT NULL,
    id      TEXT NOT NULL,
    record  TEXT NOT NULL,
    PRIMARY KEY (account, region, id)
) WITHOUT ROWID;

CREATE TABLE apps (
    account TEXT NOT NULL,
    region  TEXT NOT NULL,
    name    TEXT NOT NULL,
    stage   TEXT NOT NULL,
    record  TEXT NOT NULL,
    PRIMARY KEY (account, region, name, stage)
) WITHOUT ROWID;

CREATE TABLE sequences (
    account TEXT NOT NULL,
    region  TEXT NOT NULL,
    name    TEXT NOT NULL,
    record  TEXT NOT NULL,
    PRIMARY KEY (account, region, name)
) WITHOUT ROWID;
