-- Cron expressions: from text to instants. Nothing here reads a table.

-- What an expression means. A field is a text of 0 and 1, a digit for each value from 0: the next value that counts is one strpos away.
create type ganger.cron_plan as (
    seconds  text,
    minutes  text,
    hours    text,
    days     bit(31),       -- of the month, from 1
    months   text,          -- from 0, which is no month
    weekdays text,          -- from Sunday
    last_day boolean,       -- also the month's last
    either   boolean,       -- days and weekdays are both restricted: either will do
    every    bigint         -- seconds; all others are null then
);

-- The number a word of a field stands for.
create function ganger._cron_number(label text, word text, lowest integer, highest integer, names text[]) returns integer
language plpgsql immutable parallel safe as $$
declare
    value integer := case when word ~ '^\d+$' then word::integer else array_position(names, word) end;
begin
    if value is null then
        perform ganger._raise_problem(format(E'22023 cron: %s "%s" is not known\nIt is a number from %s to %s%s.',
            label, word, lowest, highest,
            case when names is not null then ', or one of ' || array_to_string(names, ', ') else '' end));
    elsif value not between lowest and highest then
        perform ganger._raise_problem(format('22023 cron: %s "%s" is not between %s and %s', label, word, lowest, highest));
    end if;
    return value;
end $$;

-- The values of a field as a text of 0 and 1. top: where * and an open step end.
create function ganger._cron_values(label text, field text, lowest integer, highest integer, top integer, names text[] default null)
returns text language plpgsql immutable parallel safe as $$
declare
    bits  text := repeat('0', highest + 1);
    item  text;
    part  text[];
    first integer;
    last  integer;
    step  integer;
begin
    if field = '*' then
        return repeat('0', lowest) || repeat('1', top - lowest + 1) || repeat('0', highest - top);
    end if;
    foreach item in array string_to_array(field, ',') loop
        part := regexp_match(lower(item), '^(?:(\*|\?)|([a-z]+|\d{1,9})(?:-([a-z]+|\d{1,9}))?)(?:/(\d{1,9}))?$');
        if part is null or part[1] = '?' and (item <> '?' or label not like 'day of %') then
            perform ganger._raise_problem(format(E'22023 cron: %s "%s" cannot be read\nFor example: *, 5, 1-5, */10, 1,15, 0-30/10.',
                                                 label, item));
        end if;
        step := coalesce(part[4]::integer, 1);
        first := case when part[1] is not null then lowest else ganger._cron_number(label, part[2], lowest, highest, names) end;
        last := case when label = 'day of week' and part[3] = 'sun' and first > 0 then 7 -- the end of the week
                     when part[3] is not null then ganger._cron_number(label, part[3], lowest, highest, names)
                     when part[1] is not null or part[4] is not null then top
                     else first end;
        if last < first and part[3] is not null then
            perform ganger._raise_problem(format(E'22023 cron: %s "%s" ends before it begins\nGive two ranges: %s-%s,%s-%s.', label, item,
                part[2], top, lowest, part[3]));
        elsif step not between 1 and top - lowest + 1 then
            perform ganger._raise_problem(format('22023 cron: %s "%s" has a step of %s; it must be between 1 and %s',
                                                 label, item, step, top - lowest + 1));
        end if;
        for value in first .. greatest(first, last) by step loop
            bits := overlay(bits placing '1' from value + 1 for 1);
        end loop;
    end loop;
    return bits;
end $$;

-- The seconds of @every; null: not such.
create function ganger._cron_every(cron text) returns bigint language plpgsql immutable parallel safe as $$
declare
    part    constant text[] := regexp_match(lower(cron), '^@every\s+(?:(\d{1,6})d)?(?:(\d{1,6})h)?(?:(\d{1,6})m)?(?:(\d{1,6})s)?$');
    seconds bigint;
begin
    if cron !~* '^@every\M' then
        return null;
    end if;
    seconds := coalesce(part[1]::bigint, 0) * 86400 + coalesce(part[2]::bigint, 0) * 3600 + coalesce(part[3]::bigint, 0) * 60
             + coalesce(part[4]::bigint, 0);
    if part is null or seconds not between 1 and 31622400 then
        perform ganger._raise_problem(format(
            E'22023 cron: "%s" is not between one second and 366 days\nFor example @every 30s, @every 1h30m, @every 7d.', cron));
    end if;
    return seconds;
end $$;

-- Reads an expression. Errors: 22023, naming the field and the value; also for one that never fires.
create function ganger._cron_plan(cron text) returns ganger.cron_plan language plpgsql immutable parallel safe as $$
declare
    source constant text := btrim(cron, E' \t\r\n');
    fields text[];
    days   text;
    p      ganger.cron_plan;
begin
    perform ganger._raise_problem(case
        when coalesce(source, '') = '' then E'22023 cron is missing\nFor example "0 3 * * *": at three every day.'
        when octet_length(source) > 1000 then '22023 cron is ' || octet_length(source) || ' bytes long; at most 1000 are allowed' end);
    p.every := ganger._cron_every(source);
    if p.every is not null then
        return p;
    end if;
    fields := regexp_split_to_array(case lower(source)
        when '@yearly' then '0 0 1 1 *' when '@annually' then '0 0 1 1 *' when '@monthly' then '0 0 1 * *' when '@weekly' then '0 0 * * 0'
        when '@daily' then '0 0 * * *' when '@midnight' then '0 0 * * *' when '@hourly' then '0 * * * *' else source end, '\s+');
    if cardinality(fields) = 5 then
        fields := '{0}' || fields;
    elsif cardinality(fields) <> 6 then
        perform ganger._raise_problem(case when left(source, 1) = '@'
            then format(E'22023 cron: "%s" is not known\nThere are @yearly, @annually, @monthly, @weekly, @daily, @midnight, @hourly, '
                        '@every.', source)
            else format(E'22023 cron: "%s" has %s field(s)\nThere are five: minute, hour, day of month, month, day of week; or six, with '
                        'the second in front.', source, cardinality(fields)) end);
    end if;
    p.seconds := ganger._cron_values('second', fields[1], 0, 59, 59);
    p.minutes := ganger._cron_values('minute', fields[2], 0, 59, 59);
    p.hours := ganger._cron_values('hour', fields[3], 0, 23, 23);
    p.last_day := fields[4] ~* '(^|,)l(,|$)';
    days := case when p.last_day then array_to_string(array_remove(string_to_array(lower(fields[4]), ','), 'l'), ',') else fields[4] end;
    p.days := case when p.last_day and days = '' then repeat('0', 31)
                   else substr(ganger._cron_values('day of month', days, 1, 31, 31), 2) end::bit(31);
    p.months := ganger._cron_values('month', fields[5], 1, 12, 12, '[1:12]={jan,feb,mar,apr,may,jun,jul,aug,sep,oct,nov,dec}');
    p.weekdays := ganger._cron_values('day of week', fields[6], 0, 7, 6, '[0:6]={sun,mon,tue,wed,thu,fri,sat}');
    p.weekdays := case when right(p.weekdays, 1) = '1' then '1' else left(p.weekdays, 1) end || substr(p.weekdays, 2, 6);
    p.either := fields[4] !~ '^[*?]' and fields[6] !~ '^[*?]';
    -- each date that there is comes on each day of the week
    if not p.either and not p.last_day and not exists (
        select from unnest('{31,29,31,30,31,30,31,31,30,31,30,31}'::integer[]) with ordinality m (length, month)
        where substr(p.months, m.month::integer + 1, 1) = '1' and position(B'1' in substring(p.days from 1 for m.length)) > 0) then
        perform ganger._raise_problem(format(E'22023 cron: "%s" never fires\nNone of its months has such a day.', source));
    end if;
    return p;
end $$;

-- The first time of day and date that fits, from `start` (whole seconds) on; null: none within 60 years, which is none at all. Each part
-- that does not fit is moved to the next that does, and what is below it begins anew.
create function ganger._cron_local(p ganger.cron_plan, start timestamp) returns timestamp language plpgsql immutable parallel safe as $$
declare
    y       integer := extract(year from start);
    mo      integer := extract(month from start);
    d       integer := extract(day from start);
    h       integer := extract(hour from start);
    mi      integer := extract(minute from start);
    s       integer := extract(second from start);
    last_y  constant integer := y + 60;
    first   date;
    length  integer;
    days    bit(31);
    k       integer;
begin
    while y <= last_y loop
        k := strpos(substr(p.months, mo + 1), '1');
        if k = 0 then
            y := y + 1; mo := 1; d := 1; h := 0; mi := 0; s := 0;
            continue;
        elsif k > 1 then
            mo := mo + k - 1; d := 1; h := 0; mi := 0; s := 0;
        end if;
        first := make_date(y, mo, 1);
        length := extract(day from first + interval '1 month -1 day');
        days := substr(repeat(p.weekdays, 6), extract(dow from first)::integer + 1, 31)::bit(31);
        days := case when p.either then days | case when p.last_day then set_bit(p.days, length - 1, 1) else p.days end
                     else days & case when p.last_day then set_bit(p.days, length - 1, 1) else p.days end end;
        k := position(B'1' in substring(days from d for length - d + 1));
        if k = 0 then
            mo := mo + 1; d := 1; h := 0; mi := 0; s := 0;
            continue;
        elsif k > 1 then
            d := d + k - 1; h := 0; mi := 0; s := 0;
        end if;
        loop
            k := strpos(substr(p.hours, h + 1), '1');
            exit when k = 0;
            if k > 1 then
                h := h + k - 1; mi := 0; s := 0;
            end if;
            k := strpos(substr(p.minutes, mi + 1), '1');
            if k = 0 then
                h := h + 1; mi := 0; s := 0;
                continue;
            elsif k > 1 then
                mi := mi + k - 1; s := 0;
            end if;
            k := strpos(substr(p.seconds, s + 1), '1');
            if k > 0 then
                return make_timestamp(y, mo, d, h, mi, s + k - 1);
            end if;
            mi := mi + 1; s := 0;
        end loop;
        d := d + 1; h := 0; mi := 0; s := 0;
    end loop;
    return null;
end $$;

-- How far a zone's clocks are ahead of UTC. Below, no zone is taken to change its clocks twice within 26 hours, nor by more than that.
create function ganger._zone_offset(at timestamptz, zone text) returns interval language sql immutable parallel safe as $$
    select (at at time zone zone) - (at at time zone 'UTC')
$$;

-- When the clocks are changed: the one instant in (low, high], between which the offsets differ.
create function ganger._zone_change(low timestamptz, high timestamptz, zone text) returns timestamptz
language plpgsql immutable parallel safe as $$
declare
    before constant interval := ganger._zone_offset(low, zone);
    l bigint := floor(extract(epoch from low));
    h bigint := floor(extract(epoch from high));
    m bigint;
begin
    while h - l > 1 loop
        m := (l + h) / 2;
        if ganger._zone_offset(to_timestamp(m), zone) = before then
            l := m;
        else
            h := m;
        end if;
    end loop;
    return to_timestamp(h);
end $$;

-- When a zone's clocks first show `shown`; is_skipped: they never do, as they are put forward over it, and `at` is when.
create function ganger._zone_instant(shown timestamp, zone text, out at timestamptz, out is_skipped boolean)
language plpgsql immutable parallel safe as $$
declare
    earlier timestamptz;
begin
    at := shown at time zone zone; -- skipped: as if they had not been put forward; shown twice: the second
    is_skipped := (at at time zone zone) <> shown;
    if is_skipped then
        at := ganger._zone_change(at - ((at at time zone zone) - shown), at, zone);
        return;
    end if;
    earlier := (shown - ganger._zone_offset(at - interval '26 h', zone)) at time zone 'UTC';
    if earlier < at and (earlier at time zone zone) = shown then
        at := earlier;
    end if;
end $$;

-- The next instant, strictly after `after`, for an expression that names hours: a time that the clocks show twice counts the first
-- time, one that they skip counts when they do. Null: never.
create function ganger._cron_next_named(p ganger.cron_plan, zone text, after timestamptz) returns timestamptz
language plpgsql immutable parallel safe as $$
declare
    start  timestamp := date_trunc('second', after at time zone zone) + interval '1 s';
    before constant interval := ganger._zone_offset(after - interval '26 h', zone);
begin
    if before <> ganger._zone_offset(after, zone) and (ganger._zone_instant(start, zone)).at <= after then
        -- the clocks show again what they have shown: all of that has had its turn
        start := (ganger._zone_change(after - interval '26 h', after, zone) at time zone 'UTC') + before;
    end if;
    return (ganger._zone_instant(ganger._cron_local(p, start), zone)).at;
end $$;

-- The same for one that fits every hour: it fits whatever the clocks show, and goes on as time does.
create function ganger._cron_next_running(p ganger.cron_plan, zone text, after timestamptz) returns timestamptz
language plpgsql immutable parallel safe as $$
declare
    now_at timestamptz := after;
    start  timestamp := date_trunc('second', after at time zone zone) + interval '1 s';
    shown  timestamp;
    ahead  interval;
    fire   timestamptz;
    near   timestamptz;
    skipped boolean;
begin
    loop
        shown := ganger._cron_local(p, start);
        ahead := ganger._zone_offset(now_at, zone);
        fire := (shown - ahead) at time zone 'UTC';
        near := least(fire, now_at + interval '26 h');
        if fire is null then
            return null;
        elsif ganger._zone_offset(near, zone) <> ahead then
            now_at := ganger._zone_change(now_at, near, zone); -- nothing fits before it; then on from what they show
        elsif near = fire then
            return fire;
        else
            select i.at, i.is_skipped into now_at, skipped from ganger._zone_instant(shown, zone) i;
            if not skipped then
                return now_at;
            end if;
        end if;
        start := now_at at time zone zone;
    end loop;
end $$;

-- next_cron for a plan and a zone that are known to be good. Null: never.
create function ganger._cron_next(p ganger.cron_plan, zone text, after timestamptz) returns timestamptz
language plpgsql immutable parallel safe as $$
begin
    if p.every is not null then
        return to_timestamp((floor(extract(epoch from after) / p.every) + 1) * p.every);
    elsif strpos(p.hours, '0') = 0 then
        return ganger._cron_next_running(p, zone, after);
    end if;
    return ganger._cron_next_named(p, zone, after);
end $$;

-- What is wrong with the name of a time zone; null: nothing. PostgreSQL takes anything with a digit for a rule ('UTC+2' is two hours
-- behind), and an abbreviation for a fixed offset: neither is what a schedule means.
create function ganger._zone_problem(zone text) returns text language plpgsql stable parallel safe as $$
begin
    perform now() at time zone zone;
    if zone ~* '^(utc|gmt|[a-z_]+(/[a-z_-]+)+)$'
       or exists (select from pg_timezone_names z where lower(z.name) = lower(zone))
          and not exists (select from pg_timezone_abbrevs a where a.abbrev = upper(zone) and a.utc_offset <> '0') then
        return null;
    end if;
    return format(E'22023 timezone "%s" is not a full name\nA name of the view pg_timezone_names, for example Europe/Berlin.', zone);
exception when invalid_parameter_value then
    return format(E'22023 timezone "%s" is not known\nA name of the view pg_timezone_names, for example Europe/Berlin.', zone);
end $$;

-- When an expression fires next, strictly after `after`; to look at one before using it:
-- select ganger.next_cron('0 9 * * mon-fri', 'Europe/Berlin').
--
--   cron      minute hour day-of-month month day-of-week, optionally a second in front; or @yearly, @annually, @monthly, @weekly, @daily,
--             @midnight, @hourly; or @every 1h30m (d, h, m, s): multiples of that since 1970-01-01 UTC, whatever the zone.
--             A field: *, a value, a range 1-5, steps */10 1-30/5 5/10 (from 5 on), lists of these. Months and days of the week also by
--             name (jan, mon); Sunday is 0 and 7. ? is * (in both day fields). L is the month's last day. When both day fields are
--             restricted (neither begins with * or ?) either will do, otherwise both must fit.
--   timezone  a full name that PostgreSQL knows
-- Where clocks are changed: an expression that fits every hour goes on as time does. One that names hours fires once for a time that is
-- shown twice, the first time; and once, when the clocks are put forward, for all the times that this skips.
-- Errors: 22023 a field or zone that cannot be read, an expression that never fires, an infinite `after`; 22003 outside the years 1 to
-- 9999.
create function ganger.next_cron(cron text, timezone text default 'UTC', after timestamptz default now()) returns timestamptz
language plpgsql stable parallel safe security definer set search_path = pg_catalog, ganger, pg_temp as $$
declare
    plan  constant ganger.cron_plan := ganger._cron_plan(cron);
    zone  constant text := coalesce(timezone, 'UTC');
    since constant timestamptz := coalesce(after, now());
begin
    perform ganger._raise_problem(coalesce(ganger._zone_problem(zone), case
        when not isfinite(since) then '22023 after must be a point in time, not ' || since
        when since not between '0001-01-03 00:00+00' and '9998-12-31 00:00+00' then '22003 after is not in the years 1 to 9999' end));
    return ganger._cron_next(plan, zone, since);
end $$;
