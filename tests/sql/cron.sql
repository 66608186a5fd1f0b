-- SPDX-License-Identifier: MIT
-- Cron expressions: the dialect, time zones, changes of the clocks, errors.
select plan(139);
set timezone = 'UTC';

-- The instants of an expression after one, so many of them.
create function pg_temp.ticks(cron text, zone text, after timestamptz, n integer) returns text[] language plpgsql as $$
declare
    at    timestamptz := after;
    ticks text[] := '{}';
begin
    for i in 1 .. n loop
        at := ganger.next_cron(cron, zone, at);
        ticks := ticks || to_char(at, 'YYYY-MM-DD HH24:MI:SS');
    end loop;
    return ticks;
end $$;
-- One expression: from there these come, in UTC.
create function pg_temp.comes(cron text, zone text, after timestamptz, ticks text[], what text) returns text language sql as $$
    select is(pg_temp.ticks(cron, zone, after, cardinality(ticks)), ticks, format('%s (%s): %s', cron, zone, what))
$$;
create function pg_temp.refused(cron text, message text, zone text default 'UTC', after timestamptz default now(), code text default '22023')
returns text language sql as $$
    select throws_ok(format('select ganger.next_cron(%L, %L, %L)', cron, zone, after), code, message,
                     format('%s (%s) is refused', coalesce(cron, 'no expression'), zone))
$$;

-- fields
select pg_temp.comes('* * * * *', 'UTC', '2030-01-01 00:00',
    array['2030-01-01 00:01:00', '2030-01-01 00:02:00', '2030-01-01 00:03:00'], 'every minute, strictly after');
select pg_temp.comes('* * * * *', 'UTC', '2030-01-01 00:00:59.999999',
    array['2030-01-01 00:01:00'], 'a fraction before it');
select pg_temp.comes('* * * * *', 'UTC', '2030-01-01 00:01:00.000001',
    array['2030-01-01 00:02:00'], 'a fraction after it');
select pg_temp.comes('* * * * * *', 'UTC', '2029-12-31 23:59:58.5',
    array['2029-12-31 23:59:59', '2030-01-01 00:00:00', '2030-01-01 00:00:01'], 'six fields: every second, over the end of a year');
select pg_temp.comes('30 */10 8 * * *', 'UTC', '2030-01-01 08:35',
    array['2030-01-01 08:40:30', '2030-01-01 08:50:30', '2030-01-02 08:00:30'], 'a second of its own');
select pg_temp.comes('15,45 0 * * * *', 'UTC', '2030-01-01 00:00:20',
    array['2030-01-01 00:00:45', '2030-01-01 01:00:15'], 'a list of seconds');
select pg_temp.comes('*/15 * * * *', 'UTC', '2030-01-01 00:50',
    array['2030-01-01 01:00:00', '2030-01-01 01:15:00'], 'a step');
select pg_temp.comes('5/20 * * * *', 'UTC', '2030-01-01 00:00',
    array['2030-01-01 00:05:00', '2030-01-01 00:25:00', '2030-01-01 00:45:00', '2030-01-01 01:05:00'], 'a step from a value on');
select pg_temp.comes('10-20/4 * * * *', 'UTC', '2030-01-01 00:00',
    array['2030-01-01 00:10:00', '2030-01-01 00:14:00', '2030-01-01 00:18:00', '2030-01-01 01:10:00'], 'a step in a range');
select pg_temp.comes('0 9-17/4,20 * * *', 'UTC', '2030-01-01 00:00',
    array['2030-01-01 09:00:00', '2030-01-01 13:00:00', '2030-01-01 17:00:00', '2030-01-01 20:00:00', '2030-01-02 09:00:00'], 'a range with a step, and a value');
select pg_temp.comes('05 09 01 02 *', 'UTC', '2030-01-01',
    array['2030-02-01 09:05:00', '2031-02-01 09:05:00'], 'leading zeros');
select pg_temp.comes('0 0 1 JAN,Jul *', 'UTC', '2030-01-01',
    array['2030-07-01 00:00:00', '2031-01-01 00:00:00'], 'names of months, any case');
select pg_temp.comes('0 0 1 mar-may *', 'UTC', '2030-01-01',
    array['2030-03-01 00:00:00', '2030-04-01 00:00:00', '2030-05-01 00:00:00', '2031-03-01 00:00:00'], 'a range of names');
select pg_temp.comes('0 12 * * mon-fri', 'UTC', '2030-01-04 12:00',
    array['2030-01-07 12:00:00', '2030-01-08 12:00:00'], 'weekdays: over a weekend');
select pg_temp.comes('0 12 * * Mon-Fri/2', 'UTC', '2030-01-01',
    array['2030-01-02 12:00:00', '2030-01-04 12:00:00', '2030-01-07 12:00:00'], 'every other weekday');
select pg_temp.comes('0 0 * * 0', 'UTC', '2030-01-01',
    array['2030-01-06 00:00:00', '2030-01-13 00:00:00'], '0 is Sunday');
select pg_temp.comes('0 0 * * 7', 'UTC', '2030-01-01',
    array['2030-01-06 00:00:00', '2030-01-13 00:00:00'], '7 is Sunday');
select pg_temp.comes('0 0 * * 5-7', 'UTC', '2030-01-01',
    array['2030-01-04 00:00:00', '2030-01-05 00:00:00', '2030-01-06 00:00:00', '2030-01-11 00:00:00'], 'a range up to 7');
select pg_temp.comes('0 0 * * sat-sun', 'UTC', '2030-01-01',
    array['2030-01-05 00:00:00', '2030-01-06 00:00:00', '2030-01-12 00:00:00'], 'Sunday ends the week');
select pg_temp.comes('0 0 * * sun-mon', 'UTC', '2030-01-01',
    array['2030-01-06 00:00:00', '2030-01-07 00:00:00', '2030-01-13 00:00:00'], 'and begins it');
select pg_temp.comes('0 0 * * */2', 'UTC', '2030-01-01',
    array['2030-01-03 00:00:00', '2030-01-05 00:00:00', '2030-01-06 00:00:00', '2030-01-08 00:00:00'], 'a step of weekdays: Sunday, Tuesday, Thursday, Saturday');
select pg_temp.comes('  0	0  1 1 * ', 'UTC', '2030-01-01',
    array['2031-01-01 00:00:00'], 'white space of any kind');
select pg_temp.comes('0 0 ? 2 ?', 'UTC', '2030-01-01',
    array['2030-02-01 00:00:00', '2030-02-02 00:00:00'], 'a question mark is a star');

-- days of the month
select pg_temp.comes('0 0 31 * *', 'UTC', '2030-01-31',
    array['2030-03-31 00:00:00', '2030-05-31 00:00:00', '2030-07-31 00:00:00', '2030-08-31 00:00:00'], 'months that have it');
select pg_temp.comes('0 0 30 * *', 'UTC', '2030-01-30',
    array['2030-03-30 00:00:00'], 'February has none');
select pg_temp.comes('0 0 L * *', 'UTC', '2028-01-31',
    array['2028-02-29 00:00:00', '2028-03-31 00:00:00', '2028-04-30 00:00:00'], 'the last day');
select pg_temp.comes('0 0 l 2 *', 'UTC', '2028-02-29',
    array['2029-02-28 00:00:00', '2030-02-28 00:00:00'], 'the last of February');
select pg_temp.comes('0 0 15,L * *', 'UTC', '2030-04-01',
    array['2030-04-15 00:00:00', '2030-04-30 00:00:00', '2030-05-15 00:00:00'], 'the last, and another');
select pg_temp.comes('0 0 L * mon', 'UTC', '2030-01-28',
    array['2030-01-31 00:00:00', '2030-02-04 00:00:00'], 'the last, or a Monday');
select pg_temp.comes('0 0 29 2 *', 'UTC', '2028-02-29',
    array['2032-02-29 00:00:00', '2036-02-29 00:00:00'], 'leap years');
select pg_temp.comes('0 0 29 2 *', 'UTC', '2096-03-01',
    array['2104-02-29 00:00:00'], '2100 is none');
select pg_temp.comes('0 0 29 2 *', 'UTC', '1999-03-01',
    array['2000-02-29 00:00:00'], '2000 was one');
select pg_temp.comes('0 0 13 * fri', 'UTC', '2030-01-01',
    array['2030-01-04 00:00:00', '2030-01-11 00:00:00', '2030-01-13 00:00:00', '2030-01-18 00:00:00'], 'both days restricted: either');
select pg_temp.comes('0 0 29 2 1', 'UTC', '2030-01-01',
    array['2030-02-04 00:00:00', '2030-02-11 00:00:00'], 'either, in one month');
select pg_temp.comes('0 0 13 * *', 'UTC', '2030-01-01',
    array['2030-01-13 00:00:00', '2030-02-13 00:00:00'], 'the months day alone');
select pg_temp.comes('0 0 */2 * 1', 'UTC', '2030-01-01',
    array['2030-01-07 00:00:00', '2030-01-21 00:00:00', '2030-02-11 00:00:00'], 'a star with a step restricts nothing: both');
select pg_temp.comes('0 0 29 2 */7', 'UTC', '2030-01-01',
    array['2032-02-29 00:00:00', '2060-02-29 00:00:00'], '29 February on a Sunday');

-- names for expressions
select pg_temp.comes('@yearly', 'UTC', '2030-01-01',
    array['2031-01-01 00:00:00'], '');
select pg_temp.comes('@annually', 'UTC', '2030-06-01',
    array['2031-01-01 00:00:00'], '');
select pg_temp.comes('@monthly', 'UTC', '2030-01-01',
    array['2030-02-01 00:00:00'], '');
select pg_temp.comes('@weekly', 'UTC', '2030-01-01',
    array['2030-01-06 00:00:00', '2030-01-13 00:00:00'], 'Sundays');
select pg_temp.comes('@Daily', 'UTC', '2030-01-01',
    array['2030-01-02 00:00:00'], 'any case');
select pg_temp.comes('@midnight', 'Europe/Berlin', '2030-01-01',
    array['2030-01-01 23:00:00'], 'in its zone');
select pg_temp.comes('@hourly', 'UTC', '2030-01-01 00:30',
    array['2030-01-01 01:00:00', '2030-01-01 02:00:00'], '');
select pg_temp.comes('@every 90s', 'UTC', '2030-01-01',
    array['2030-01-01 00:01:30', '2030-01-01 00:03:00'], 'multiples');
select pg_temp.comes('@every 7s', 'America/New_York', '2030-01-01 00:00:00.5',
    array['2030-01-01 00:00:05', '2030-01-01 00:00:12'], 'of the time since 1970');
select pg_temp.comes('@every 1h30m', 'UTC', '2030-01-01',
    array['2030-01-01 01:30:00', '2030-01-01 03:00:00'], 'hours and minutes');
select pg_temp.comes('@every 2d', 'Asia/Tokyo', '2030-01-01 12:00',
    array['2030-01-02 00:00:00', '2030-01-04 00:00:00'], 'days of 24 hours');

-- zones
select pg_temp.comes('0 9 * * *', 'Asia/Tokyo', '2030-01-01',
    array['2030-01-02 00:00:00'], 'ahead of UTC');
select pg_temp.comes('0 9 * * *', 'Asia/Kolkata', '2030-01-01',
    array['2030-01-01 03:30:00'], 'by a half hour');
select pg_temp.comes('0 0 1 * *', 'Asia/Kathmandu', '2030-01-01',
    array['2030-01-31 18:15:00'], 'a month begins earlier there');
select pg_temp.comes('30 23 31 12 *', 'America/Los_Angeles', '2030-01-01',
    array['2030-01-01 07:30:00', '2031-01-01 07:30:00'], 'a year ends later there');
select pg_temp.comes('0 12 * * mon', 'Pacific/Auckland', '2030-01-01',
    array['2030-01-06 23:00:00'], 'a Monday begins on Sunday');
select pg_temp.comes('0 9 * * *', 'europe/berlin', '2030-01-01',
    array['2030-01-01 08:00:00'], 'any case');
select pg_temp.comes('0 9 * * *', 'Etc/GMT+5', '2030-01-01',
    array['2030-01-01 14:00:00'], 'a zone with a digit');
select pg_temp.comes('0 9 * * *', 'utc', '2030-01-01',
    array['2030-01-01 09:00:00'], 'utc');
select pg_temp.comes('0 9 * * *', 'Europe/Berlin', '2030-03-29 08:00',
    array['2030-03-30 08:00:00', '2030-03-31 07:00:00', '2030-04-01 07:00:00'], 'nine stays nine in summer');

-- the clocks go forward: New York, 2026-03-08, 02:00 becomes 03:00 (07:00 UTC)
select pg_temp.comes('30 2 * * *', 'America/New_York', '2026-03-07',
    array['2026-03-07 07:30:00', '2026-03-08 07:00:00', '2026-03-09 06:30:00'], 'skipped: right after it, once');
select pg_temp.comes('*/20 2 * * *', 'America/New_York', '2026-03-08 06:00',
    array['2026-03-08 07:00:00', '2026-03-09 06:00:00', '2026-03-09 06:20:00'], 'several skipped ones: once');
select pg_temp.comes('30 2,3 * * *', 'America/New_York', '2026-03-08 06:00',
    array['2026-03-08 07:00:00', '2026-03-08 07:30:00', '2026-03-09 06:30:00'], 'and then the next');
select pg_temp.comes('0 2,3 * * *', 'America/New_York', '2026-03-08 06:00',
    array['2026-03-08 07:00:00', '2026-03-09 06:00:00'], 'two at one instant are one');
select pg_temp.comes('0 */2 * * *', 'America/New_York', '2026-03-08 04:00',
    array['2026-03-08 05:00:00', '2026-03-08 07:00:00', '2026-03-08 08:00:00', '2026-03-08 10:00:00'], 'hours by a step are named');
select pg_temp.comes('30 * * * *', 'America/New_York', '2026-03-08 06:00',
    array['2026-03-08 06:30:00', '2026-03-08 07:30:00', '2026-03-08 08:30:00'], 'every hour goes on as time does');
select pg_temp.comes('*/30 0-23 * * *', 'America/New_York', '2026-03-08 06:00',
    array['2026-03-08 06:30:00', '2026-03-08 07:00:00', '2026-03-08 07:30:00'], 'all hours named are every hour');
select pg_temp.comes('30 2 8 3 *', 'America/New_York', '2026-01-01',
    array['2026-03-08 07:00:00', '2027-03-08 07:30:00'], 'of a single day');
select pg_temp.comes('30 * 8 3 *', 'America/New_York', '2026-03-08 06:30',
    array['2026-03-08 07:30:00'], 'the hour that is not is left out');
select pg_temp.comes('0 10 * * *', 'Pacific/Apia', '2011-12-29 19:00',
    array['2011-12-29 20:00:00', '2011-12-30 10:00:00', '2011-12-30 20:00:00'], 'a whole day was skipped');
select pg_temp.comes('15 2 * * *', 'Australia/Lord_Howe', '2026-10-03 00:00',
    array['2026-10-03 15:30:00', '2026-10-04 15:15:00'], 'by half an hour');
select pg_temp.comes('0 0 * * *', 'America/Sao_Paulo', '2018-11-03 00:00',
    array['2018-11-03 03:00:00', '2018-11-04 03:00:00', '2018-11-05 02:00:00'], 'at midnight');

-- the clocks go back: New York, 2026-11-01, 02:00 becomes 01:00 (06:00 UTC)
select pg_temp.comes('30 1 * * *', 'America/New_York', '2026-10-31 12:00',
    array['2026-11-01 05:30:00', '2026-11-02 06:30:00'], 'shown twice: the first time only');
select pg_temp.comes('30 1 * * *', 'America/New_York', '2026-11-01 06:10',
    array['2026-11-02 06:30:00'], 'asked in between');
select pg_temp.comes('*/30 1 * * *', 'America/New_York', '2026-11-01 05:00',
    array['2026-11-01 05:30:00', '2026-11-02 06:00:00'], 'none when shown again');
select pg_temp.comes('0 1,2 * * *', 'America/New_York', '2026-11-01 04:30',
    array['2026-11-01 05:00:00', '2026-11-01 07:00:00', '2026-11-02 06:00:00'], 'the hour after it');
select pg_temp.comes('30 * * * *', 'America/New_York', '2026-11-01 05:00',
    array['2026-11-01 05:30:00', '2026-11-01 06:30:00', '2026-11-01 07:30:00'], 'every hour goes on as time does');
select pg_temp.comes('*/30 * * * *', 'America/New_York', '2026-11-01 05:15',
    array['2026-11-01 05:30:00', '2026-11-01 06:00:00', '2026-11-01 06:30:00', '2026-11-01 07:00:00'], 'every half hour, too');
select pg_temp.comes('59 59 * * * *', 'America/New_York', '2026-11-01 05:59:58',
    array['2026-11-01 05:59:59', '2026-11-01 06:59:59', '2026-11-01 07:59:59'], 'to the second');
select pg_temp.comes('45 1 * * *', 'Australia/Lord_Howe', '2026-04-04 00:00',
    array['2026-04-04 14:45:00', '2026-04-05 15:15:00'], 'by half an hour');
select pg_temp.comes('30 * 17 2 *', 'America/Sao_Paulo', '2018-02-18 00:45',
    array['2018-02-18 01:30:00', '2018-02-18 02:30:00'], 'the end of a day shown twice');
select pg_temp.comes('30 23 * * *', 'America/Sao_Paulo', '2018-02-17 12:00',
    array['2018-02-18 01:30:00', '2018-02-19 02:30:00'], 'but a day has one evening');
select pg_temp.comes('* 1 1 11 *', 'America/New_York', '2026-11-01 05:58:30',
    array['2026-11-01 05:59:00', '2027-11-01 05:00:00'], 'every minute of a named hour');

-- against a plain search, minute by minute over a leap year
create function pg_temp.plain(minutes integer[], hours integer[], days integer[], weekdays integer[], either boolean) returns timestamptz[]
language sql as $$
    select array_agg(m order by m) from generate_series('2028-01-01 00:01Z'::timestamptz, '2028-12-31 23:59Z', '1 min') m
    where extract(minute from m) = any (minutes) and extract(hour from m) = any (hours)
      and case when either then extract(day from m) = any (days) or extract(dow from m) = any (weekdays)
               else extract(day from m) = any (days) and extract(dow from m) = any (weekdays) end
$$;
create function pg_temp.all_of(cron text) returns timestamptz[] language plpgsql as $$
declare
    at    timestamptz := '2028-01-01Z';
    ticks timestamptz[] := '{}';
begin
    loop
        at := ganger.next_cron(cron, 'UTC', at);
        exit when at >= '2029-01-01Z';
        ticks := ticks || at;
    end loop;
    return ticks;
end $$;
select is(pg_temp.all_of('7,*/20 3-21/6 13,31 * 2-4'), pg_temp.plain('{0,7,20,40}', '{3,9,15,21}', '{13,31}', '{2,3,4}', true), 'either day');
select is(pg_temp.all_of('59 23 */5 * 0,6'), pg_temp.plain('{59}', '{23}', '{1,6,11,16,21,26,31}', '{0,6}', false), 'both days');
select is(pg_temp.all_of('0 0,12 28-31 * *'), pg_temp.plain('{0}', '{0,12}', '{28,29,30,31}', '{0,1,2,3,4,5,6}', false), 'the ends of months');

-- errors name the field and the value
select pg_temp.refused(null, 'cron is missing');
select pg_temp.refused('', 'cron is missing');
select pg_temp.refused('* * * *', 'cron: "* * * *" has 4 field(s)');
select pg_temp.refused('* * * * * * *', 'cron: "* * * * * * *" has 7 field(s)');
select pg_temp.refused('60 * * * *', 'cron: minute "60" is not between 0 and 59');
select pg_temp.refused('0 24 * * *', 'cron: hour "24" is not between 0 and 23');
select pg_temp.refused('61 0 0 * * *', 'cron: second "61" is not between 0 and 59');
select pg_temp.refused('0 0 0 * *', 'cron: day of month "0" is not between 1 and 31');
select pg_temp.refused('0 0 * 13 *', 'cron: month "13" is not between 1 and 12');
select pg_temp.refused('0 0 * * 8', 'cron: day of week "8" is not between 0 and 7');
select pg_temp.refused('0 0 * foo *', 'cron: month "foo" is not known');
select pg_temp.refused('0 0 * january *', 'cron: month "january" is not known');
select pg_temp.refused('0 0 * * jan', 'cron: day of week "jan" is not known');
select pg_temp.refused('mon * * * *', 'cron: minute "mon" is not known');
select pg_temp.refused('-1 * * * *', 'cron: minute "-1" cannot be read');
select pg_temp.refused('1.5 * * * *', 'cron: minute "1.5" cannot be read');
select pg_temp.refused('1,,2 * * * *', 'cron: minute "" cannot be read');
select pg_temp.refused('1- * * * *', 'cron: minute "1-" cannot be read');
select pg_temp.refused('99999999999 * * * *', 'cron: minute "99999999999" cannot be read');
select pg_temp.refused('? * * * *', 'cron: minute "?" cannot be read');
select pg_temp.refused('0 0 ?/2 * *', 'cron: day of month "?/2" cannot be read');
select pg_temp.refused('0 0 * * 5L', 'cron: day of week "5L" cannot be read');
select pg_temp.refused('0 0 * * fri#2', 'cron: day of week "fri#2" cannot be read');
select pg_temp.refused('0 22-2 * * *', 'cron: hour "22-2" ends before it begins');
select pg_temp.refused('0 0 * nov-feb *', 'cron: month "nov-feb" ends before it begins');
select pg_temp.refused('0 0 * jan-sun *', 'cron: month "sun" is not known');
select pg_temp.refused('0 0 * * fri-mon', 'cron: day of week "fri-mon" ends before it begins');
select pg_temp.refused('*/0 * * * *', 'cron: minute "*/0" has a step of 0; it must be between 1 and 60');
select pg_temp.refused('*/61 * * * *', 'cron: minute "*/61" has a step of 61; it must be between 1 and 60');
select pg_temp.refused('0 */25 * * *', 'cron: hour "*/25" has a step of 25; it must be between 1 and 24');
select pg_temp.refused('@often', 'cron: "@often" is not known');
select pg_temp.refused('@every', 'cron: "@every" is not between one second and 366 days');
select pg_temp.refused('@every 0s', 'cron: "@every 0s" is not between one second and 366 days');
select pg_temp.refused('@every 400d', 'cron: "@every 400d" is not between one second and 366 days');
select pg_temp.refused('@every 10', 'cron: "@every 10" is not between one second and 366 days');
select pg_temp.refused('@every 30s1m', 'cron: "@every 30s1m" is not between one second and 366 days');
select pg_temp.refused('0 0 30 2 *', 'cron: "0 0 30 2 *" never fires');
select pg_temp.refused('0 0 31 4,6,9,11 *', 'cron: "0 0 31 4,6,9,11 *" never fires');
select pg_temp.refused('0 0 30-31 feb ?', 'cron: "0 0 30-31 feb ?" never fires');
select pg_temp.refused('* * * * *', 'timezone "Mars/Olympus" is not known', zone => 'Mars/Olympus');
select pg_temp.refused('* * * * *', 'timezone "" is not known', zone => '');
select pg_temp.refused('* * * * *', 'timezone "UTC+2" is not a full name', zone => 'UTC+2');
select pg_temp.refused('* * * * *', 'timezone "CEST" is not a full name', zone => 'CEST');
select pg_temp.refused('* * * * *', 'timezone "Foo/Bar3" is not a full name', zone => 'Foo/Bar3');
select pg_temp.refused('* * * * *', 'after must be a point in time, not infinity', after => 'infinity');
select pg_temp.refused('* * * * *', 'after is not in the years 1 to 9999', after => '9999-06-01', code => '22003');
select throws_ok(format('select ganger.next_cron(%L)', repeat('1,', 500) || '1 * * * *'), '22023', 'cron is 1009 bytes long; at most 1000 are allowed', 'one that is too long');
create function pg_temp.hint_of(call text) returns text language plpgsql as $$
declare
    hint text;
begin
    execute call;
    return 'no error';
exception when others then
    get stacked diagnostics hint = pg_exception_hint;
    return hint;
end $$;
select matches(pg_temp.hint_of($$ select ganger.next_cron('* * * *') $$), 'five: minute, hour, day of month, month, day of week', 'what the fields are');
select matches(pg_temp.hint_of($$ select ganger.next_cron('0 0 * nov-feb *') $$), 'nov-12,1-feb', 'how to say it');
select matches(pg_temp.hint_of($$ select ganger.next_cron('* * * * *', 'Mars/Olympus') $$), 'pg_timezone_names', 'where the names are');

-- defaults, and speed
select ok(ganger.next_cron('* * * * * *') between now() and now() + interval '1 s', 'after now, in UTC');
select ok(ganger.next_cron('0 0 29 2 1', null, null) > now(), 'a null is the default');
set timezone = 'America/New_York';
select is(ganger.next_cron('0 9 * * *', 'UTC', '2030-01-01 00:00+00'), '2030-01-01 09:00+00', 'the session''s zone has no part in it');
set timezone = 'UTC';
-- a search minute by minute takes seconds for each of these
create function pg_temp.took(cron text) returns interval language plpgsql as $$
declare
    began constant timestamptz := clock_timestamp();
begin
    perform ganger.next_cron(cron, 'Europe/Berlin', '2033-01-01Z'::timestamptz + i * interval '1 h') from generate_series(1, 200) i;
    return (clock_timestamp() - began) / 200;
end $$;
select cmp_ok(pg_temp.took('*/5 * * * *'), '<', interval '5 ms', 'one that fires often');
select cmp_ok(pg_temp.took('0 0 29 2 *'), '<', interval '5 ms', 'one in four years');
select cmp_ok(pg_temp.took('0 0 29 2 */7'), '<', interval '5 ms', 'one in 28 years');

select * from finish();
