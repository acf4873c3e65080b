-- +goose Up
-- Instances to keep ready, by the version or alias whose they are.

CREATE TABLE provisioned (
    account   TEXT NOT NULL,
    region    TEXT NOT NULL,
    name      TEXT NOT NULL,
    qualifier TEXT NOT NULL,
    record    TEXT NOT NULL,
    PRIMARY KEY (account, region, name, qualifier)
) WITHOUT ROWID;
