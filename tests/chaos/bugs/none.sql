-- No bug: what heal.sql needs is there.
select 1;
