-- Part of the first migration's transaction.
create schema if not exists ganger;
