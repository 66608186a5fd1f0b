-- Has any migration ever been applied here?
-- Column `is_begun`.
select to_regclass('ganger.migration') is not null as is_begun;
